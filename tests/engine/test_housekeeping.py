"""What is old is forgotten in every tenant, also in those that sync nothing."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.models import (
    DeletionReview,
    Destination,
    DestinationRun,
    Disconnection,
    Record,
    RejectedRecord,
    SyncRun,
)
from integrations.sync.housekeeping import prune_done, prune_kept, prune_runs
from tenants.models import Tenant
from tests.engine.conftest import connected, work

pytestmark = pytest.mark.django_db

LONG_AGO = timedelta(days=91)


def sync_run(connection, ago: timedelta, **values) -> SyncRun:
    run = SyncRun.objects.create(connection=connection, state="succeeded", **values)
    at = timezone.now() - ago
    SyncRun.objects.filter(pk=run.pk).update(created_at=at, ended_at=at)
    return run


def test_every_active_tenant_has_its_housekeeping_once_in_one_statement(acme, other_tenant):
    begun = timezone.now()
    with CaptureQueriesContext(database) as seen:
        Due.objects.plan_housekeeping()
    Due.objects.plan_housekeeping()

    rows = Due.objects.filter(kind=Due.Kind.HOUSEKEEPING)
    active = set(Tenant.objects.filter(state="active").values_list("pk", flat=True))
    assert {row.object_id for row in rows} == {row.tenant_id for row in rows} == active
    assert len(rows) == len(active) >= 2
    assert len(seen) == 1
    assert all(begun <= row.due_at < timezone.now() + timedelta(days=1) for row in rows)


def test_a_tenant_that_syncs_nothing_forgets_its_tombstones_all_the_same(
    connection, acme, server, long_lease
):
    work(connection)
    Due.objects.all().delete()
    Record.objects.filter(source_id="c1").update(deleted_at=timezone.now() - LONG_AGO)
    Due.objects.plan_housekeeping()
    due = Due.objects.get(kind=Due.Kind.HOUSEKEEPING, tenant=acme)
    claimed = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claimed is not None

    said = tasks.work(str(acme.pk), str(due.pk), claimed.fence)

    assert said == "Forgot 1 tombstones, 0 runs and 0 matters done with."
    assert not Record.objects.filter(source_id="c1").exists()
    due.refresh_from_db()
    assert due.lease_until is None
    assert timedelta(hours=23) < due.due_at - timezone.now() <= timedelta(days=1)


def test_runs_of_syncs_are_forgotten_after_90_days_but_for_those_that_still_tell_something(
    inside_acme, server
):
    connection, quiet = connected(), connected(account="2")
    old_whole = sync_run(connection, LONG_AGO + timedelta(days=3), is_whole=True)
    whole = sync_run(connection, LONG_AGO + timedelta(days=2), is_whole=True)
    old = sync_run(connection, LONG_AGO)
    recent = sync_run(connection, timedelta(days=89))
    only = sync_run(quiet, LONG_AGO)

    assert prune_runs() == 2

    kept = set(SyncRun.objects.values_list("pk", flat=True))
    assert kept == {whole.pk, recent.pk, only.pk}
    assert old_whole.pk not in kept and old.pk not in kept


def test_runs_of_destinations_are_forgotten_after_90_days_but_for_the_last(inside_acme):
    destination = Destination.objects.create(name="Base", type="airtable")
    for days in (200, 91, 95):
        run = DestinationRun.objects.create(destination=destination, state="succeeded")
        at = timezone.now() - timedelta(days=days)
        DestinationRun.objects.filter(pk=run.pk).update(started_at=at, ended_at=at)

    assert prune_runs() == 2

    (left,) = DestinationRun.objects.all()
    assert (timezone.now() - left.ended_at).days == 91


def ago(days: int) -> datetime:
    return timezone.now() - timedelta(days=days)


def test_rejected_records_are_forgotten_90_days_after_they_were_resolved(connection):
    for name, resolved in (("waits", None), ("recent", ago(89)), ("old", ago(91))):
        RejectedRecord.objects.create(
            connection=connection,
            run_id=uuid4(),
            source_system=connection.source_system,
            entity_type="companies",
            source_id=name,
            reason="name is missing",
            raw=b"{}",
            first_at=ago(200),
            last_at=ago(200),
            resolved_at=resolved,
        )

    assert prune_done() == 1

    assert set(RejectedRecord.objects.values_list("source_id", flat=True)) == {"waits", "recent"}


def test_deletion_reviews_are_forgotten_90_days_after_they_were_decided_unless_records_were_kept(
    connection,
):
    """What was kept is not asked about again, however long ago that was."""
    for state, decided in (
        *[("approved", ago(91)), ("outdated", ago(91)), ("refused", ago(91))],
        *[("approved", ago(89)), ("pending", None)],
    ):
        DeletionReview.objects.create(
            connection=connection,
            entity_type="companies",
            cause="absence",
            run_id=uuid4(),
            record_ids=[1, 2, 3],
            present=4,
            state=state,
            decided_at=decided,
        )

    assert prune_done() == 2

    left = sorted(DeletionReview.objects.values_list("state", flat=True))
    assert left == ["approved", "pending", "refused"]


def test_ids_of_kept_records_that_are_stored_no_longer_stay_in_no_review(connection, server):
    work(connection)
    there = list(Record.objects.order_by("pk").values_list("pk", flat=True)[:3])
    purged = [max(there) + 10_000 + number for number in range(5)]
    kept, waiting = (
        DeletionReview.objects.create(
            connection=connection,
            entity_type="companies",
            cause="absence",
            run_id=uuid4(),
            record_ids=[*there, *purged],
            present=9,
            state=state,
            decided_by="ada@example.com",
        )
        for state in ("refused", "pending")
    )

    assert [prune_kept(), prune_kept()] == [5, 0]

    kept.refresh_from_db()
    waiting.refresh_from_db()
    assert (kept.record_ids, kept.held, kept.decided_by) == (there, 8, "ada@example.com")
    assert str(kept) == "8 of 9 companies"
    assert len(waiting.record_ids) == 8


def test_housekeeping_whose_time_is_over_leaves_kept_reviews_for_another_day(connection):
    DeletionReview.objects.create(
        connection=connection,
        entity_type="companies",
        cause="absence",
        run_id=uuid4(),
        record_ids=[10_001],
        present=1,
        state="refused",
    )

    assert prune_kept(lambda: True) == 0
    assert DeletionReview.objects.get().record_ids == [10_001]


def disconnection(connection, days: int | None, *, keep_records: bool = True) -> Disconnection:
    """One that was asked for `days` ago and ended at once; None for one under way."""
    at = ago(days or 0)
    asked = Disconnection.objects.create(
        connection=connection, keep_records=keep_records, ended_at=None if days is None else at
    )
    Disconnection.objects.filter(pk=asked.pk).update(created_at=at)
    return asked


def test_disconnections_are_forgotten_after_90_days_but_for_the_last_of_each_connection(
    inside_acme, server
):
    connection, other = connected(), connected(account="2")
    disconnection(connection, 200)
    disconnection(connection, 91)
    kept = {disconnection(connection, days) for days in (89, None)}
    kept.add(disconnection(other, 200))

    assert prune_done() == 2

    assert set(Disconnection.objects.all()) == kept


def test_a_purge_is_not_forgotten_before_every_destination_has_dropped_its_rows(connection):
    destination = Destination.objects.create(name="Base", type="airtable", swept_at=ago(120))
    purge = disconnection(connection, 100, keep_records=False)
    disconnection(connection, 1)

    assert prune_done() == 0
    Destination.objects.filter(pk=destination.pk).update(swept_at=ago(99))
    assert prune_done() == 1

    assert not Disconnection.objects.filter(pk=purge.pk).exists()
