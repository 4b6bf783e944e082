"""The README's connector is a real one: taken from the page as it stands, it connects and syncs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.db import connection as database
from psycopg.conninfo import make_conninfo

from integrations.connectors.lines import count_source
from integrations.models import Connection, Record, RejectedRecord

README = Path(settings.BASE_DIR) / "README.md"
MODULE = "acme_connector"
KEY = "the-key-of-acme"
NAMES = ["Ida Petersen", "Jon Falk", "Mia Sand", "Ole Brandt", "Pia Lund"]
PAGE_SIZE = 2


class Acme(BaseHTTPRequestHandler):
    """The provider of the README: contacts two by two, each page naming the next."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if self.headers["X-Key"] != KEY:
            self._answer(401, {"error": "unknown key"})
        elif address.path == "/me":
            self._answer(200, {"id": 73001, "name": "Acme GmbH"})
        elif address.path == "/contacts":
            self._answer(200, _page(int(parse_qs(address.query).get("cursor", ["0"])[0])))
        else:
            self._answer(404, {"error": "no such list"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        pass


def _page(first: int) -> dict[str, Any]:
    after = first + PAGE_SIZE
    items: list[dict[str, Any]] = [
        {"id": number, "name": name, "emails": [f"{name.split()[0].lower()}@acme.example"]}
        for number, name in enumerate(NAMES[first:after], first + 1)
    ]
    if after >= len(NAMES):
        items.append({"id": 99, "name": "Nobody"})  # has no e-mails: rejected
    return {"items": items, "next": str(after) if after < len(NAMES) else None}


@dataclass
class Stranger:
    """Somebody with the README's module in a folder of their own, typing commands."""

    folder: Path
    provider_url: str

    def type(self, *command: str) -> subprocess.CompletedProcess[str]:
        named = database.settings_dict
        url = make_conninfo(
            dbname=named["NAME"],
            user=named["USER"] or None,
            password=named["PASSWORD"] or None,
            host=named["HOST"] or None,
            port=named["PORT"] or None,
        )
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "hub.settings.test",
                "DATABASE_URL": url,
                "PYTHONPATH": str(self.folder),
                "HUB_CONNECTOR_MODULES": MODULE,
                "HUB_PROVIDER_ADDRESSES": json.dumps({"https://acme.example": self.provider_url}),
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def connect(self, key: str) -> subprocess.CompletedProcess[str]:
        file = self.folder / "key.json"
        file.write_text(json.dumps({"key": key}))
        options = ("--tenant", "acme", "--provider", "acme", "--credentials-file", str(file))
        return self.type("connect", *options)

    def sync(self, *options: str) -> dict[str, Any]:
        done = self.type("sync", "--tenant", "acme", "--connection", "acme", "--json", *options)
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def connector_of_the_readme() -> str:
    """The one block of Python on the page."""
    blocks = re.findall(r"^```python\n(.+?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Stranger]:
    (tmp_path / f"{MODULE}.py").write_text(connector_of_the_readme())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Acme)
    Thread(target=server.serve_forever, daemon=True).start()
    yield Stranger(tmp_path, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()


def test_the_connector_of_the_readme_has_ten_lines() -> None:
    counted = count_source(connector_of_the_readme())

    assert counted.methods + counted.declared == 10


@pytest.mark.django_db(transaction=True)
def test_it_is_listed_with_the_built_in_providers(stranger: Stranger) -> None:
    done = stranger.type("connectors", "--json")

    listed = {each["slug"]: each for each in json.loads(done.stdout)}
    assert {"acme", "copper", "quickbooks", "slack"} <= set(listed)
    assert listed["acme"]["auth"] == ["api_key"]
    assert listed["acme"]["entity_types"] == ["contacts"]


@pytest.mark.django_db(transaction=True)
def test_it_connects_and_reads_every_page_of_its_provider(stranger: Stranger) -> None:
    connected = stranger.connect(KEY)
    assert connected.returncode == 0, connected.stderr

    run = stranger.sync()

    line = run["counts"]["contacts"]
    assert (run["state"], run["calls"]) == ("succeeded", 5)  # two of them the pre-flight
    assert (line["inserted"], line["rejected"]) == (len(NAMES), 1)
    assert Connection.objects.get().source_system == "acme:73001"
    assert list(Record.objects.order_by("id").values_list("title", flat=True)) == NAMES
    assert Record.objects.first().data["emails"] == ["pia@acme.example"]
    assert "emails" in RejectedRecord.objects.get().reason


@pytest.mark.django_db(transaction=True)
def test_reading_it_again_writes_nothing(stranger: Stranger) -> None:
    stranger.connect(KEY)
    stranger.sync()

    again = stranger.sync("--full")["counts"]["contacts"]

    assert (again["inserted"], again["updated"], again["unchanged"]) == (0, 0, len(NAMES))


@pytest.mark.django_db(transaction=True)
def test_a_wrong_key_connects_nothing(stranger: Stranger) -> None:
    refused = stranger.connect("another key")

    assert refused.returncode == 1
    assert "Acme does not accept these credentials" in refused.stderr
    assert not Connection.objects.exists()
