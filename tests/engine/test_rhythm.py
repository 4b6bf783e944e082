"""How often each entity type is read: its own interval, and never more often than is allowed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

import pytest
from django.utils import timezone

from hub.fleet.models import Due
from integrations.errors import (
    AlreadyRunningError,
    FatalError,
    InvalidInputError,
    ReadTooSoonError,
)
from integrations.models import EntityTypeStatus, SyncRun
from integrations.records import Company
from integrations.services.rhythm import change_type_interval, change_type_reconcile_interval
from integrations.services.syncs import request_sync
from integrations.sync.rhythm import next_at
from integrations.types import EntityType
from tenants.actor import Actor
from tests.engine.conftest import connected, run_of, work
from tests.engine.shelf_provider import ShelfConnector
from tests.engine.test_deletions import present

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")


@pytest.fixture
def shelf(db, inside_acme, shelves):
    connection = connected("shelf_memory")
    work(connection)
    shelves.asked.clear()
    return connection


def read_long_ago(**ages: timedelta) -> None:
    for name, age in ages.items():
        EntityTypeStatus.objects.filter(entity_type=name).update(walked_at=timezone.now() - age)


def minutes_to_next(connection) -> float:
    due = Due.objects.get(object_id=connection.pk)
    return (due.due_at - timezone.now()).total_seconds() / 60


@pytest.mark.parametrize(
    ("seconds", "is_found"), [(None, False), (86_400, True), (30 * 86_400, False)]
)
def test_what_was_missed_where_deletions_are_reported_is_found_at_an_interval_of_its_own(
    connection, server, seconds, is_found
):
    work(connection)
    change_type_reconcile_interval(
        connection=connection, entity_type="companies", seconds=seconds, actor=SYSTEM
    )
    server.rows["companies"].pop(3)  # and nothing reports it
    EntityTypeStatus.objects.update(full_read_at=timezone.now() - timedelta(days=8))

    work(connection)

    assert ("c3" not in present("companies")) == is_found


def test_a_type_can_be_left_out_of_looking_for_what_has_vanished(shelf, shelves):
    change_type_reconcile_interval(connection=shelf, entity_type="books", seconds=0, actor=SYSTEM)
    shelves.books["a"].remove(3)
    EntityTypeStatus.objects.update(full_read_at=timezone.now() - timedelta(days=800))

    work(shelf)

    assert "a-3" in present("books")


@pytest.mark.parametrize("seconds", [3_600, 91 * 86_400])
def test_a_type_is_read_in_full_no_more_than_daily_and_at_least_every_90_days(shelf, seconds):
    with pytest.raises(InvalidInputError, match="Choose between one day and 90 days"):
        change_type_reconcile_interval(
            connection=shelf, entity_type="books", seconds=seconds, actor=SYSTEM
        )


def test_a_type_with_a_longer_interval_waits_while_the_others_are_read(shelf, shelves):
    change_type_interval(connection=shelf, entity_type="books", seconds=86_400, actor=SYSTEM)
    read_long_ago(shelves=timedelta(hours=1), books=timedelta(hours=1))

    work(shelf)

    assert shelves.asked == ["shelves"]
    assert run_of(shelf).counts["books"]["state"] == "waiting"


def test_a_type_with_a_shorter_interval_brings_the_schedule_round_sooner(shelf, shelves):
    change_type_interval(connection=shelf, entity_type="shelves", seconds=60, actor=SYSTEM)
    assert minutes_to_next(shelf) <= 1
    read_long_ago(shelves=timedelta(minutes=1), books=timedelta(minutes=1))

    work(shelf)

    assert shelves.asked == ["shelves"]
    assert 0 < minutes_to_next(shelf) < 1.1


def test_an_interval_that_is_changed_while_a_run_goes_stays(shelf):
    books = EntityTypeStatus.objects.filter(entity_type="books")

    def change_once(run: SyncRun) -> None:
        if "books" not in run.counts:
            change_type_interval(connection=shelf, entity_type="books", seconds=60, actor=SYSTEM)

    work(shelf, progress=change_once)

    assert run_of(shelf).counts["books"]["state"] == "done"
    assert books.get().interval_seconds == 60
    assert 0 < minutes_to_next(shelf) < 1.1


def test_asking_reads_what_would_wait_but_not_what_may_not_be_asked_again_yet(shelf, shelves):
    change_type_interval(connection=shelf, entity_type="books", seconds=86_400, actor=SYSTEM)
    request_sync(connection=shelf, actor=SYSTEM, trigger="manual")

    work(shelf)

    assert shelves.asked == ["shelves", "books"]
    assert run_of(shelf).counts["notes"]["state"] == "waiting"


def test_a_run_that_has_passed_a_type_over_is_not_given_to_whoever_asks_for_it(shelf):
    change_type_interval(connection=shelf, entity_type="books", seconds=86_400, actor=SYSTEM)
    read_long_ago(shelves=timedelta(hours=1), books=timedelta(hours=1))
    given: list[object] = []

    def ask(run: SyncRun) -> None:
        for name in ("shelves", "books"):
            try:
                about = {"trigger": "api", "entity_types": [name]}
                given.append(request_sync(connection=shelf, actor=SYSTEM, **about))
            except AlreadyRunningError as refused:
                given.append(str(refused))

    work(shelf, progress=ask)

    assert given[0] == run_of(shelf)
    assert "when that run has ended" in str(given[1])


def test_what_may_be_read_once_a_day_is_not_read_after_23_hours(shelf, shelves):
    read_long_ago(notes=timedelta(hours=23))

    work(shelf)

    assert "notes" not in shelves.asked


def test_the_schedule_comes_round_no_sooner_than_the_provider_allows(shelf):
    types = [each for each in ShelfConnector.entity_types if each.name == "notes"]

    waits = [next_at(shelf, types, {}) - timezone.now() for _ in range(20)]

    assert min(waits) > timedelta(hours=23, minutes=59)


def test_a_full_sync_reads_everything_that_may_be_read_again(shelf, shelves):
    read_long_ago(notes=timedelta(hours=25))
    request_sync(connection=shelf, actor=SYSTEM, trigger="manual", mode="full")

    work(shelf)

    assert set(shelves.asked) == {"shelves", "books", "notes"}


@pytest.mark.parametrize("mode", ["full", "backfill"])
def test_a_full_sync_by_hand_does_not_read_twice_what_may_be_read_once_a_day(shelf, shelves, mode):
    long_ago = timezone.now() - timedelta(days=30)
    not_before = long_ago if mode == "backfill" else None
    request_sync(connection=shelf, actor=SYSTEM, trigger="manual", mode=mode, not_before=not_before)

    work(shelf)

    assert set(shelves.asked) == {"shelves", "books"}
    assert run_of(shelf).counts["notes"]["state"] == "waiting"


def test_what_a_full_sync_names_and_may_not_read_yet_is_refused_with_the_time(shelf):
    EntityTypeStatus.objects.filter(entity_type="notes").update(
        walked_at=datetime(2999, 3, 1, 12, 0, 30, tzinfo=UTC)
    )

    with pytest.raises(ReadTooSoonError, match=r"once in 1 day.* after 02 Mar 12:01 UTC"):
        request_sync(
            connection=shelf,
            actor=SYSTEM,
            trigger="manual",
            mode="full",
            entity_types=["shelves", "notes"],
        )

    assert not SyncRun.objects.open().exists()


def test_a_full_sync_that_could_read_nothing_is_refused(shelf, monkeypatch):
    daily = [replace(each, min_interval=timedelta(days=1)) for each in ShelfConnector.entity_types]
    monkeypatch.setattr(ShelfConnector, "entity_types", tuple(daily))

    with pytest.raises(ReadTooSoonError, match="once in 1 day"):
        request_sync(connection=shelf, actor=SYSTEM, trigger="manual", mode="full")
    request_sync(connection=shelf, actor=SYSTEM, trigger="manual")


def test_a_full_sync_that_is_open_is_given_to_whoever_asks_for_it_again(shelf, monkeypatch):
    read_long_ago(notes=timedelta(hours=25))
    asked = {"connection": shelf, "actor": SYSTEM, "trigger": "manual", "mode": "full"}
    run = request_sync(**asked, entity_types=["notes"])
    read_long_ago(notes=timedelta())

    assert request_sync(**asked, entity_types=["notes"]).pk == run.pk


@pytest.mark.parametrize("seconds", [0, 59, 86_401])
def test_an_interval_is_between_a_minute_and_a_day(shelf, seconds):
    with pytest.raises(InvalidInputError, match="between one minute and one day"):
        change_type_interval(connection=shelf, entity_type="books", seconds=seconds, actor=SYSTEM)


def test_an_interval_shorter_than_the_provider_allows_is_refused_with_the_reason(shelf):
    with pytest.raises(InvalidInputError, match="allows notes to be read once in 1 day"):
        change_type_interval(connection=shelf, entity_type="notes", seconds=3_600, actor=SYSTEM)


def test_an_unknown_type_has_no_interval(shelf):
    with pytest.raises(
        InvalidInputError, match="has no entity type 'pens'; it has shelves, books, notes"
    ):
        change_type_interval(connection=shelf, entity_type="pens", seconds=3_600, actor=SYSTEM)


def test_what_comes_along_in_another_type_is_neither_read_nor_timed_by_itself(shelf, monkeypatch):
    pages = EntityType("pages", becomes=Company, inside="books")
    monkeypatch.setattr(ShelfConnector, "entity_types", (*ShelfConnector.entity_types, pages))

    with pytest.raises(InvalidInputError, match="pages come along in books; name that"):
        request_sync(connection=shelf, actor=SYSTEM, trigger="api", entity_types=["pages"])
    with pytest.raises(InvalidInputError, match="pages come along in books; name that"):
        change_type_interval(connection=shelf, entity_type="pages", seconds=60, actor=SYSTEM)

    assert SyncRun.objects.count() == 1


def test_without_an_interval_of_its_own_a_type_follows_the_connection_again(shelf):
    change_type_interval(connection=shelf, entity_type="books", seconds=86_400, actor=SYSTEM)

    change_type_interval(connection=shelf, entity_type="books", seconds=None, actor=SYSTEM)

    assert EntityTypeStatus.objects.get(entity_type="books").interval_seconds is None


def test_a_backfill_needs_a_date_and_only_a_backfill_takes_one(shelf):
    with pytest.raises(InvalidInputError, match="date"):
        request_sync(connection=shelf, actor=SYSTEM, trigger="manual", mode="backfill")
    with pytest.raises(InvalidInputError, match="date"):
        request_sync(connection=shelf, actor=SYSTEM, trigger="manual", not_before=timezone.now())
    with pytest.raises(InvalidInputError, match="past"):
        request_sync(
            connection=shelf,
            actor=SYSTEM,
            trigger="manual",
            mode="backfill",
            not_before=timezone.now() + timedelta(days=1),
        )


def test_an_unknown_error_is_tried_again_soon_twice_and_is_permanent_the_third_time(shelf, shelves):
    """The same fingerprint in runs in a row; KeyError is what nobody has classed."""
    waits = []
    for _ in range(4):
        shelves.books["a"].append(1_000)
        shelves.fails = [KeyError("surprise")]
        assert work(shelf).state == "failed"
        waits.append(minutes_to_next(shelf))

    assert [ceil(wait) for wait in waits[:2]] == [1, 2]
    assert min(waits[2:]) > 50
    assert run_of(shelf).error_code == "unknown_error"
    assert "surprise" not in run_of(shelf).error


def test_another_unknown_error_begins_the_count_anew(shelf, shelves):
    for error in (KeyError("a"), KeyError("b"), ZeroDivisionError()):
        shelves.books["a"].append(1_000)
        shelves.fails = [error]
        work(shelf)

    assert EntityTypeStatus.objects.get(entity_type="books").unknown_times == 1


def test_a_run_that_fails_for_a_known_reason_begins_the_count_of_unknown_errors_anew(
    shelf, shelves
):
    for error in (KeyError("a"), KeyError("a"), FatalError("ours"), KeyError("a")):
        shelves.books["a"].append(1_000)
        shelves.fails = [error]
        work(shelf)

    assert EntityTypeStatus.objects.get(entity_type="books").unknown_times == 1
    assert 0 < minutes_to_next(shelf) <= 1


def test_a_success_forgets_the_unknown_error(shelf, shelves):
    shelves.books["a"].append(1_000)
    shelves.fails = [KeyError("a")]
    work(shelf)
    work(shelf)

    assert EntityTypeStatus.objects.get(entity_type="books").unknown_times == 0


def test_an_error_somebody_has_classed_is_not_counted(shelf, shelves):
    shelves.books["a"].append(1_000)
    shelves.fails = [FatalError("ours")]
    work(shelf)

    assert EntityTypeStatus.objects.get(entity_type="books").unknown_times == 0
    assert SyncRun.objects.latest("created_at").error_code == "fatal"
