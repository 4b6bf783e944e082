"""What is old is forgotten in every tenant, also in those that sync nothing."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.models import Destination, DestinationRun, Record, SyncRun
from integrations.sync.housekeeping import prune_runs
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
    with CaptureQueriesContext(database) as seen:
        Due.objects.plan_housekeeping()
    Due.objects.plan_housekeeping()

    rows = Due.objects.filter(kind=Due.Kind.HOUSEKEEPING)
    active = set(Tenant.objects.filter(state="active").values_list("pk", flat=True))
    assert {row.object_id for row in rows} == {row.tenant_id for row in rows} == active
    assert len(rows) == len(active) >= 2
    assert len(seen) == 1
    assert all(timedelta() < row.due_at - timezone.now() < timedelta(days=1) for row in rows)


def test_a_tenant_that_syncs_nothing_forgets_its_tombstones_all_the_same(connection, acme, server):
    work(connection)
    Due.objects.all().delete()
    Record.objects.filter(source_id="c1").update(deleted_at=timezone.now() - LONG_AGO)
    Due.objects.plan_housekeeping()
    due = Due.objects.get(kind=Due.Kind.HOUSEKEEPING, tenant=acme)
    claimed = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claimed is not None

    said = tasks.work(str(acme.pk), str(due.pk), claimed.fence)

    assert said == "Forgot 1 tombstones and 0 runs."
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
