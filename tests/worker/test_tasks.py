"""What the queue calls: one slice under one claim, whatever happens to it."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from hub.fields import uuid7
from hub.fleet.claims import claim_one
from hub.fleet.models import Due, Worker
from integrations import tasks
from integrations.errors import FatalError, FencedError
from integrations.queue import SliceTimeoutError
from tenants.context import current_tenant
from tenants.models import Tenant
from tests.factories.fleet import DueFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]


@pytest.fixture
def outbox():
    """Lets a test say what work of the kind outbox does, which nothing else does yet."""

    def does(handler):
        tasks.HANDLERS[Due.Kind.OUTBOX] = handler

    yield does
    tasks.HANDLERS.pop(Due.Kind.OUTBOX, None)


@pytest.fixture
def rung():
    """A due row of acme that was claimed and rung, and the arguments of its task."""
    due = DueFactory(kind=Due.Kind.OUTBOX)
    return due, rung_again(due)


def rung_again(due):
    taken = claim_one(due.pk, worker_id=uuid7(), lease_seconds=60)
    return str(due.tenant_id), str(due.pk), taken.fence


def test_work_is_done_inside_the_tenant_and_the_door_is_shut_behind_it(outbox, rung, acme):
    seen = []

    def handler(due_id, fence, watch):
        seen.append((due_id, fence, current_tenant().pk, watch.stop.is_set()))
        return "Done."

    outbox(handler)
    due, args = rung

    assert tasks.work(*args) == "Done."
    assert seen == [(due.pk, 1, acme.pk, False)]
    assert connection.schema_name == "public"


def test_a_doorbell_that_rings_twice_works_once(outbox, rung):
    calls = []
    outbox(lambda due_id, fence, watch: calls.append(due_id) or "Done.")
    _, args = rung

    tasks.work(*args)

    assert tasks.work(*args) == "Taken over, or begun already."
    assert len(calls) == 1


def test_a_doorbell_that_rings_after_its_work_was_done_does_nothing(outbox, rung):
    calls = []

    def handler(due_id, fence, watch):
        calls.append(due_id)
        Due.objects.release(due_id, fence=fence, due_at=timezone.now())
        return "Done."

    outbox(handler)
    _, args = rung

    assert tasks.work(*args) == "Done."
    assert tasks.work(*args) == "Taken over, or begun already."
    assert len(calls) == 1


def test_an_older_fence_does_nothing(outbox, rung):
    outbox(lambda *_: pytest.fail("worked under a stale fence"))
    due, args = rung
    Due.objects.filter(pk=due.pk).update(fence=2)

    assert tasks.work(*args) == "Taken over, or begun already."


def test_a_failure_nobody_expected_is_tried_again_later_and_tells_no_text(outbox, rung):
    def handler(*_):
        raise ValueError("token=very-secret-text")

    outbox(handler)
    due, args = rung
    begun_at = timezone.now()

    assert tasks.work(*args) == "Failed (ValueError)."

    due.refresh_from_db()
    assert (due.lease_until, due.failures, due.attempts) == (None, 1, 1)
    assert due.due_at - begun_at > timedelta(seconds=10)
    assert due.due_at - timezone.now() < timedelta(seconds=31)


def too_slow(*_):
    """Work on a statement that takes longer than the database allows, every time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10ms'")
        cursor.execute("SELECT pg_sleep(60)")


def test_work_that_meets_a_fault_of_the_database_every_time_says_since_when(outbox, rung):
    outbox(too_slow)
    due, args = rung

    assert tasks.work(*args).startswith("Waits: ")

    since = Due.objects.get(pk=due.pk).faulted_since
    assert since is not None
    again = rung_again(due)
    tasks.work(*again)
    due.refresh_from_db()
    assert (due.faulted_since, due.attempts, due.failures) == (since, 0, 0)
    outbox(lambda due_id, fence, watch: str(Due.objects.release(due_id, fence=fence)))
    tasks.work(*rung_again(due))
    assert Due.objects.get(pk=due.pk).faulted_since is None


def test_work_that_gets_on_before_it_meets_a_fault_has_not_met_one_every_time(outbox, rung):
    def handler(due_id, fence, watch):
        Due.objects.got_on(due_id, fence=fence)
        too_slow()

    outbox(handler)
    due, args = rung
    long_ago = timezone.now() - timedelta(hours=3)
    Due.objects.filter(pk=due.pk).update(faulted_since=long_ago)

    tasks.work(*args)

    assert Due.objects.get(pk=due.pk).faulted_since > long_ago


def test_f45_work_of_a_tenant_that_is_not_migrated_yet_waits_and_is_not_parked(outbox, rung):
    def handler(due_id, fence, watch):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT made_by_the_next_migration FROM integrations_connection")

    outbox(handler)
    due, args = rung

    assert tasks.work(*args).startswith("Waits: The tables are being brought up to date")

    due.refresh_from_db()
    assert (due.attempts, due.failures, due.lease_until) == (0, 0, None)
    assert due.due_at is not None and due.faulted_since is not None


def test_an_error_of_ours_is_named_by_its_code(outbox, rung):
    def handler(*_):
        raise FatalError("what the provider said")

    outbox(handler)

    assert tasks.work(*rung[1]) == "Failed (fatal)."


def test_work_that_was_taken_over_leaves_the_new_lease_alone(outbox, rung):
    due, args = rung

    def handler(*_):
        Due.objects.filter(pk=due.pk).update(fence=2, leased_by=uuid7())
        raise FencedError

    outbox(handler)

    assert tasks.work(*args) == "Taken over while working."
    assert Due.objects.get(pk=due.pk).lease_until is not None


def test_the_queue_s_time_limit_passes_without_what_it_interrupted(outbox, rung):
    def handler(*_):
        try:
            raise ValueError("token=very-secret-text")
        except ValueError:
            raise SliceTimeoutError("raised by the alarm") from None

    outbox(handler)
    due, args = rung

    with pytest.raises(SliceTimeoutError) as caught:
        tasks.work(*args)

    assert caught.value.__suppress_context__
    assert Due.objects.get(pk=due.pk).lease_until is not None


@pytest.mark.parametrize("state", ["suspended", "closed"])
def test_a_tenant_that_stopped_meanwhile_is_not_entered(outbox, rung, acme, state):
    outbox(lambda *_: pytest.fail("entered"))
    due, args = rung
    Tenant.objects.filter(pk=acme.pk).update(state=state)

    assert tasks.work(*args) == "The tenant is not active."

    due.refresh_from_db()
    assert (due.lease_until, due.attempts, due.failures) == (None, 0, 0)
    assert due.due_at is not None


def test_work_of_a_kind_nobody_does_is_tried_again_later(rung):
    due, args = rung

    assert tasks.work(*args) == "Failed (KeyError)."
    assert Due.objects.get(pk=due.pk).due_at > timezone.now()


def test_a_beat_is_written_down():
    worker = Worker.objects.create(host="here", pid=1, cluster="hub-x")

    tasks.beat(str(worker.pk))

    worker.refresh_from_db()
    assert worker.beat_at is not None
