"""The change feed as a reader sees it, and how destinations are woken by it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.fleet.models import Due
from integrations.destinations.wake import wake_destinations
from integrations.services.destinations import create_destination, pause_destination
from integrations.sync.changes import (
    changes_after,
    changes_of,
    lag_behind,
    last_change,
)
from tenants.context import in_tenant
from tests.destinations.conftest import ADMIN, Records
from tests.factories import ConnectionFactory

pytestmark = pytest.mark.django_db

NEW = {
    "type": "airtable",
    "settings": {"base_id": "appOps1"},
    "secrets": {"key": "patOps.1"},
    "actor": ADMIN,
}


def due_of(destination) -> Due:
    return Due.objects.get(object_id=destination.pk)


def asleep(name: str = "Ops", **changed):
    destination = create_destination(**{**NEW, "name": name, **changed})
    later = timezone.now() + timedelta(minutes=10)
    Due.objects.filter(object_id=destination.pk).update(due_at=later)
    return destination


def test_a_reader_with_a_cursor_sees_each_record_once_at_its_last_change(records):
    firms = [records.company(number) for number in range(1, 6)]
    records.company(2, name="Changed")
    records.delete(firms[3])

    seen, cursor = [], 0
    while page := changes_after(cursor, 2):
        seen += page
        cursor = page[-1].seq

    assert [change.source_id for change in seen] == ["c1", "c3", "c5", "c2", "c4"]
    assert [change.is_deleted for change in seen] == [False] * 4 + [True]
    assert seen[3].data["name"] == "Changed"
    assert cursor == last_change()
    assert changes_after(cursor, 2) == []


def test_what_the_provider_sent_comes_along_only_when_asked_for(records):
    record = records.company(1, custom=7)

    (plain,) = changes_after(0, 10)
    (full,) = changes_of([record.pk, record.pk + 1], with_raw=True)

    assert plain.raw == {}
    assert full.raw["custom"] == 7
    assert full.key == f"{records.connection.source_system}:companies:c1"


def test_how_far_a_reader_is_behind_is_counted_from_its_oldest_change(records):
    assert lag_behind(0).changes == 0
    first = records.company(1)
    records.company(2)

    lag = lag_behind(0)

    assert (lag.changes, lag.since) == (2, first.changed_at)
    assert lag_behind(first.change_seq).changes == 1
    assert (lag_behind(last_change()).changes, lag_behind(last_change()).seconds) == (0, 0)


def test_destinations_that_sleep_are_woken_in_one_statement(acme, django_assert_num_queries):
    destination = asleep()

    with django_assert_num_queries(1):
        wake_destinations()

    assert due_of(destination).due_at <= timezone.now()


def test_what_waits_for_a_reason_of_its_own_is_not_woken(acme):
    paused = asleep("Paused")
    pause_destination(destination=paused, actor=ADMIN)
    waiting = asleep("Waiting", settings={"base_id": "appOps2"})
    Due.objects.filter(object_id=waiting.pk).update(parked_reason="blocked")

    wake_destinations()

    assert due_of(paused).due_at is None
    assert due_of(waiting).due_at > timezone.now()


def test_another_tenants_destinations_sleep_on(acme, globex):
    with in_tenant(globex):
        theirs = asleep()

    wake_destinations()

    assert due_of(theirs).due_at > timezone.now()


def test_records_of_two_accounts_are_told_apart_by_their_key(crm):
    first, second = Records(crm), Records(ConnectionFactory())
    first.company(1)
    second.company(1)

    keys = {change.key for change in changes_after(0, 10)}

    assert len(keys) == 2
