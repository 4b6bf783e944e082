"""Whoever follows the change feed misses nothing, in whatever order writers commit."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings

from tests.faults.conftest import database_url

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.public]


def test_a_reader_misses_nothing_while_four_writers_commit_and_would_without_their_lock(
    acme, record_property
):
    done = subprocess.run(
        [sys.executable, "-m", "tests.changes.race", "acme"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "hub.settings.test",
        },
    )
    assert "Traceback" not in done.stderr, done.stderr
    found = json.loads(done.stdout)

    assert {race["records"] for race in found.values()} == {4 * 12 * 20}
    assert found["ordered"]["missed"] == 0
    assert found["unordered"]["missed"] > 0
    record_property("changes read", found["ordered"]["changes"])
    record_property("missed", found["ordered"]["missed"])
    record_property("missed without the lock", found["unordered"]["missed"])
