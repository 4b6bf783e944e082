"""A run that waits ends at once when it is cancelled or its connection is paused, not sooner."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import RateLimitError, ReauthorizationRequiredError
from integrations.models import Connection, SyncRun
from integrations.services.connections import (
    change_interval,
    pause_connection,
    resume_connection,
)
from integrations.services.rhythm import change_type_interval
from integrations.services.shadows import request_shadow
from integrations.services.syncs import cancel_sync, request_sync
from integrations.sync.credentials import save_credentials
from integrations.sync.settle import nothing_to_do, stopped
from tenants.actor import Actor
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")
BUSY = RateLimitError("Come back in an hour.", retry_after=3600)


@pytest.fixture
def waiting(connection, server) -> Connection:
    """Its run has read ten people and is to ask for the others in an hour."""
    server.fail_at[("people", 1)] = [BUSY]
    assert work(connection).state == "running"
    return connection


def due_of(connection: Connection) -> Due:
    return Due.objects.get(object_id=connection.pk, kind="sync")


def shown(connection: Connection) -> str:
    return ConnectionStatus.objects.get(connection_id=connection.pk).last_run_state


@pytest.mark.parametrize("whose", ["connection", "type"])
def test_a_shorter_interval_does_not_shorten_the_wait_the_provider_asked_for(waiting, whose):
    before = due_of(waiting).due_at

    if whose == "connection":
        change_interval(connection=waiting, seconds=60, actor=SYSTEM)
    else:
        change_type_interval(connection=waiting, entity_type="people", seconds=60, actor=SYSTEM)

    assert due_of(waiting).due_at == before > timezone.now() + timedelta(minutes=50)


def test_cancelling_a_run_that_waits_an_hour_ends_it_at_once(waiting):
    cancel_sync(run=run_of(waiting), actor=SYSTEM)

    assert run_of(waiting).state == shown(waiting) == "cancelled"


def test_after_a_cancelled_run_the_type_with_the_shortest_interval_says_when_the_next_begins(
    waiting,
):
    change_type_interval(connection=waiting, entity_type="people", seconds=300, actor=SYSTEM)

    cancel_sync(run=run_of(waiting), actor=SYSTEM)

    assert due_of(waiting).due_at < timezone.now() + timedelta(minutes=6)


def test_pausing_ends_a_run_that_waits_and_does_not_leave_it_open_until_its_wait_is_over(waiting):
    pause_connection(connection=waiting, actor=SYSTEM)

    run, due = run_of(waiting), due_of(waiting)
    assert run.state == shown(waiting) == "cancelled"
    assert (run.error, run.ended_at is not None) == ("The connection is paused now.", True)
    assert (due.due_at, due.run_id) == (None, None)


def test_what_was_committed_before_a_pause_is_not_read_again_after_it(waiting, server):
    pause_connection(connection=waiting, actor=SYSTEM)
    resume_connection(connection=waiting, actor=SYSTEM)
    server.asked.clear()

    assert work(waiting).state == "succeeded"

    assert ("people", 1) in server.asked
    assert ("people", 0) not in server.asked


def test_pausing_ends_a_full_read_that_goes_on_beside_the_schedule(waiting):
    Due.objects.update(lane="backfill")
    SyncRun.objects.update(lane="backfill")

    pause_connection(connection=waiting, actor=SYSTEM)

    assert run_of(waiting).state == "cancelled"
    assert not Due.objects.filter(lane="backfill").exists()


@pytest.mark.parametrize("asked", ["cancelled", "paused"])
def test_a_run_does_not_begin_to_wait_once_it_is_asked_to_end(waiting, asked):
    claim = claim_one(due_of(waiting).pk, worker_id=uuid4(), lease_seconds=60)
    if asked == "cancelled":
        cancel_sync(run=run_of(waiting), actor=SYSTEM)
    else:
        pause_connection(connection=waiting, actor=SYSTEM)
    assert run_of(waiting).is_open  # a worker is at it

    due, run = Due.objects.get(pk=claim.due_id), run_of(waiting)
    stopped(due, waiting, run, BUSY, calls=0, has_progressed=False)

    assert run_of(waiting).state == "cancelled"
    assert (due_of(waiting).due_at is None) == (asked == "paused")


def test_pausing_ends_a_shadow_diff_that_waits(waiting):
    shadow = request_shadow(connection=waiting, mode="full", actor=SYSTEM)

    pause_connection(connection=waiting, actor=SYSTEM)

    shadow.refresh_from_db()
    assert shadow.state == "cancelled"


def test_a_slice_that_saw_the_pause_does_not_undo_that_it_was_resumed(waiting):
    pause_connection(connection=waiting, actor=SYSTEM)
    seen = Connection.objects.get(pk=waiting.pk)
    due = claimed(waiting)
    resume_connection(connection=waiting, actor=SYSTEM)
    run = request_sync(connection=waiting, actor=SYSTEM, trigger="api")

    nothing_to_do(due, seen)

    run.refresh_from_db()
    assert (run.state, due_of(waiting).run_id) == ("queued", run.pk)
    assert due_of(waiting).due_at <= timezone.now()


def test_a_slice_that_was_refused_does_not_undo_that_somebody_has_reconnected(waiting):
    refused = Connection.objects.get(pk=waiting.pk)
    refused.status = Connection.Status.NEEDS_REAUTH
    due = claimed(waiting)
    save_credentials(waiting, {"key": "new"}, expires_at=None, scopes=[])
    error = ReauthorizationRequiredError("It must be reconnected.")

    stopped(due, refused, run_of(waiting), error, calls=1, has_progressed=False)

    waiting.refresh_from_db()
    assert (waiting.status, waiting.error) == ("active", "")
    assert due_of(waiting).due_at <= timezone.now()


def claimed(connection: Connection) -> Due:
    due = due_of(connection)
    assert claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    due.refresh_from_db()
    return due
