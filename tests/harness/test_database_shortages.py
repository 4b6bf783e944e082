"""F13, F14: the hub's database has no connection left, or no room, for a while.

On a server and disks of its own, all three in one process of their own (`shortages`).
"""

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from tests.faults.conftest import database_url
from tests.harness.shortages import CANNOT

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("shortages")]

SECONDS = 300  # on a busy machine


@pytest.fixture(scope="module")
def said(django_db_setup: None) -> str:
    """What the program said; skipped, and visibly, where nobody may mount a disk."""
    done: Any = subprocess.run(
        [sys.executable, "-m", "tests.harness.shortages", "--copy", database_url()],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip(done.stdout.strip())
    return str(done.stdout + done.stderr)


def test_f13_without_a_free_connection_the_hub_says_503_and_its_work_only_waits(said: str) -> None:
    assert "connections: nothing wrong" in said, said


def test_f14_on_a_full_disk_nothing_is_done_without_its_audit_event_and_no_work_is_given_up(
    said: str,
) -> None:
    assert "room: nothing wrong" in said, said


def test_f14_a_server_that_ends_on_a_full_disk_costs_the_hub_time_only(said: str) -> None:
    assert "folder: nothing wrong" in said, said
