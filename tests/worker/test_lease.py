"""The lease is kept while the slice lives, and the slice hears when it must end."""

from contextlib import suppress
from datetime import timedelta
from time import sleep

import pytest
from django.db import transaction
from django.utils import timezone

from hub.fields import uuid7
from hub.fleet.claims import claim_one
from hub.fleet.models import Due, Worker
from integrations.sync.lease import held
from tests.factories.fleet import DueFactory
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 120  # seconds at most, on a busy machine; each of these happens within one


def claimed(due, *, worker_id=None):
    return claim_one(due.pk, worker_id=worker_id or uuid7(), lease_seconds=2)


def lease_of(due):
    return Due.objects.values_list("lease_until", flat=True).get(pk=due.pk)


def test_a_slice_longer_than_its_lease_keeps_it():
    due = DueFactory()
    mine = claimed(due)

    until = lease_of(due)

    with held(due.pk, mine.fence, seconds=2) as watch:
        assert not watch.lost.wait(3)
        wait_until(lambda: lease_of(due) > max(until, timezone.now()), seconds=WAIT)

    assert not watch.lost.is_set()


def test_a_lease_that_another_worker_took_is_lost():
    due = DueFactory()
    mine = claimed(due)

    with held(due.pk, mine.fence, seconds=1) as watch:
        Due.objects.filter(pk=due.pk).update(fence=mine.fence + 1)
        assert watch.lost.wait(WAIT)


def test_a_unit_that_is_told_to_stop_is_heard_by_its_slices_only():
    worker = Worker.objects.create(host="here", pid=1, cluster="hub-x")
    due, other = DueFactory(), DueFactory()
    mine, others = claimed(due, worker_id=worker.pk), claimed(other)

    with (
        held(due.pk, mine.fence, seconds=2) as watch,
        held(other.pk, others.fence, seconds=2) as other_watch,
    ):
        Worker.objects.filter(pk=worker.pk).update(stopping_at=timezone.now())
        assert watch.stop.wait(WAIT)
        assert not watch.lost.is_set()
        assert not other_watch.stop.is_set()


def long_due(seconds):
    return DueFactory(due_at=timezone.now() - timedelta(seconds=seconds))


def test_a_slice_that_has_had_its_share_makes_room_for_work_that_waits():
    due = DueFactory()
    mine = claimed(due)
    long_due(seconds=30)

    with held(due.pk, mine.fence, seconds=2, share_seconds=0.5) as watch:
        assert watch.stop.wait(WAIT)
        assert not watch.lost.is_set()


@pytest.mark.parametrize(
    ("waits_for", "share_seconds"),
    [(None, 0), (-60, 0), (30, 60)],
    ids=["nobody waits", "it is due in a minute", "it has not had its share"],
)
def test_a_slice_goes_on_where_no_room_is_needed(waits_for, share_seconds):
    due = DueFactory()
    mine = claimed(due)
    if waits_for is not None:
        long_due(waits_for)

    with held(due.pk, mine.fence, seconds=2, share_seconds=share_seconds) as watch:
        assert not watch.stop.wait(1)


@pytest.mark.parametrize(
    ("processes", "is_alive", "makes_room"),
    [(1, True, True), (2, True, False), (2, False, True)],
    ids=["no process is free", "one is free", "the free one is gone"],
)
def test_what_a_free_process_does_not_take_may_not_be_claimed_and_needs_no_room(
    processes, is_alive, makes_room
):
    seen_at = timezone.now() - (timedelta() if is_alive else timedelta(hours=1))
    Worker.objects.create(host="here", pid=1, cluster="hub-x", processes=processes, seen_at=seen_at)
    due = DueFactory()
    mine = claimed(due)
    long_due(seconds=30)

    with held(due.pk, mine.fence, seconds=2, share_seconds=0) as watch:
        assert watch.stop.wait(WAIT if makes_room else 1) == makes_room


def test_what_is_parked_or_runs_elsewhere_does_not_wait():
    due, running, parked = DueFactory(), long_due(30), long_due(30)
    mine = claimed(due)
    claimed(running)
    Due.objects.filter(pk=parked.pk).update(due_at=None, parked_reason="crash_loop")

    with held(due.pk, mine.fence, seconds=2, share_seconds=0) as watch:
        assert not watch.stop.wait(1)


def test_a_batch_that_holds_the_row_does_not_lose_the_lease():
    due = DueFactory()
    mine = claimed(due)

    with held(due.pk, mine.fence, seconds=8) as watch:
        with transaction.atomic():
            Due.objects.select_for_update().get(pk=due.pk)
            assert not watch.lost.wait(2.5)
        free_at = timezone.now()
        wait_until(lambda: lease_of(due) > free_at + timedelta(seconds=7), seconds=WAIT)
        assert not watch.lost.is_set()


@pytest.mark.parametrize("failure", [None, ValueError("the slice failed")], ids=["ended", "failed"])
def test_nothing_is_extended_any_more_once_the_slice_is_over(failure):
    due = DueFactory()
    mine = claimed(due)
    with suppress(ValueError), held(due.pk, mine.fence, seconds=1):
        if failure:
            raise failure
    until = lease_of(due)

    sleep(0.5)  # four times as long as it lets pass between two looks

    assert lease_of(due) == until
