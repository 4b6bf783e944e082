"""The page of providers is what the connectors say, never typed by hand."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings

from integrations.connectors import registry
from integrations.connectors.catalogue import catalogue, described, markdown

PAGE = Path(settings.BASE_DIR) / "docs" / "providers.md"


def test_the_page_is_the_one_the_command_writes() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "connectors", "--markdown"],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )

    assert PAGE.read_text() == done.stdout, (
        "run: .venv/bin/python manage.py connectors --markdown > docs/providers.md"
    )


def test_every_connector_is_in_the_catalogue_with_what_it_declares() -> None:
    registry.load()

    entries = {entry["slug"]: entry for entry in catalogue()}

    quickbooks = entries["quickbooks"]
    assert quickbooks["auth"] == ["oauth2"]
    assert quickbooks["types"][1] == {
        "name": "customers",
        "becomes": ["company", "person"],
        "parent": None,
        "changed_at": "MetaData.LastUpdatedTime",
        "deletions": "by absence",
        "min_interval_hours": None,
        "lifetime_days": 29,
    }
    assert quickbooks["limits"] == ["500 in 60 s per account", "10 in 1 s"]
    slack = described(registry.get_connector("slack"))
    assert slack["types"][2]["parent"] == "channels"
    assert "users:read" in slack["scopes"]
    assert slack["optional_scopes"] == ["users:read.email", "team:read"]
    assert slack["reads"] == ["lists by time of change, newest first", "complete lists"]
    page = markdown([slack])
    assert "| messages | message | channels | `edited.ts` | never | – | – |" in page
    assert "- limits: 50 in 60 s per account for `/conversations.history`; 50 in 60 s" in page
