"""A long full read goes on beside the schedule, and types take turns."""

import pytest
from django.utils import timezone

from hub.fleet.models import Due
from integrations.errors import (
    AlreadyRunningError,
    CheckpointExpiredError,
    ProviderUnavailableError,
)
from integrations.models import Record, SyncRun
from integrations.records import Company, Person
from integrations.services.accounts import Access, keep_account
from integrations.services.syncs import cancel_sync, request_sync
from integrations.sync.health import mark_needs_reauth
from integrations.types import Account, EntityType
from tenants.actor import Actor
from tests.engine.acme_provider import AcmeConnector, company, person
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")


@pytest.fixture
def large(server):
    """So many companies and people that neither is through in a slice."""
    server.page_size = 100
    server.rows = {
        "companies": [company(n) for n in range(3_000)],
        "people": [person(n) for n in range(3_000)],
    }
    return server


def lane(connection, name: str) -> Due | None:
    return Due.objects.filter(object_id=connection.pk, lane=name).first()


def test_a_full_read_that_outlasts_its_slice_goes_on_in_the_lane_backfill(connection, large):
    first = work(connection, seconds=0)

    run = SyncRun.objects.get()
    assert (run.pk, run.lane, run.state) == (first.run_id, "backfill", "running")
    assert lane(connection, "backfill").run_id == run.pk
    assert lane(connection, "live").run_id is None


def test_a_run_that_is_through_leaves_the_lane_backfill_empty(connection, large):
    while work(connection, seconds=0).wants_more:
        pass

    assert lane(connection, "backfill") is None
    assert run_of(connection).state == "succeeded"
    assert run_of(connection).is_whole
    assert Record.objects.count() == 6_000


def test_what_is_through_is_kept_up_while_the_rest_is_read_in_full(connection, large):
    large.rows["companies"] = [company(1)]
    work(connection, seconds=0)
    large.rows["companies"] = [company(1), company(2)]
    live = request_sync(connection=connection, actor=SYSTEM, trigger="manual")
    large.asked.clear()

    assert live.lane == "live"
    due = lane(connection, "live")
    assert work(connection, due=due).state == "succeeded"

    assert {kind for kind, _ in large.asked} == {"companies"}
    assert Record.objects.filter(entity_type="companies").count() == 2
    live.refresh_from_db()
    assert live.counts["people"]["state"] == "backfill"


def test_what_waits_for_a_type_that_is_read_again_in_full_stays_in_the_schedule(connection, server):
    work(connection)
    server.page_size = 100
    server.rows["companies"] = [company(n) for n in range(1_500)]
    server.rows["people"].append(person(20))
    server.fail_at[("companies", 0)] = [CheckpointExpiredError("gone")]
    moved = request_sync(connection=connection, actor=SYSTEM, trigger="manual")
    work(connection, seconds=0)
    moved.refresh_from_db()
    assert (moved.lane, moved.counts["people"]["state"]) == ("backfill", "live")
    due = lane(connection, "live")
    assert due.due_at <= timezone.now()

    assert work(connection, due=due).state == "succeeded"

    assert Record.objects.filter(source_id="p20").exists()
    assert run_of(connection).counts["companies"]["state"] == "backfill"


def test_a_full_sync_asked_for_during_one_is_that_one(connection, large):
    first = request_sync(connection=connection, actor=SYSTEM, trigger="manual", mode="full")
    work(connection, seconds=0)

    asked = request_sync(connection=connection, actor=SYSTEM, trigger="manual", mode="full")

    assert asked == first
    assert asked.lane == "backfill"


def test_a_full_sync_that_an_open_run_would_not_do_is_refused(connection, large):
    request_sync(connection=connection, actor=SYSTEM, trigger="manual")

    with pytest.raises(AlreadyRunningError, match="ask for the full sync when that run has ended"):
        request_sync(connection=connection, actor=SYSTEM, trigger="manual", mode="full")


def test_types_that_do_not_wait_for_each_other_take_turns_by_slice(connection, large, monkeypatch):
    apart = (EntityType("companies", becomes=Company), EntityType("people", becomes=Person))
    monkeypatch.setattr(AcmeConnector, "entity_types", apart)
    worked = []
    for _ in range(4):
        large.asked.clear()
        work(connection, seconds=0)
        worked.append({kind for kind, _ in large.asked})

    assert worked == [{"companies"}, {"people"}, {"companies"}, {"people"}]


def test_types_that_wait_for_each_other_do_not(connection, large):
    work(connection, seconds=0)
    large.asked.clear()

    work(connection, seconds=0)

    assert {kind for kind, _ in large.asked} == {"companies"}


def test_cancelling_a_backfill_ends_its_lane_and_keeps_what_it_has(connection, large):
    work(connection, seconds=0)
    count = Record.objects.count()

    cancel_sync(run=SyncRun.objects.get(), actor=SYSTEM)

    assert lane(connection, "backfill") is None
    assert SyncRun.objects.get().state == "cancelled"
    assert Record.objects.count() == count > 0


def test_a_backfill_goes_on_once_its_connection_is_connected_again(connection, large):
    work(connection, seconds=0)
    mark_needs_reauth(connection, reason_code="lost", operator="", customer="", actor=SYSTEM)
    assert lane(connection, "backfill").due_at is None

    keep_account(
        provider=AcmeConnector.provider,
        account=Account("1", "One"),
        access=Access("api_key", {"key": "k"}),
        name=None,
        expected=None,
        actor=SYSTEM,
    )

    assert lane(connection, "backfill").due_at is not None
    while work(connection).wants_more:
        pass
    assert SyncRun.objects.get().state == "succeeded"


def test_after_a_failed_backfill_the_schedule_goes_on_where_it_stopped(connection, large):
    large.fail_at[("companies", 25)] = [ProviderUnavailableError("down") for _ in range(9)]
    work(connection, seconds=0)
    while work(connection, seconds=30).state == "running":
        pass
    assert run_of(connection).state == "failed"
    assert lane(connection, "backfill") is None
    large.asked.clear()

    work(connection)

    assert large.asked[0] == ("companies", 25)
    assert Record.objects.count() == 6_000
