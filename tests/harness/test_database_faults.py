"""The database goes away in the middle of things, or its answer does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection as database

from integrations.models import SyncRun
from tests.faults.conftest import database_url
from tests.harness.checker import check, early
from tests.harness.hub import Hub
from tests.harness.simulator import Simulator
from tests.harness.tcp_chaos import TcpChaos, Trouble

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = "after_checkpoint,after_commit"
RESTART_SECONDS = 300  # on a busy machine
COMMIT_OF_A_BATCH = Trouble(cut_at=(b"INSERT INTO integrations_record AS", b"COMMIT"))


@pytest.fixture
def to_database() -> Iterator[TcpChaos]:
    named = database.settings_dict
    with TcpChaos(f"{named['HOST']}/.s.PGSQL.{named['PORT'] or 5432}") as chaos:
        yield chaos


def test_a_commit_whose_answer_is_lost_is_found_and_not_repeated(
    hub: Hub, simulator: Simulator, to_database: TcpChaos, tmp_path: Path
) -> None:
    """F12: the batch is there; nobody was told."""
    account = simulator.account("a1")
    connection = hub.connect("a1")
    name = database.settings_dict["NAME"]
    far = f"postgresql://postgres@127.0.0.1:{to_database.port}/{name}"
    distant = Hub(far, simulator.url, tmp_path / "distant.log")
    try:
        to_database.set(COMMIT_OF_A_BATCH)
        distant.work(connection)
    finally:
        distant.close()
    assert to_database.cuts >= 1
    assert early(connection, account) == []
    written = sum(line.get("inserted", 0) for line in SyncRun.objects.get().counts.values())
    assert written > 0
    before = simulator.next_number

    hub.drain(connection, also=False)

    assert check(connection, account) == {}
    pages = [one.path for one in simulator.asked[before - 1 :] if "now" not in one.path]
    assert "/companies" not in pages


def test_a_server_that_is_stopped_at_once_at_any_point_costs_time_and_no_record(
    transactional_db: None,
) -> None:
    """F10: on a server of its own; `make soak` takes every point."""
    command = ["-m", "tests.harness.restarts", "--copy", database_url(), "--points", POINTS]

    done = subprocess.run(
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=RESTART_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 restarts of the database: nothing wrong" in done.stdout
