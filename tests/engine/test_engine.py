"""What the engine promises, whatever the provider: nothing lost, nothing twice, nothing half."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    CircuitOpenError,
    EntityTypeUnavailableError,
    FatalError,
    ProviderUnavailableError,
    RateLimitError,
)
from integrations.models import (
    Checkpoint,
    Connection,
    EntityTypeStatus,
    Record,
    RecordLink,
    RejectedRecord,
    SyncRun,
)
from integrations.types import Unreadable
from tenants.models import Tenant
from tests.engine.acme_provider import company, person
from tests.engine.conftest import run_of, stored, work

pytestmark = pytest.mark.django_db


def row_versions() -> set[tuple[str, str]]:
    """Which physical versions of rows there are: a rewritten row has a new one."""
    with database.cursor() as cursor:
        cursor.execute("SELECT source_id, ctid::text FROM integrations_record")
        return set(cursor.fetchall())


def test_a_first_sync_stores_every_entity_once(connection, server):
    result = work(connection)

    assert result.state == "succeeded"
    assert stored("companies") == {f"c{n}": f"Company {n}" for n in range(25)}
    assert stored("people") == {f"p{n}": f"Person {n}" for n in range(15)}


def test_the_counts_of_a_run_add_up(connection, server):
    server.rows["companies"] += [company(3), {"id": "bad", "changed": 1}]

    work(connection)

    totals = run_of(connection).totals
    assert totals["read"] == 42
    assert totals["read"] == sum(value for name, value in totals.items() if name != "read")
    assert totals["rejected"] == 1


def test_a_second_sync_of_the_same_data_rewrites_nothing(connection, server):
    work(connection)
    before = row_versions()

    work(connection)

    assert row_versions() == before
    totals = run_of(connection).totals
    assert (totals["unchanged"], totals["inserted"], totals["updated"]) == (40, 0, 0)


def test_only_what_changed_is_written_and_gets_a_new_change_number(connection, server):
    work(connection)
    highest = Record.objects.latest("change_seq").change_seq
    server.rows["companies"][7] = company(7, name="Renamed")

    work(connection)

    changed = Record.objects.filter(change_seq__gt=highest)
    assert [record.data["name"] for record in changed] == ["Renamed"]


def test_a_link_is_resolved_whichever_side_arrives_first(connection, server):
    server.rows["people"] = [person(1, company="c99"), person(2, company="c1")]
    work(connection)
    assert RecordLink.objects.get(target_source_id="c99").target is None
    assert RecordLink.objects.get(target_source_id="c1").target.source_id == "c1"
    server.rows["companies"].append(company(99))

    work(connection)

    assert RecordLink.objects.get(target_source_id="c99").target.source_id == "c99"


def test_a_changed_link_points_to_the_new_target_only(connection, server):
    work(connection)
    server.rows["people"][0] = person(0, company="c5")

    work(connection)

    links = RecordLink.objects.filter(record__source_id="p0")
    assert [link.target.source_id for link in links] == ["c5"]


def test_what_the_provider_deleted_is_kept_as_deleted_and_comes_back(connection, server):
    work(connection)
    server.rows["companies"][4] = {"id": "c4", "gone": True}
    work(connection)
    assert Record.objects.get(source_id="c4").deleted_at is not None
    assert run_of(connection).totals["deleted"] == 1
    server.rows["companies"][4] = company(4)

    work(connection)

    assert Record.objects.get(source_id="c4").deleted_at is None


def test_what_moved_and_was_deleted_there_within_a_batch_is_deleted(connection, server):
    server.rows["companies"] = [company(1, shelf="old"), company(2, shelf="old")]
    work(connection)
    server.rows["companies"] = [
        company(1, shelf="new"),
        {"id": "c1", "gone": True, "shelf": "new"},
    ]

    work(connection)

    assert stored("companies") == {"c2": "Company 2"}


def test_an_older_version_never_replaces_a_newer_one_where_the_newest_wins(connection, server):
    server.rows["people"] = [person(1, name="New", changed=1_760_000_100)]
    work(connection)
    server.rows["people"] = [person(1, name="Old", changed=1_760_000_000)]

    work(connection)

    assert stored("people") == {"p1": "New"}
    assert run_of(connection).totals["superseded"] == 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "bad", "changed": 1}, "'name' is missing"),
        ({"id": "bad", "changed": 1, "name": ""}, "name is missing"),
        ({"id": "bad", "changed": 1, "name": "N\x00L"}, "no database stores"),
        ({"id": "bad", "changed": 1, "name": "half \ud800"}, "no database stores"),
        ({"id": "bad", "changed": 1, "name": ["a"]}, "name"),
        ({"id": "x" * 301, "changed": 1, "name": "long id"}, "id is longer"),
        ({"id": "a\x00b", "changed": 1, "name": "NUL in id"}, "control characters"),
        (Unreadable(b'{"id": NaN}', "holds NaN"), "holds NaN"),
    ],
)
@pytest.mark.parametrize("place", [0, 4, 9], ids=["first", "in the middle", "last"])
def test_one_bad_entity_is_set_aside_and_the_page_goes_on(connection, server, row, reason, place):
    """Wherever on its page of ten; the last of a page says where the next one begins."""
    server.rows["companies"].insert(place, row)

    result = work(connection)

    assert result.state == "succeeded"
    assert len(stored("companies")) == 25
    assert reason in RejectedRecord.objects.get().reason


def test_a_rejected_entity_is_resolved_once_it_is_stored(connection, server):
    server.rows["companies"][4] = {"id": "c4", "changed": 1}
    work(connection)
    server.rows["companies"][4] = company(4)

    work(connection)

    assert RejectedRecord.objects.get().resolved_at is not None
    assert "c4" in stored("companies")


def test_a_run_stops_before_its_checkpoint_passes_very_many_rejected_entities(connection, server):
    server.rows["companies"] = [{"id": f"c{n}", "changed": 1} for n in range(30)]

    result = work(connection)

    assert result.state == "failed"
    assert "30 of 30 companies were rejected" in run_of(connection).error
    assert not Checkpoint.objects.exists()
    assert RejectedRecord.objects.filter(reason__contains="name").count() == 30


@pytest.mark.parametrize(
    ("read", "rejected", "state"),
    [
        (2_100, 100, "succeeded"),
        (2_100, 101, "failed"),  # more than a hundred of a type
        (400, 20, "succeeded"),
        (400, 21, "failed"),  # more than one in twenty
        (30, 19, "succeeded"),  # too few to say anything of a share
    ],
)
def test_a_run_passes_few_rejected_entities_and_not_many(connection, server, read, rejected, state):
    server.page_size = read
    server.rows["companies"] = [company(n) for n in range(read)]
    server.rows["companies"][:rejected] = [{"id": f"c{n}", "changed": 1} for n in range(rejected)]

    assert work(connection).state == state
    assert RejectedRecord.objects.count() == rejected


def test_a_cancelled_run_ends_within_one_batch_and_keeps_what_it_has(connection, server):
    def cancel(run: SyncRun) -> None:
        SyncRun.objects.update(cancel_asked_at=timezone.now())

    result = work(connection, progress=cancel, seconds=30)

    assert result.state == "cancelled"
    assert Due.objects.get().run_id is None
    assert len(stored("companies")) == 25
    assert not stored("people")


def test_pausing_the_connection_ends_the_open_run_and_nothing_is_due(connection, server):
    def pause(run: SyncRun) -> None:
        Connection.objects.update(status=Connection.Status.PAUSED)

    result = work(connection, progress=pause)

    assert result.state == "cancelled"
    assert Due.objects.get().due_at is None


def test_an_expired_checkpoint_begins_a_new_generation_and_rewrites_nothing(connection, server):
    work(connection)
    before = row_versions()
    server.fail_at[("companies", 0)] = [CheckpointExpiredError("too old")]

    result = work(connection)

    assert result.state == "succeeded"
    assert EntityTypeStatus.objects.get(entity_type="companies").generation == 2
    assert row_versions() == before


def test_a_full_sync_asked_for_begins_a_new_generation_of_every_type(connection, server):
    work(connection)
    SyncRun.objects.create(connection=connection, mode=SyncRun.Mode.FULL)

    work(connection)

    assert set(EntityTypeStatus.objects.values_list("generation", flat=True)) == {2}


def test_one_entity_type_is_read_again_and_the_others_stay_where_they_are(connection, server):
    work(connection)
    server.asked.clear()
    SyncRun.objects.create(connection=connection, mode=SyncRun.Mode.FULL, entity_types=["people"])

    work(connection)

    generations = EntityTypeStatus.objects.values_list("entity_type", "generation")
    assert dict(generations) == {"companies": 1, "people": 2}
    assert server.asked[0] == ("people", 0)
    assert run_of(connection).totals["unchanged"] == 15


def test_a_run_for_one_entity_type_asks_for_no_other(connection, server):
    SyncRun.objects.create(connection=connection, entity_types=["people"])

    work(connection)

    assert {entity_type for entity_type, _ in server.asked} == {"people"}


def test_an_unavailable_entity_type_limits_the_connection_and_the_others_go_on(connection, server):
    server.fail_at[("companies", 0)] = [EntityTypeUnavailableError("Not in this plan.")]

    result = work(connection)

    assert result.state == "succeeded"
    assert len(stored("people")) == 15
    connection.refresh_from_db()
    assert connection.status == Connection.Status.LIMITED
    assert "Not in this plan" in connection.error

    work(connection)

    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE


def test_a_wait_asked_for_by_the_provider_gives_the_lease_back_until_then(connection, server):
    server.fail_at[("people", 1)] = [RateLimitError("slow down", retry_after=600)]

    result = work(connection)

    due = Due.objects.get()
    assert result.state == "running"
    assert due.lease_until is None
    assert timedelta(minutes=9) < due.due_at - timezone.now() < timedelta(minutes=11)
    assert len(stored("people")) == 10


def test_a_provider_that_stays_down_fails_the_run_in_the_end(connection, server):
    server.fail_at[("companies", 0)] = [ProviderUnavailableError("down") for _ in range(20)]

    states = [work(connection).state for _ in range(9)]

    assert states == ["running"] * 8 + ["failed"]
    assert AuditEvent.objects.get(action="sync.failed").outcome == "failed"
    assert Due.objects.get().due_at > timezone.now()


def test_an_open_circuit_is_waited_for_however_long_it_takes(connection, server):
    server.fail_at[("companies", 0)] = [CircuitOpenError("open", 60) for _ in range(20)]

    states = {work(connection).state for _ in range(20)}

    assert states == {"running"}
    assert Due.objects.get().failures == 0


def test_a_run_that_is_old_and_gets_nowhere_fails_and_the_next_goes_on_there(connection, server):
    server.fail_at[("companies", 1)] = [CircuitOpenError("open", 60)]
    assert work(connection).state == "running"
    long_ago = timezone.now() - timedelta(days=2)
    SyncRun.objects.update(started_at=long_ago, progress_at=long_ago)
    server.asked.clear()

    assert work(connection).state == "failed"
    assert run_of(connection).error_code == "stalled"
    assert work(connection).state == "succeeded"

    assert server.asked[0] == ("companies", 1)


def test_a_refused_key_asks_the_customer_to_reconnect_and_stops_the_schedule(connection, server):
    server.fail_at[("companies", 0)] = [AccessTokenRefusedError("401") for _ in range(5)]

    result = work(connection)

    connection.refresh_from_db()
    assert result.state == "failed"
    assert connection.status == Connection.Status.NEEDS_REAUTH
    assert Due.objects.get().due_at is None
    assert ConnectionStatus.objects.get().status == "needs_reauth"


def test_a_mistake_of_ours_fails_the_run_and_names_the_cause_to_operations(connection, server):
    server.fail_at[("companies", 0)] = [FatalError("The list has no end.")]

    work(connection)

    seen = ConnectionStatus.objects.get()
    assert (seen.last_run_state, seen.error) == ("failed", "companies: The list has no end.")


def test_operations_see_the_records_of_a_connection_after_its_run(connection, server):
    work(connection)

    seen = ConnectionStatus.objects.get(connection_id=connection.pk)
    assert (seen.records, seen.last_run_state) == (40, "succeeded")


def test_a_batch_costs_the_same_number_of_statements_however_many_rows_it_has(
    connection, server, django_assert_num_queries
):
    from django.test.utils import CaptureQueriesContext

    def statements_of_a_sync() -> int:
        with CaptureQueriesContext(database) as seen:
            work(connection)
        return len(seen)

    server.page_size = 5_000
    small = statements_of_a_sync()
    server.rows["companies"] = [company(n, name=f"Again {n}") for n in range(3_000)]
    large = statements_of_a_sync()

    assert large <= small + 4


def test_the_due_row_of_another_connection_is_never_touched(connection, server):
    other = Due.objects.create(
        kind=Due.Kind.SYNC, tenant=Tenant.objects.get(slug="globex"), object_id=uuid4(), fence=3
    )

    work(connection)

    other.refresh_from_db()
    assert (other.fence, other.due_at, other.run_id) == (3, None, None)
