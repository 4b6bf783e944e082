"""Work of a connection is held before what operations see of it, by everybody: so nobody deadlocks.

Somebody else holds what operations see. The first comes to wait for that, the second as well or for
the first; when it is let go, each must come to its end.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection as database
from django.db import models, transaction
from django.db.models.functions import Now

from hub.fleet.claims import claim_one
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due
from integrations.errors import ReauthorizationRequiredError, RetryableError
from integrations.models import Connection, SyncRun
from integrations.services.connections import pause_connection
from integrations.services.destinations import create_destination, resume_destination
from integrations.sync import settle_destination
from integrations.sync.health import mark_app_refused, mark_needs_reauth, mark_working
from integrations.sync.settle import opened_run, stopped, through
from tenants.actor import Actor
from tenants.context import current_tenant, in_tenant
from tests.destinations.conftest import ADMIN
from tests.engine.conftest import connected
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SYSTEM = Actor.system("tests")
SAID = {"operator": "Reconnect it.", "customer": "Reconnect it.", "actor": SYSTEM}
Work = Callable[[], Any]


def both(seen: models.QuerySet[Any], first: Work, second: Work) -> list[Any]:
    """What they return, if what operations see is held until both wait."""
    tenant = current_tenant()

    def begun(work: Work, pids: list[int]) -> Any:
        try:
            with in_tenant(tenant):
                with database.cursor() as cursor:
                    cursor.execute("SELECT pg_backend_pid()")
                    pids.append(cursor.fetchone()[0])
                return work()
        finally:
            database.close()

    def waits(pids: list[int]) -> bool:
        with database.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pids[0]])
            return bool(cursor.fetchone()[0])

    found: list[Future[Any]] = []
    with ThreadPoolExecutor(2) as others:
        with transaction.atomic():
            assert list(seen.select_for_update())
            for work in (first, second):
                pids: list[int] = []
                found.append(others.submit(begun, work, pids))
                wait_until(
                    lambda one=found[-1], pids=pids: one.done() or (pids and waits(pids)),
                    seconds=120,
                )
        return [one.result() for one in found]


def claimed(work: Due) -> Due:
    assert claim_one(work.pk, worker_id=uuid4(), lease_seconds=600) is not None
    work.refresh_from_db()
    return work


@pytest.fixture
def connection(acme: None) -> Connection:
    """One whose schedule was claimed; its run is not opened yet."""
    with transaction.atomic():
        connection = connected()
    work = Due.objects.get(object_id=connection.pk)
    Due.objects.filter(pk=work.pk).update(due_at=Now())
    claimed(work)
    return connection


@pytest.fixture
def backfill(connection: Connection) -> tuple[Due, Connection, SyncRun]:
    """A slice of its other lane, at work."""
    work = Due.objects.create(
        kind=Due.Kind.SYNC,
        tenant=current_tenant(),
        object_id=connection.pk,
        provider=connection.provider,
        lane=SyncRun.Lane.BACKFILL,
    )
    SyncRun.objects.create(connection=connection, lane=SyncRun.Lane.BACKFILL)
    run = opened_run(claimed(work), connection)
    assert run is not None
    return work, connection, run


def begin_beside(connection: Connection, first: Work) -> UUID:
    """Let its scheduled run begin while `first` is under way; return that run's id."""
    work = Due.objects.get(object_id=connection.pk, lane="live")
    seen = ConnectionStatus.objects.filter(connection_id=connection.pk)
    mine = Connection.objects.get(pk=connection.pk)
    run: SyncRun = both(seen, first, lambda: opened_run(work, mine))[1]
    return run.pk


def shown(connection: Connection) -> tuple[str, UUID | None]:
    seen = ConnectionStatus.objects.get(connection_id=connection.pk)
    return seen.status, seen.last_run_id


def test_a_run_that_begins_and_access_that_is_lost_do_not_wait_for_each_other(
    connection: Connection,
) -> None:
    run_id = begin_beside(
        connection, lambda: mark_needs_reauth(connection, reason_code="lost", **SAID)
    )

    assert shown(connection) == ("needs_reauth", run_id)
    assert Due.objects.get(object_id=connection.pk).due_at is None


def test_a_run_that_begins_and_an_app_that_is_refused_do_not_wait_for_each_other(
    connection: Connection,
) -> None:
    run_id = begin_beside(connection, lambda: mark_app_refused(connection, **SAID))

    assert shown(connection) == ("broken", run_id)


def test_a_run_that_begins_and_access_that_works_again_do_not_wait_for_each_other(
    connection: Connection,
) -> None:
    mark_needs_reauth(connection, reason_code="lost", **SAID)

    run_id = begin_beside(connection, lambda: mark_working(connection))

    assert shown(connection) == ("active", run_id)
    assert Due.objects.get(object_id=connection.pk).due_at is not None


def test_a_run_that_begins_and_one_that_ends_without_access_do_not_wait_for_each_other(
    backfill: Any,
) -> None:
    error = ReauthorizationRequiredError("Gone.")

    begin_beside(backfill[1], lambda: stopped(*backfill, error, calls=0, has_progressed=False))

    assert SyncRun.objects.get(pk=backfill[2].pk).state == "failed"
    assert shown(backfill[1])[0] == "needs_reauth"


def test_a_run_that_begins_and_one_whose_type_is_tried_soon_do_not_wait_for_each_other(
    backfill: Any,
) -> None:
    failed = {"state": "failed", "reason": "Away.", "error_code": "retryable", "again_in": 60}
    backfill[2].counts = {"companies": failed}

    begin_beside(backfill[1], lambda: through(*backfill, calls=0))

    assert SyncRun.objects.get(pk=backfill[2].pk).state == "failed"


def test_a_run_that_begins_and_one_that_repairs_the_connection_do_not_wait_for_each_other(
    backfill: Any,
) -> None:
    mark_needs_reauth(backfill[1], reason_code="lost", **SAID)

    begin_beside(backfill[1], lambda: through(*backfill, calls=0))

    assert SyncRun.objects.get(pk=backfill[2].pk).state == "succeeded"
    assert shown(backfill[1])[0] == "active"


def test_a_run_that_begins_and_a_pause_that_ends_a_waiting_one_do_not_wait_for_each_other(
    backfill: Any,
) -> None:
    work, connection, run = backfill
    assert Due.objects.release(work.pk, fence=work.fence)

    begin_beside(connection, lambda: pause_connection(connection=connection, actor=SYSTEM))

    assert SyncRun.objects.get(pk=run.pk).state == "cancelled"
    assert shown(connection)[0] == "paused"


def test_a_destination_that_waits_and_whoever_resumes_it_do_not_wait_for_each_other(
    acme: None,
) -> None:
    place: dict[str, Any] = {
        "settings": {"base_id": "appElsewhere1"},
        "secrets": {"key": "patElsewhere.1"},
    }
    destination = create_destination(type="airtable", name="Base", **place, actor=ADMIN)
    work = claimed(Due.objects.get(object_id=destination.pk))
    error = RetryableError("Away.", retry_after=3600)
    how = {"calls": 0, "has_progressed": False}

    both(
        DestinationStatus.objects.filter(destination_id=destination.pk),
        lambda: settle_destination.stopped(work, destination, None, error, **how),
        lambda: resume_destination(destination=destination, actor=ADMIN),
    )

    assert Due.objects.get(pk=work.pk).parked_reason == ""
