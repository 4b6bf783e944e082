"""A shadow diff says what a sync would do, and does none of it."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from hub.audit.models import AuditEvent
from hub.fleet.claims import claim_one, park_crash_loops
from hub.fleet.models import Due
from integrations.errors import (
    AccessTokenRefusedError,
    BudgetSpentError,
    CircuitOpenError,
    ConnectionNotActiveError,
    FatalError,
    ListRestartError,
    ProviderUnavailableError,
    ReadTooSoonError,
)
from integrations.models import (
    Checkpoint,
    Connection,
    DeletionReview,
    EntityTypeStatus,
    Record,
    RejectedRecord,
    ShadowBatch,
    ShadowDiff,
    SyncRun,
)
from integrations.services.shadows import cancel_shadow, request_shadow
from integrations.sync.failures import TRIES
from integrations.sync.lease import LeaseWatch
from integrations.sync.shadow import shadow_slice
from tenants.actor import Actor
from tests.engine.acme_provider import company
from tests.engine.conftest import connected, run_of, work

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")
KEPT = (Connection, EntityTypeStatus, Checkpoint, Record, RejectedRecord, SyncRun, DeletionReview)


@pytest.fixture
def books(inside_acme, shelves):
    """A connection to three shelves with twenty books each, synced."""
    connection = connected("shelf_memory")
    work(connection)
    return connection


def asked(connection: Connection, mode: str = "full", **options: Any) -> ShadowDiff:
    return request_shadow(connection=connection, mode=mode, actor=SYSTEM, **options)


def slice_of(shadow: ShadowDiff, *, seconds: float = 600, **options: Any) -> ShadowDiff:
    due = Due.objects.get(object_id=shadow.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    shadow_slice(claim.due_id, claim.fence, seconds=seconds, watch=LeaseWatch(), **options)
    shadow.refresh_from_db()
    return shadow


def diff(connection: Connection, mode: str = "full", **options: Any) -> ShadowDiff:
    """Ask for a diff and work on it to its end."""
    shadow = asked(connection, mode, **options)
    while shadow.is_open:
        slice_of(shadow, seconds=30)
    return shadow


def everything() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in KEPT]


def test_a_diff_of_what_has_not_changed_is_empty(books, shelves):
    shadow = diff(books)

    assert shadow.state == "succeeded"
    line = shadow.counts["books"]
    assert (line["read"], line["unchanged"], line["state"]) == (60, 60, "done")
    assert not any(shadow.totals[kind] for kind in ("inserted", "updated", "deleted", "vanished"))


def test_a_diff_says_what_a_sync_then_does(books, shelves):
    shelves.books["a"] = [*range(3, 20), 50, 51]
    shelves.titles["a-5"] = "Book five, second edition"
    shelves.shelves.remove("b")
    shelves.broken.add("c-1")

    shadow = diff(books)
    SyncRun.objects.create(connection=books, mode=SyncRun.Mode.FULL)
    work(books)

    done = run_of(books).counts
    for name, line in shadow.counts.items():
        said = {count: line[count] for count in line if count in done[name]}
        assert said == {count: done[name][count] for count in said}, name
    assert done["books"]["inserted"] == 2
    assert done["books"]["updated"] == 1
    assert done["books"]["rejected"] == 1
    assert done["books"]["vanished"] == 23


def test_an_update_is_shown_field_by_field(books, shelves):
    shelves.titles["a-5"] = "Book five, second edition"

    [sample] = diff(books).samples["books"]["updated"]

    assert sample["id"] == "a-5"
    assert sample["fields"] == [["name", "Book a-5", "Book five, second edition"]]
    assert Record.objects.get(pk=sample["record"]).title == "Book a-5"


def test_where_the_shape_stays_what_the_provider_sends_besides_is_shown(inside_acme, server):
    connection = connected()
    work(connection)
    server.rows["companies"][3]["changed"] = 7

    [sample] = diff(connection).samples["companies"]["updated"]

    assert sample["fields"] == [["as sent › changed", "1760000000", "7"]]


def test_what_would_be_inserted_deleted_and_rejected_is_shown_by_its_first_fifty(books, shelves):
    shelves.books["a"] = list(range(100, 170))
    shelves.broken.add("b-1")

    samples = diff(books).samples["books"]

    assert len(samples["inserted"]) == 50
    assert ["name", "Book a-100"] in samples["inserted"][0]["fields"]
    assert {row["id"] for row in samples["vanished"]} == {f"a-{n}" for n in range(20)}
    assert [row["id"] for row in samples["rejected"]] == ["b-1"]


def test_nothing_is_written_but_the_diff(books, shelves):
    shelves.books["a"] = [1, 2, 99]
    before = everything()

    with CaptureQueriesContext(database) as asked_for:
        diff(books)

    assert everything() == before
    written = {
        query["sql"].split('"')[1]
        for query in asked_for
        if query["sql"].startswith(("INSERT", "UPDATE", "DELETE")) and '"' in query["sql"]
    }
    assert not {model._meta.db_table for model in KEPT} & written
    assert not ShadowBatch.objects.exists()


def test_so_many_deletions_that_a_person_would_be_asked_are_marked(books, shelves):
    shelves.books["a"] = []
    shelves.books["b"] = list(range(10))

    line = diff(books).counts["books"]

    assert (line["vanished"], line["is_held"]) == (30, True)
    assert not DeletionReview.objects.exists()


def test_a_diff_of_a_full_sync_leaves_out_what_that_sync_would_not_read_yet(books, shelves):
    shelves.asked.clear()

    assert diff(books).counts["notes"]["state"] == "waiting"
    assert "notes" not in shelves.asked
    with pytest.raises(ReadTooSoonError, match="once in 1 day"):
        asked(books, entity_types=["notes"])


def test_an_incremental_diff_reads_only_what_is_new(books, shelves):
    shelves.books["a"].append(77)
    shelves.books["b"].remove(3)

    line = diff(books, "incremental").counts["books"]

    assert (line["read"], line["inserted"], line["vanished"]) == (1, 1, 0)


def test_before_the_first_sync_everything_would_be_inserted(inside_acme, shelves):
    connection = connected("shelf_memory")

    shadow = diff(connection, "incremental")

    assert shadow.counts["shelves"]["inserted"] == 3
    assert shadow.counts["books"]["inserted"] == 60  # of shelves that are not stored
    assert not Record.objects.exists()
    assert not EntityTypeStatus.objects.exists()


def test_children_of_a_parent_that_is_gone_would_go_with_it(books, shelves):
    shelves.shelves.remove("b")
    shelves.books["b"] = [1]

    shadow = diff(books, "incremental")

    assert shadow.counts["shelves"]["vanished"] == 1
    assert shadow.counts["books"]["vanished"] == 20


def test_reported_deletions_are_counted_where_there_is_something_to_delete(inside_acme, server):
    connection = connected()
    work(connection)
    server.rows["companies"] += [
        {"id": "c3", "gone": True},
        {"id": "never seen", "gone": True},
        company(99),
    ]

    shadow = diff(connection, "incremental")

    line = shadow.counts["companies"]
    assert (line["inserted"], line["deleted"]) == (1, 1)
    assert [row["id"] for row in shadow.samples["companies"]["deleted"]] == ["c3"]
    assert Record.objects.get(entity_type="companies", source_id="c3").deleted_at is None


def test_a_diff_goes_on_where_its_last_slice_committed(books, shelves):
    shelves.books["a"].remove(3)
    shadow = asked(books)
    shelves.asked.clear()

    slices = 0
    while shadow.is_open:
        slice_of(shadow, seconds=0)
        slices += 1

    assert slices > 1
    assert shadow.slices == slices
    line = shadow.counts["books"]
    assert (line["read"], line["unchanged"], line["vanished"]) == (59, 59, 1)


class Died(BaseException):
    """What ends a process."""


def test_a_crash_counts_nothing_twice_and_loses_no_more_than_a_batch(books, shelves, settings):
    settings.HUB_BATCH_ROWS = 200
    shelves.books["a"] = list(range(1_000))
    shadow = asked(books)
    seen = []

    def die(now: ShadowDiff) -> None:
        seen.append(now.totals["read"])
        if len(seen) == 4:
            raise Died

    with pytest.raises(Died):
        slice_of(shadow, progress=die)
    Due.objects.filter(object_id=shadow.pk).update(lease_until=None)  # as when it runs out
    shadow.refresh_from_db()
    assert shadow.totals["read"] == seen[-1] < 1_040
    slice_of(shadow)

    line = shadow.counts["books"]
    assert (line["read"], line["inserted"], line["unchanged"]) == (1_040, 980, 60)
    assert line["vanished"] == 0


def test_an_outage_waits_and_goes_on(books, shelves):
    shelves.fails.append(ProviderUnavailableError("down"))
    shadow = asked(books)

    slice_of(shadow)
    assert (shadow.state, shadow.error) == ("running", "down")
    assert not AuditEvent.objects.filter(action="work.attempt_failed").exists()  # it got on
    slice_of(shadow)

    assert (shadow.state, shadow.error) == ("succeeded", "")
    assert shadow.counts["books"]["read"] == 60


def test_a_slice_that_got_nowhere_is_in_the_audit_log(connection, server):
    shadow = asked(connection)
    server.fail_at["companies", 0] = [ProviderUnavailableError("down")]

    slice_of(shadow)

    event = AuditEvent.objects.get(action="work.attempt_failed")
    assert (event.detail["kind"], event.detail["reason"]) == ("shadow", "provider_unavailable")


@pytest.mark.parametrize("error", [BudgetSpentError, CircuitOpenError])
def test_however_long_nobody_may_be_asked_a_diff_only_waits(connection, server, error):
    shadow = asked(connection)
    server.fail_at["companies", 0] = [error("Not now.", 60)]
    Due.objects.filter(object_id=shadow.pk).update(failures=TRIES)

    slice_of(shadow)

    assert shadow.state == "running"
    assert Due.objects.get(object_id=shadow.pk).failures == TRIES
    assert not AuditEvent.objects.filter(action="work.attempt_failed").exists()


def test_a_diff_that_got_on_forgets_the_waits_before_it(books, shelves):
    shadow = asked(books)
    shelves.fails.append(ProviderUnavailableError("down"))
    Due.objects.filter(object_id=shadow.pk).update(failures=TRIES)

    assert slice_of(shadow).state == "running"
    assert Due.objects.get(object_id=shadow.pk).failures == 1
    assert not AuditEvent.objects.filter(action="work.attempt_failed").exists()


def test_one_that_waits_again_and_again_is_not_taken_for_one_that_kills_its_worker(books, shelves):
    shelves.fails += [ProviderUnavailableError("down")] * 7
    shadow = asked(books)

    for _ in range(7):
        slice_of(shadow)
        Due.objects.filter(object_id=shadow.pk).update(due_at=Now())

    assert park_crash_loops() == []
    assert slice_of(shadow).state == "succeeded"


def test_a_list_that_begins_again_is_counted_from_its_beginning(books, shelves):
    shelves.fails.append(ListRestartError("lost"))
    shelves.books["a"].remove(3)

    line = diff(books).counts["books"]

    assert (line["read"], line["vanished"]) == (59, 1)


def test_an_error_that_waiting_does_not_mend_ends_it(books, shelves):
    shelves.fails.append(FatalError("The answer has another shape."))

    shadow = diff(books)

    assert (shadow.state, shadow.error_code) == ("failed", "fatal")
    assert not Due.objects.filter(kind="shadow").exists()

    shelves.fails.append(AccessTokenRefusedError("no"))
    assert diff(books).state == "failed"
    books.refresh_from_db()
    assert books.status == Connection.Status.NEEDS_REAUTH


def test_one_at_a_time_is_worked_out_for_a_connection(books):
    assert asked(books) == asked(books, "incremental")
    assert Due.objects.filter(kind="shadow").count() == 1


def test_a_connection_that_is_paused_has_none(books):
    Connection.objects.update(status=Connection.Status.PAUSED)

    with pytest.raises(ConnectionNotActiveError):
        asked(books)


def test_a_diff_ends_when_its_connection_is_paused_or_somebody_ends_it(books, shelves):
    first = asked(books)
    cancel_shadow(shadow=first, actor=SYSTEM)
    first.refresh_from_db()
    assert first.state == "cancelled"

    second = asked(books)
    slice_of(second, seconds=0)
    Connection.objects.update(status=Connection.Status.PAUSED)
    slice_of(second)

    assert second.state == "cancelled"
    assert not Due.objects.filter(kind="shadow").exists()


def test_only_the_newest_are_kept(books):
    for _ in range(12):
        cancel_shadow(shadow=asked(books), actor=SYSTEM)

    assert ShadowDiff.objects.count() == 10


def test_a_sync_in_between_is_not_disturbed(books, shelves):
    shadow = asked(books)
    slice_of(shadow, seconds=0)
    shelves.books["a"].append(99)

    assert work(books).state == "succeeded"
    while shadow.is_open:
        slice_of(shadow)

    assert Record.objects.filter(source_id="a-99").exists()
    assert shadow.state == "succeeded"
