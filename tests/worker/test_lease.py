"""The lease is kept while the slice lives, and the slice hears when it must end."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from hub.fields import uuid7
from hub.fleet.claims import claim_one
from hub.fleet.models import Due, Worker
from integrations.sync.lease import held
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 10  # seconds at most; each of these happens within one


def claimed(due, *, worker_id=None):
    return claim_one(due.pk, worker_id=worker_id or uuid7(), lease_seconds=2)


def lease_of(due):
    return Due.objects.values_list("lease_until", flat=True).get(pk=due.pk)


def test_a_slice_longer_than_its_lease_keeps_it():
    due = DueFactory()
    mine = claimed(due)

    with held(due.pk, mine.fence, seconds=2) as watch:
        assert not watch.lost.wait(3)
        assert lease_of(due) > timezone.now()

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


def test_a_batch_that_holds_the_row_does_not_lose_the_lease():
    due = DueFactory()
    mine = claimed(due)

    with held(due.pk, mine.fence, seconds=8) as watch:
        with transaction.atomic():
            Due.objects.select_for_update().get(pk=due.pk)
            assert not watch.lost.wait(2.5)
        assert not watch.lost.wait(2)
        assert lease_of(due) > timezone.now() + timedelta(seconds=6)


def test_nothing_is_extended_any_more_once_the_slice_is_over():
    due = DueFactory()
    mine = claimed(due)
    with held(due.pk, mine.fence, seconds=1):
        pass
    until = lease_of(due)

    with pytest.raises(ValueError), held(due.pk, mine.fence, seconds=1):
        raise ValueError("the slice failed")

    assert lease_of(due) == until
