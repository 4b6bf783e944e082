"""A backfill reads once from its date; what has vanished is seen again as far as one can know."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from integrations.models import EntityTypeStatus, Record, SyncRun
from integrations.records import Company
from integrations.types import EntityType
from tests.engine.acme_provider import AcmeConnector, company
from tests.engine.conftest import work

pytestmark = pytest.mark.django_db

DATE = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = int(DATE.timestamp()) - 86_400, int(DATE.timestamp()) + 86_400


@pytest.fixture
def dated(connection, server, monkeypatch):
    """Ten companies changed before the date and ten after it; only a full list shows absence."""
    listed = EntityType("companies", becomes=Company, changed_at="changed")
    monkeypatch.setattr(AcmeConnector, "entity_types", (listed,))
    server.page_size = 100
    monkeypatch.setattr(AcmeConnector, "fetch_entities", _from_the_date(server))
    server.rows = {"companies": [company(n, changed=OLD if n < 10 else NEW) for n in range(20)]}
    return connection


def _from_the_date(server):
    fetch = AcmeConnector.fetch_entities

    def fetch_entities(self, entity_type, since):
        start = since.at() if since else {}
        rows = server.rows["companies"]
        if "not_before" in start:
            floor = datetime.fromisoformat(start["not_before"]).timestamp()
            server.rows["companies"] = [row for row in rows if row["changed"] >= floor]
        try:
            yield from fetch(self, entity_type, since)
        finally:
            server.rows["companies"] = rows

    return fetch_entities


def backfill(connection) -> None:
    SyncRun.objects.create(
        connection=connection, mode=SyncRun.Mode.BACKFILL, not_before=DATE, trigger="manual"
    )
    work(connection)


def reconcile(connection) -> None:
    EntityTypeStatus.objects.update(full_read_at=timezone.now() - timedelta(days=8))
    work(connection)


def gone(*numbers: int, server) -> None:
    server.rows["companies"] = [
        row for row in server.rows["companies"] if row["id"] not in {f"c{n}" for n in numbers}
    ]


def present() -> set[str]:
    return set(Record.objects.present().values_list("source_id", flat=True))


def test_after_a_backfill_of_what_was_known_whole_absence_is_seen_everywhere(dated, server):
    work(dated)
    backfill(dated)
    gone(1, 15, server=server)

    reconcile(dated)

    assert present() == {f"c{n}" for n in range(20)} - {"c1", "c15"}
    assert EntityTypeStatus.objects.get().not_before is None


def test_what_was_never_read_before_its_date_shows_absence_from_there_on(dated, server):
    backfill(dated)
    assert present() == {f"c{n}" for n in range(10, 20)}
    Record.objects.filter(source_id="c10").update(source_changed_at=DATE - timedelta(days=2))
    gone(10, 15, server=server)

    reconcile(dated)

    assert present() == {f"c{n}" for n in range(10, 20)} - {"c15"}
    assert EntityTypeStatus.objects.get().known_from == DATE


def test_a_full_sync_reads_what_is_older_than_the_date_too(dated, server):
    backfill(dated)
    SyncRun.objects.create(connection=dated, mode=SyncRun.Mode.FULL, trigger="manual")

    work(dated)

    assert len(present()) == 20
    assert EntityTypeStatus.objects.get().known_from is None


def test_two_backfills_are_known_from_the_earlier_date(dated):
    backfill(dated)
    earlier = DATE - timedelta(days=30)
    SyncRun.objects.create(
        connection=dated, mode=SyncRun.Mode.BACKFILL, not_before=earlier, trigger="manual"
    )

    work(dated)
    backfill(dated)

    assert EntityTypeStatus.objects.get().known_from == earlier
