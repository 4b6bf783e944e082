"""Asking for a sync and asking one to end."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection as database
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fields import uuid7
from hub.fleet.claims import claim_one, park_crash_loops
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    AlreadyRunningError,
    ConnectionNotActiveError,
    InvalidInputError,
    PermissionRefusedError,
)
from integrations.models import SyncRun
from integrations.services.syncs import cancel_sync, end_parked_run, request_sync
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.roles import Role
from tests.factories import ConnectionFactory
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection():
    connection = ConnectionFactory()
    DueFactory(object_id=connection.pk, later=True)
    return connection


@pytest.fixture
def ask(connection, operator):
    """Ask for a sync of the connection, by button unless said otherwise."""

    def ask(**changes):
        asked = {"connection": connection, "actor": operator, "trigger": "manual", **changes}
        return request_sync(**asked)

    return ask


def due_of(connection):
    return Due.objects.get(object_id=connection.pk)


def audited():
    of_syncs = AuditEvent.objects.filter(action__startswith="sync.")
    return list(of_syncs.order_by("id").values_list("action", flat=True))


def test_a_sync_that_is_asked_for_is_due_now_under_its_run(ask, connection):
    run = ask(mode="full", entity_types=["companies"])

    assert (run.state, run.mode, run.entity_types) == ("queued", "full", ["companies"])
    due = due_of(connection)
    assert due.run_id == run.pk
    assert due.due_at <= timezone.now()
    assert ConnectionStatus.objects.get().last_run_id == run.pk
    assert audited() == ["sync.requested"]


def test_asking_twice_gives_the_run_that_is_open(ask):
    first = ask()

    assert ask().pk == first.pk
    assert audited() == ["sync.requested"]


def test_asking_for_what_the_open_run_would_not_do_is_refused(ask):
    ask()

    with pytest.raises(AlreadyRunningError, match="ask for the full sync when that run has ended"):
        ask(mode="full")

    assert SyncRun.objects.get().mode == "incremental"


def test_a_sync_of_types_that_the_open_run_leaves_out_is_refused(ask):
    run = ask(entity_types=["companies", "people"])

    assert ask(entity_types=["people"]).pk == run.pk
    for others in ([], ["opportunities"]):
        with pytest.raises(AlreadyRunningError, match="ask for the incremental sync when that run"):
            ask(entity_types=others)


@pytest.mark.parametrize("status", ["paused", "needs_reauth", "broken", "disconnected"])
def test_a_connection_that_cannot_sync_is_refused(ask, connection, status):
    connection.status = status
    connection.save()

    with pytest.raises(ConnectionNotActiveError, match="cannot sync now"):
        ask()

    assert SyncRun.objects.count() == 0


def test_an_unknown_entity_type_is_refused_and_the_known_ones_are_named(ask):
    with pytest.raises(InvalidInputError, match=r"no entity type 'invoices'; it has .*companies"):
        ask(entity_types=["companies", "invoices"])

    assert SyncRun.objects.count() == 0


def test_an_unknown_mode_is_refused(ask):
    with pytest.raises(InvalidInputError, match="incremental or full"):
        ask(mode="sideways")


def test_a_viewer_may_neither_ask_nor_cancel(ask):
    viewer = Actor(kind="user", id="1", label="viewer@example.com", role=Role.VIEWER)
    run = ask()

    with pytest.raises(PermissionRefusedError):
        ask(actor=viewer)
    with pytest.raises(PermissionRefusedError):
        cancel_sync(run=run, actor=viewer)


def test_parked_work_is_put_back_by_asking(ask, connection):
    Due.objects.filter(object_id=connection.pk).update(
        due_at=None, attempts=5, parked_reason="crash_loop"
    )

    ask()

    due = due_of(connection)
    assert (due.attempts, due.parked_reason) == (0, "")
    assert due.due_at is not None


@pytest.mark.django_db(transaction=True)
def test_asking_from_many_places_at_once_makes_one_run(ask, acme):
    together = Barrier(6)

    def ask_together(_):
        try:
            with in_tenant(acme):
                together.wait()
                return ask().pk
        finally:
            database.close()

    with ThreadPoolExecutor(6) as pool:
        runs = set(pool.map(ask_together, range(6)))

    assert runs == set(SyncRun.objects.values_list("pk", flat=True))
    assert len(runs) == 1
    assert audited().count("sync.requested") == 1


def test_a_run_that_waits_ends_cancelled_at_once_and_the_schedule_goes_on(
    ask, connection, operator
):
    run = cancel_sync(run=ask(), actor=operator)

    assert (run.state, run.ended_at is not None) == ("cancelled", True)
    due = due_of(connection)
    assert due.run_id is None
    assert due.due_at > timezone.now() + timedelta(minutes=55)
    assert ConnectionStatus.objects.get().last_run_state == "cancelled"
    assert audited() == ["sync.requested", "sync.cancelled"]


def test_a_run_that_a_worker_holds_is_asked_to_end(ask, connection, operator):
    run = ask()
    claim_one(due_of(connection).pk, worker_id=uuid7(), lease_seconds=60)
    SyncRun.objects.update(state="running")

    run = cancel_sync(run=run, actor=operator)

    assert (run.state, run.ended_at) == ("running", None)
    assert run.cancel_asked_at is not None
    assert due_of(connection).run_id == run.pk


def test_a_running_run_between_two_slices_ends_at_once(ask, connection, operator):
    run = ask()
    SyncRun.objects.update(state="running", started_at=timezone.now())

    assert cancel_sync(run=run, actor=operator).state == "cancelled"


def test_cancelling_twice_or_too_late_changes_nothing(ask, operator):
    run = cancel_sync(run=ask(), actor=operator)
    ended_at = run.ended_at

    assert cancel_sync(run=run, actor=operator).ended_at == ended_at
    assert audited().count("sync.cancelled") == 1


def test_after_a_cancelled_run_a_new_one_can_be_asked_for(ask, operator):
    first = cancel_sync(run=ask(), actor=operator)

    assert ask().pk != first.pk


def test_a_run_whose_worker_dies_again_and_again_ends_failed_and_can_be_asked_for_anew(
    ask, connection
):
    run = ask()
    SyncRun.objects.update(state="running")
    Due.objects.update(attempts=5)
    (parked,) = park_crash_loops()

    end_parked_run(due=parked)

    run.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "crash_loop")
    assert "5 times" in run.error
    assert due_of(connection).run_id is None
    assert audited() == ["sync.requested", "sync.failed"]
    assert ask().pk != run.pk
