"""When a batch closes: at the first position after 8 MB or 5 seconds, not only after 5,000 rows."""

from itertools import pairwise

import pytest

from integrations.sync import engine, read_ahead
from tests.engine.acme_provider import company
from tests.engine.conftest import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient():
    """Here the times are the product's own."""


@pytest.fixture
def batches(connection, server):
    """Sync 25 companies, one to a page; how many came with each commit."""
    server.page_size = 1
    server.rows["people"] = []

    def sync() -> list[int]:
        so_far = [0]
        work(connection, progress=lambda run: so_far.append(run.counts["companies"]["read"]))
        return [now - before for before, now in pairwise(so_far)]

    return sync


def test_a_batch_closes_after_eight_megabytes(batches, server, monkeypatch):
    monkeypatch.setattr(engine, "monotonic", lambda: 0.0)
    server.rows["companies"] = [company(n, note="x" * 1024 * 1024) for n in range(12)]

    found = batches()

    assert sum(found) == 12
    assert max(found) == 8


def test_a_batch_closes_after_five_seconds(batches, server, monkeypatch):
    """A provider that takes a second for each page; the thread ahead reads a few more of them."""
    now, answer = [0.0], server.page

    def slowly(*page: object) -> object:
        now[0] += 1
        return answer(*page)

    monkeypatch.setattr(engine, "monotonic", lambda: now[0])
    monkeypatch.setattr(read_ahead, "CHUNK_SECONDS", 0)
    server.page = slowly

    found = batches()

    assert sum(found) == 25
    assert max(found) <= 5 + 2 + read_ahead.DEPTH
