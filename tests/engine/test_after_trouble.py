"""What an earlier connection, a wrong clock or a bad hour leaves behind does no harm later."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    BudgetSpentError,
    CircuitOpenError,
    HubUnavailableError,
    ProviderUnavailableError,
)
from integrations.models import Connection, Record, RecordLink, RejectedRecord
from integrations.services.syncs import cancel_sync
from integrations.sync.engine import work_slice
from integrations.sync.feed import TOMBSTONES_KEPT, prune_tombstones
from integrations.sync.lease import LeaseWatch
from integrations.sync.settle import TRIES
from tenants.actor import Actor
from tests.engine.acme_provider import company, person
from tests.engine.conftest import connected, run_of, work

pytestmark = pytest.mark.django_db


def connected_again(connection: Connection) -> Connection:
    """The same account, disconnected with its records kept, and connected anew."""
    Connection.objects.filter(pk=connection.pk).update(status="disconnected")
    return connected()


def test_what_an_earlier_connection_set_aside_is_resolved_once_it_is_stored(connection, server):
    server.rows["companies"][3] = {"id": "c3", "changed": 1}
    work(connection)
    assert RejectedRecord.objects.get().resolved_at is None
    server.rows["companies"][3] = company(3)

    work(connected_again(connection))

    assert RejectedRecord.objects.get().resolved_at is not None


def test_what_is_rejected_again_belongs_to_the_connection_that_reads_it_now(connection, server):
    server.rows["companies"][3] = {"id": "c3", "changed": 1}
    work(connection)
    again = connected_again(connection)

    work(again)

    assert RejectedRecord.objects.get().connection_id == again.pk


def test_records_that_were_kept_are_counted_for_the_connection_that_reads_them_now(connection):
    work(connection)
    again = connected_again(connection)

    work(again)

    assert ConnectionStatus.objects.get(connection_id=again.pk).records == 40


def test_records_that_were_kept_and_have_not_changed_belong_to_the_connection_that_reads_them(
    connection, server
):
    work(connection)
    highest = Record.objects.latest("change_seq").change_seq
    again = connected_again(connection)
    server.rows["companies"][3] = company(3, name="Renamed")

    work(again)

    assert set(Record.objects.values_list("connection_id", flat=True)) == {again.pk}
    changed = Record.objects.filter(change_seq__gt=highest)
    assert [record.data["name"] for record in changed] == ["Renamed"]


def test_adopting_what_was_kept_costs_one_statement_a_batch_and_only_the_first_time(
    connection, server
):
    work(connection)
    again = connected_again(connection)
    with CaptureQueriesContext(database) as first:
        work(again)
    with CaptureQueriesContext(database) as second:
        work(again)

    def adopting(seen) -> int:
        return sum("SET connection_id" in query["sql"] for query in seen)

    assert (adopting(first), adopting(second)) == (2, 0)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_worker_whose_clock_is_wrong_does_not_change_when_the_next_sync_is_due(connection, hours):
    with time_machine.travel(timezone.now() + timedelta(hours=hours)):
        work(connection)

    wait = Due.objects.get(object_id=connection.pk).due_at - timezone.now()
    assert timedelta(minutes=55) < wait < timedelta(minutes=65)


def test_a_slice_that_got_on_forgets_the_waits_before_it(connection, server):
    Due.objects.update(failures=TRIES)
    server.fail_at[("companies", 1)] = [ProviderUnavailableError("down")]

    assert work(connection).state == "running"
    assert Due.objects.get(object_id=connection.pk).failures == 1
    assert run_of(connection).is_open


@pytest.mark.parametrize("error", [BudgetSpentError, CircuitOpenError, HubUnavailableError])
def test_however_often_it_failed_before_a_slice_that_asks_nobody_only_waits(
    connection, server, error
):
    Due.objects.update(failures=TRIES)
    server.fail_at[("companies", 0)] = [error("Not now.", 60)]

    assert work(connection).state == "running"

    assert run_of(connection).is_open
    assert Due.objects.get(object_id=connection.pk).failures == TRIES
    assert not AuditEvent.objects.filter(action__in=("sync.failed", "work.attempt_failed")).exists()


def test_a_run_that_is_asked_to_end_while_a_worker_holds_it_does_not_wait(connection, server):
    server.fail_at[("companies", 0)] = [ProviderUnavailableError("down") for _ in range(2)]
    assert work(connection).state == "running"
    due = Due.objects.get(object_id=connection.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    cancel_sync(run=run_of(connection), actor=Actor.system("tests"))

    work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())

    assert run_of(connection).state == "cancelled"


def test_a_run_that_ends_because_its_connection_was_paused_is_shown_as_ended(connection, server):
    server.fail_at[("companies", 1)] = [ProviderUnavailableError("down")]
    assert work(connection).state == "running"
    Connection.objects.update(status="paused")

    work(connection)

    seen = ConnectionStatus.objects.get(connection_id=connection.pk)
    assert seen.last_run_state == run_of(connection).state == "cancelled"


def test_a_record_whose_row_nobody_can_tell_any_more_is_not_taken_for_deleted(connection, server):
    work(connection)
    server.rows["people"][3] = person(3, id="p3\x07")

    work(connection)

    assert Record.objects.present().filter(entity_type="people").count() == 15
    server.rows["people"][3:4] = []
    work(connection)
    assert Record.objects.present().filter(entity_type="people").count() == 14


def test_a_record_that_returns_while_its_tombstone_is_forgotten_is_linked_to_again(
    connection, server
):
    work(connection)
    server.rows["companies"][3] = {"id": "c3", "gone": True}
    work(connection)
    old = Record.objects.get(entity_type="companies", source_id="c3")
    long_ago = timezone.now() - TOMBSTONES_KEPT - timedelta(days=1)
    Record.objects.filter(pk=old.pk).update(deleted_at=long_ago)
    server.rows["companies"][3] = company(3)
    pruned = []

    def forget_between(execute, sql, params, many, context):
        if "pg_advisory_xact_lock" in sql and not pruned:  # what is stored has been looked up
            pruned.append(prune_tombstones())
        return execute(sql, params, many, context)

    with database.execute_wrapper(forget_between):
        work(connection)

    back = Record.objects.get(entity_type="companies", source_id="c3")
    assert (pruned, back.deleted_at, back.pk == old.pk) == ([1], None, False)
    assert RecordLink.objects.get(record__source_id="p3").target_id == back.pk
    assert run_of(connection).counts["companies"]["inserted"] == 1
