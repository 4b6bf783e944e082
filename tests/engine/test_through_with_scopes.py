"""A run is through with a parent that may not be read: it is not asked again by every slice."""

import pytest

from integrations.models import SweepBatch, SyncRun
from integrations.sync import read_ahead
from tests.engine.conftest import connected, present, run_of, work

pytestmark = pytest.mark.django_db

SHELVES = [f"s{n:02}" for n in range(40)]


@pytest.fixture
def connection(db, inside_acme, shelves, monkeypatch):
    """Forty shelves, of which only the last is open; a slice gets over a few of them."""
    monkeypatch.setattr(read_ahead, "CHUNK_SECONDS", 0)
    shelves.shelves = list(SHELVES)
    shelves.books = {SHELVES[-1]: [1, 2, 3]}
    shelves.closed = set(SHELVES[:-1])
    return connected("shelf_memory")


def work_to_the_end(connection) -> int:
    slices = 1
    while work(connection, seconds=0).wants_more:
        slices += 1
        assert slices < 60, "every slice asks the same parents again"
    return slices


def test_a_run_gets_past_more_skipped_parents_than_a_slice_can_ask(connection):
    assert work_to_the_end(connection) > 2

    assert run_of(connection).state == "succeeded"
    assert len(present()) == 3


def test_the_next_run_asks_a_skipped_parent_again(connection, shelves):
    work_to_the_end(connection)
    shelves.closed.clear()
    shelves.books[SHELVES[0]] = [7]

    work_to_the_end(connection)

    assert f"{SHELVES[0]}-7" in present()


def test_a_parent_skipped_half_way_through_a_full_walk_loses_nothing(connection, shelves, settings):
    settings.HUB_BATCH_ROWS = 5
    shelves.closed.clear()
    shelves.books = {SHELVES[0]: list(range(30))}
    work_to_the_end(connection)
    shelves.close_at = (SHELVES[0], 15)
    SyncRun.objects.create(connection=connection, mode=SyncRun.Mode.FULL)

    work_to_the_end(connection)

    assert len(present()) == 30
    assert not SweepBatch.objects.exists()
