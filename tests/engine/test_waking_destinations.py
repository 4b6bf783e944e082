"""Destinations that sleep are woken by whoever changes records, and by nobody else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from hub.fleet.claims import claim
from hub.fleet.models import Due
from integrations.destinations.wake import wake_destinations
from integrations.models import DeletionReview
from integrations.services.deletions import decide_deletions
from tenants.context import current_tenant
from tests.engine.acme_provider import company
from tests.engine.conftest import PERSON, connected, full, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def shelf(db, inside_acme, shelves):
    connection = connected("shelf_memory")
    work(connection)
    return connection


def asleep() -> Due:
    return Due.objects.create(
        kind=Due.Kind.DESTINATION,
        tenant=current_tenant(),
        object_id=uuid4(),
        due_at=timezone.now() + timedelta(minutes=10),
    )


def is_awake(due: Due) -> bool:
    due.refresh_from_db()
    return due.due_at <= timezone.now() + timedelta(seconds=2)


def test_a_changed_record_wakes_them(connection, server):
    work(connection)
    destination = asleep()
    server.rows["companies"][0] = company(0, name="Renamed")

    work(connection)

    assert is_awake(destination)


def test_a_sync_that_changes_nothing_lets_them_sleep(connection):
    work(connection)
    destination = asleep()

    work(connection)

    assert not is_awake(destination)


def test_what_vanished_wakes_them(shelf, shelves):
    destination = asleep()
    shelves.books["a"].remove(3)

    full(shelf)

    assert is_awake(destination)


def test_deletions_that_are_approved_wake_them(shelf, shelves):
    shelves.books["a"], shelves.books["b"] = [], []
    full(shelf)
    destination = asleep()

    decide_deletions(review=DeletionReview.objects.get(), approve=True, actor=PERSON)

    assert is_awake(destination)


def claimed_by_another() -> list[UUID]:
    """What a worker on another connection to the database gets now."""

    def ask() -> list[UUID]:
        try:
            most = {"limit": 10, "per_tenant": 10, "per_provider": 10}
            return [one.due_id for one in claim(worker_id=uuid4(), lease_seconds=60, **most)]
        finally:
            database.close()

    with ThreadPoolExecutor(1) as other:
        return other.submit(ask).result()


@pytest.mark.django_db(transaction=True)
def test_one_that_is_due_already_does_not_look_before_what_changed_can_be_seen(acme):
    destination = asleep()
    Due.objects.filter(pk=destination.pk).update(due_at=timezone.now())

    with transaction.atomic():
        wake_destinations()
        too_early = claimed_by_another()

    assert too_early == []
    assert claimed_by_another() == [destination.pk]
