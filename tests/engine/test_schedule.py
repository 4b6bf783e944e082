"""What the schedule does when many ask at once, and after a long standstill."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connection as database
from django.db import transaction
from django.db.models.functions import Now

from hub.audit.models import AuditEvent
from hub.fields import uuid7
from hub.fleet.claims import claim
from hub.fleet.models import Due
from integrations.models import SyncRun
from integrations.services.syncs import request_sync
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch
from integrations.sync.rhythm import JITTER
from tenants.context import in_tenant
from tests.engine.conftest import connected, work


def claim_and_work(limit=10):
    """Do what is due now, as a worker unit does; return how much it was."""
    claims = claim(
        worker_id=uuid7(), limit=limit, lease_seconds=600, per_tenant=limit, per_provider=limit
    )
    for taken in claims:
        work_slice(taken.due_id, taken.fence, seconds=600, watch=LeaseWatch())
    return len(claims)


@pytest.mark.django_db
def test_after_a_day_of_standstill_each_connection_runs_once_and_they_stay_apart(server):
    """F41: what came round 24 times meanwhile is not made up for."""
    connections = [connected(account=str(number)) for number in range(4)]
    for connection in connections:
        work(connection)
    Due.objects.filter(lane="live").update(due_at=Now() - timedelta(hours=24))
    before = SyncRun.objects.count()

    assert claim_and_work() == 4

    assert claim_and_work() == 0
    assert SyncRun.objects.count() == before + 4
    ended = {run.connection_id: run.ended_at for run in SyncRun.objects.order_by("created_at")}
    hours = [
        (due.due_at - ended[due.object_id]) / timedelta(hours=1)
        for due in Due.objects.filter(lane="live")
    ]
    assert len(set(hours)) == 4
    assert all(1 - JITTER < hour < 1 + JITTER + 0.01 for hour in hours)
    assert max(abs(hour - 1) for hour in hours) > 0.001  # by lot: one of 6,000,000 times not


@pytest.mark.django_db(transaction=True)
def test_fifty_who_ask_and_two_units_at_once_make_one_run(server, acme, operator):
    """F34: by button, by API and by the clock; while it is open, asking gives that run."""
    with transaction.atomic():
        connection = connected()
    work(connection)
    before = set(SyncRun.objects.values_list("pk", flat=True))
    Due.objects.filter(lane="live").update(due_at=Now())
    all_have_asked, is_worked, answer = Event(), Event(), server.page
    server.page = lambda *page: all_have_asked.wait(120) and answer(*page)

    def ask(number):
        with in_tenant(acme):
            trigger = ("manual", "api", "schedule")[number % 3]
            run = request_sync(connection=connection, actor=operator, trigger=trigger)
        database.close()
        return run.pk

    def unit(_):
        worked = 0
        with in_tenant(acme):
            while not (is_worked.is_set() or Due.objects.exclude(lease_until=None).exists()):
                worked = claim_and_work()
                if worked:
                    is_worked.set()
        database.close()
        return worked

    with ThreadPoolExecutor(10) as pool:
        units = [pool.submit(unit, number) for number in range(2)]
        runs = set(pool.map(ask, range(50)))
        all_have_asked.set()
        worked = [each.result() for each in units]

    assert runs == set(SyncRun.objects.values_list("pk", flat=True)) - before
    assert len(runs) == 1
    assert sorted(worked) == [0, 1]
    assert AuditEvent.objects.filter(action="sync.requested").count() <= 1
