"""What Airtable refuses, forbids, locks out or leaves unanswered, and what the hub makes of it."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.models import DestinationStatus, Due
from integrations.destinations.wake import wake_destinations
from integrations.errors import BudgetSpentError, CircuitOpenError, HubError, RateLimitError
from integrations.models import Destination, DestinationRun, ExternalId
from integrations.resilience.circuit import FAILURES_TO_OPEN
from integrations.resilience.clock import SystemClock
from integrations.services.destinations import rewrite_destination
from integrations.sync.guards import guard_for_destination
from integrations.sync.settle_destination import TRIES, stopped
from integrations.sync.shared import SHARED
from tests.destinations.conftest import ADMIN, follow, last_run, wait_of

pytestmark = pytest.mark.django_db


def test_f37_one_refused_row_of_ten_is_isolated_and_kept_with_its_reason(
    base, records, destination, route
):
    mapping = [{"column": "Name", "from": "name"}, {"column": "Size", "from": "raw.size"}]
    _number_field(base, destination, route, records)
    base.forget_requests()
    for number in range(1, 11):
        records.company(number, size="seven" if number == 7 else str(number))

    follow(destination)

    totals = last_run(destination).totals
    refused = ExternalId.objects.get(rejected_reason__gt="")
    assert (totals["created"], totals["rejected"]) == (9, 1)
    assert len(base.requests("PATCH")) <= 1 + 8
    assert refused.key == records.key("companies", "c7")
    assert "INVALID_VALUE_FOR_COLUMN" in refused.rejected_reason
    assert mapping[1]["column"] in refused.rejected_reason
    records.company(7, size="7")
    follow(destination)
    assert not ExternalId.objects.filter(rejected_reason__gt="").exists()
    assert base.rows("Companies")[records.key("companies", "c7")]["Size"] == 7


def test_f38_a_lock_out_ends_the_slice_and_is_waited_for(base, records, destination, route):
    route("company")
    for number in range(30):
        records.company(number)
    base.count_slowly()
    begun_at = timezone.now()

    said = follow(destination)

    assert said.startswith("Waits 30 s")
    assert Due.objects.get(object_id=destination.pk).due_at - begun_at > timedelta(seconds=29)
    assert wait_of(destination) <= timedelta(seconds=31)
    assert destination.status == "active"
    assert last_run(destination).totals["created"] > 0  # so it did not come to nothing
    assert not AuditEvent.objects.filter(action="work.attempt_failed").exists()
    later = Due.objects.get(object_id=destination.pk).due_at
    wake_destinations()
    assert Due.objects.get(object_id=destination.pk).due_at == later
    base.control("set", limits=False)
    _forget_pauses()
    follow(destination)
    assert sorted(base.created()) == sorted(base.rows("Companies"))
    assert len(base.rows("Companies")) == 30


@pytest.mark.parametrize(("asked", "waits"), [("90", "90 s"), ("5", "30 s")])
def test_f38_it_waits_for_as_long_as_it_is_told_and_never_less_than_a_lock_out_takes(
    base, records, destination, route, asked, waits
):
    route("company")
    records.company(1)
    base.fault(path="/meta/bases", status=429, headers={"Retry-After": asked}, count=1)

    assert follow(destination).startswith(f"Waits {waits}")


def test_the_declared_pace_is_kept_so_that_nobody_is_locked_out(
    base, records, destination, route, settings
):
    settings.HUB_LIMITS_FACTOR = 1
    base.control("set", limits=True)
    route("company")
    for number in range(35):
        records.company(number)

    assert follow(destination).startswith("Caught up")

    assert {one["status"] for one in base.requests()} == {200}
    assert len(base.created()) == 35


def test_f38_a_removed_table_blocks_it_with_a_sentence_and_made_anew_it_catches_up(
    base, records, destination, route
):
    route("company")
    records.company(1)
    follow(destination)
    base.control("delete", entity="tables", ids=[base.tables()["Companies"]["id"]])
    records.company(2)

    follow(destination)

    assert destination.status == "blocked"
    assert destination.error.startswith("The table 'Companies' is no longer in the base.")
    assert DestinationStatus.objects.get().behind == 1
    assert wait_of(destination) < timedelta(seconds=61)
    records.company(3)  # the tenant's own tables go on
    rewrite_destination(destination=destination, actor=ADMIN, forget_tables=True)
    follow(destination)
    assert destination.status == "active"
    assert len(base.rows("Companies")) == 3
    assert DestinationStatus.objects.get().behind == 0


def test_each_attempt_that_came_to_nothing_leaves_one_event(base, records, destination, route):
    route("company")
    records.company(1)
    base.fault(path="/meta/bases", status=429, headers={"Retry-After": "90"}, count=1)
    follow(destination)
    base.control("set", limits=False)
    _forget_pauses()
    follow(destination)
    base.control("delete", entity="tables", ids=[base.tables()["Companies"]["id"]])
    records.company(2)
    follow(destination)
    records.company(3)
    Due.objects.filter(object_id=destination.pk).update(due_at=timezone.now())

    follow(destination)

    told = AuditEvent.objects.filter(target_id=str(destination.pk), detail__has_key="fence")
    actions = [event.action for event in told.order_by("seq")]
    assert actions == ["work.attempt_failed", "destination.blocked", "work.attempt_failed"]
    assert len({event.detail["fence"] for event in told}) == 3


def test_limits_that_are_out_of_reach_say_nothing_of_a_destination_that_is_blocked(
    base, records, destination, route, settings, tmp_path
):
    route("company")
    records.company(1)
    follow(destination)
    base.control("delete", entity="tables", ids=[base.tables()["Companies"]["id"]])
    records.company(2)
    follow(destination)
    why = destination.error
    Due.objects.filter(object_id=destination.pk).update(due_at=timezone.now(), failures=8)
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"

    said = follow(destination)

    assert said.startswith("Waits")
    assert (destination.status, destination.error) == ("blocked", why)
    assert Due.objects.get(object_id=destination.pk).failures == 8


def test_a_budget_that_is_spent_blocks_no_destination_and_is_no_failure(destination):
    said = _stop(destination, BudgetSpentError("Used up.", retry_after=60))

    assert said.startswith("Waits 60 s")
    assert destination.status == "active"
    assert Due.objects.get(object_id=destination.pk).failures == TRIES
    assert not AuditEvent.objects.filter(detail__has_key="fence").exists()


@pytest.mark.parametrize("wait", [CircuitOpenError, BudgetSpentError, RateLimitError])
def test_an_orderly_wait_blocks_no_destination_that_has_failed_eight_times(destination, wait):
    assert _stop(destination, wait("Airtable is not asked for 60 s.", 60)).startswith("Waits 60 s")

    assert destination.status == "active"
    assert Due.objects.get(object_id=destination.pk).failures == TRIES


def test_f11_an_open_circuit_uses_up_no_tries(base, records, destination, route):
    route("company")
    records.company(1)
    _open_circuit(destination)

    said = [follow(destination) for _ in range(TRIES + 2)]

    assert all(one.startswith("Waits") for one in said)
    assert Due.objects.get(object_id=destination.pk).failures == 0
    assert (destination.status, last_run(destination).error_code) == ("active", "circuit_open")
    assert base.requests() == []
    _close_circuits()
    assert follow(destination).startswith("Caught up")


def test_one_that_has_waited_for_a_day_without_writing_anything_is_blocked_with_one_event(
    base, records, destination, route
):
    route("company")
    records.company(1)
    _open_circuit(destination)
    follow(destination)
    DestinationRun.objects.update(started_at=timezone.now() - timedelta(hours=25))

    for _ in range(3):
        follow(destination)

    assert (destination.status, destination.error_code) == ("blocked", "stalled")
    assert "24 hours" in destination.error and "failed several times in a row" in destination.error
    assert last_run(destination).state == "failed"
    assert AuditEvent.objects.filter(action="destination.blocked").count() == 1
    _close_circuits()
    follow(destination)
    assert destination.status == "active"


def test_f38_a_revoked_access_blocks_it_and_once_restored_it_catches_up_by_itself(
    base, records, destination, route
):
    route("company")
    records.company(1)
    follow(destination)
    base.control("revoke", account=base.account)
    records.company(2)
    follow(destination)
    assert (destination.status, destination.error_code) == ("blocked", "access_token_refused")
    base.control("restore", account=base.account)
    Due.objects.filter(object_id=destination.pk).update(due_at=timezone.now())

    follow(destination)

    assert destination.status == "active"
    assert len(base.rows("Companies")) == 2
    actions = AuditEvent.objects.filter(action__startswith="destination.").order_by("seq")
    assert list(actions.values_list("action", flat=True))[1:] == [
        AuditAction.DESTINATION_BLOCKED,
        AuditAction.DESTINATION_REPAIRED,
    ]


def test_a_base_that_may_not_be_written_any_more_blocks_it(base, records, destination, route):
    route("company")
    records.company(1)
    follow(destination)
    base.control("change", entity="bases", ids=[base.id], set={"permissionLevel": "read"})
    records.company(2)

    follow(destination)

    assert destination.status == "blocked"
    assert "may not write to the table 'Companies'" in destination.error


def test_f39_a_field_that_is_computed_there_now_blocks_it(base, records, destination, route):
    route(
        "company", mapping=[{"column": "Name", "from": "name"}, {"column": "Web", "from": "domain"}]
    )
    records.company(1)
    follow(destination)
    table = base.tables()["Companies"]
    for field in table["fields"]:
        if field["name"] == "Web":
            field["type"] = "formula"
    base.control("change", entity="tables", ids=[table["id"]], set={"fields": table["fields"]})
    records.company(2)

    follow(destination)

    assert destination.status == "blocked"
    assert destination.error.startswith("The field 'Web' of the table 'Companies' is computed")


def test_when_every_row_is_refused_alike_it_is_the_table_that_must_be_looked_at(
    base, records, destination, route
):
    _number_field(base, destination, route, records)
    for number in range(1, 8):
        records.company(number, size="no number")

    follow(destination)

    assert destination.status == "blocked"
    assert "refuses every row for the table 'Companies'" in destination.error


def test_f3_an_answer_that_is_lost_after_the_rows_were_written_makes_none_twice(
    base, records, destination, route
):
    route("company")
    for number in range(25):
        records.company(number)
    base.fault(method="PATCH", path=f"/{base.id}/", reset=True, count=2)

    assert _followed(destination).startswith("Caught up")

    assert sorted(base.created()) == sorted({*base.created()})
    assert len(base.created()) == 25
    written = [entry for entry in base.log() if entry["kind"] == "updated"]
    assert len(written) == 20  # the same ten, asked for again


def test_a_table_whose_making_was_not_answered_is_there_once(base, records, destination, route):
    route("company")
    records.company(1)
    base.fault(method="POST", path="/tables$|/tables\\?", reset=True)

    assert _followed(destination).startswith("Caught up")

    assert [name for name in base.tables() if name == "Companies"] == ["Companies"]


def test_a_server_that_fails_is_asked_again_later(base, records, destination, route):
    route("company")
    records.company(1)
    base.fault(path="/meta/bases", status=503, count=3)

    said = follow(destination)

    assert said.startswith("Waits")
    assert destination.status == "active"
    assert _followed(destination).startswith("Caught up")
    assert len(base.rows("Companies")) == 1


def _followed(destination: Destination) -> str:
    """Follow until nothing is waited for: a call that failed slowly is left to the next slice."""
    for _ in range(5):
        said = follow(destination)
        if not said.startswith("Waits"):
            break
    return said


def _forget_pauses() -> None:
    """Half a minute has passed."""
    with SHARED.transaction() as cursor:
        cursor.execute("DELETE FROM public.fleet_ratebudget")


def _close_circuits() -> None:
    with SHARED.transaction() as cursor:
        cursor.execute("DELETE FROM public.fleet_circuit")


def _open_circuit(destination: Destination) -> None:
    """Five calls in a row were not answered."""
    guard = guard_for_destination(
        destination, place="", limits=(), label="Airtable", clock=SystemClock()
    )
    for _ in range(FAILURES_TO_OPEN):
        guard.failed("Airtable does not answer.")


def _stop(destination: Destination, error: HubError) -> str:
    """A slice that ended in `error`, after as many others as are waited for."""
    waiting = Due.objects.filter(object_id=destination.pk)
    waiting.update(due_at=timezone.now(), failures=TRIES)
    claim_one(waiting.get().pk, worker_id=uuid4(), lease_seconds=60)
    said = stopped(waiting.get(), destination, None, error, calls=0, has_progressed=False)
    destination.refresh_from_db()
    return said


def test_a_row_whose_links_are_refused_goes_with_its_record(base, records, destination, route):
    _number_field(base, destination, route, records, table="People")
    route("company")
    records.company(1)
    follow(destination)
    people = base.tables()["People"]["id"]
    refusal = {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "Not these."}}
    is_linking = {"method": "PATCH", "path": f"/{people}", "skip": 1, "count": 1}
    base.fault(**is_linking, status=422, body=json.dumps(refusal))
    person = records.person(1, company=1, size="7")
    follow(destination)
    assert ExternalId.objects.get(rejected_reason__gt="").key == records.key("people", "p1")
    assert len(base.rows("People")) == 1

    records.delete(person)
    follow(destination)

    assert base.rows("People") == {}


def _number_field(base, destination, route, records, table="Companies") -> None:
    """Companies with a number field that somebody made there, and a route that fills it.

    Or people, who are linked to companies besides.
    """
    name = {"name": "Name", "type": "singleLineText"}
    base.make_table(table, name, {"name": "Size", "type": "number", "options": {"precision": 0}})
    mapping = [{"column": "Name", "from": "name"}, {"column": "Size", "from": "raw.size"}]
    if table == "Companies":
        route("company", mapping=mapping)
    else:
        route("person", mapping=[*mapping, {"column": "Company", "from": "company"}])
