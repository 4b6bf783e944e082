"""A pre-flight looks at a few entities of each type and keeps nothing of them."""

from uuid import uuid4

import pytest

from hub.audit.models import AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.errors import (
    BudgetSpentError,
    CircuitOpenError,
    ConnectionNotActiveError,
    EntityTypeUnavailableError,
    FatalError,
    ProviderUnavailableError,
)
from integrations.models import Connection, EntityTypeStatus, Preflight, Record, SyncRun
from integrations.services.accounts import Access, keep_account
from integrations.services.preflights import make_preflight, request_preflight
from integrations.sync.failures import TRIES
from integrations.sync.preflight import check, digest_of, want
from integrations.types import Account
from tenants.actor import Actor
from tests.engine.conftest import connected, run_of, work
from tests.engine.shelf_provider import ShelfConnector

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")
BECAUSE = Preflight.Because


@pytest.fixture
def connection(inside_acme, shelves) -> Connection:
    return connected("shelf_memory")


def looked(connection: Connection) -> dict[str, dict]:
    return check(connection, actor=SYSTEM, because=BECAUSE.ASKED).lines


def test_five_entities_of_each_type_are_looked_at_and_nothing_is_stored(connection, shelves):
    shelves.broken.add("a-2")

    lines = looked(connection)

    assert (lines["shelves"]["outcome"], lines["shelves"]["read"]) == ("ok", 3)
    assert (lines["books"]["outcome"], lines["books"]["read"]) == ("rejected", 5)
    assert (lines["books"]["rejected"], lines["books"]["reason"]) == (1, "It has no title.")
    assert not Record.objects.exists()
    assert not EntityTypeStatus.objects.exists()
    assert not SyncRun.objects.exists()


def test_a_type_that_may_be_read_once_a_day_is_left_to_the_sync(connection, shelves):
    assert looked(connection)["notes"]["outcome"] == "later"
    assert "notes" not in shelves.asked


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (EntityTypeUnavailableError("No right to read books."), "unavailable"),
        (FatalError("The answer has another shape."), "failed"),
        (RuntimeError("a mistake"), "failed"),
    ],
)
def test_a_type_that_cannot_be_read_says_why_and_the_others_are_looked_at(
    connection, shelves, error, outcome
):
    shelves.books["a"] = [1]
    shelves.fails.append(error)

    lines = looked(connection)

    assert lines["books"]["outcome"] == outcome
    assert lines["books"]["reason"]
    assert lines["shelves"]["outcome"] == "ok"


def test_an_account_without_anything_is_said_to_be_empty(connection, shelves):
    shelves.shelves = []

    assert looked(connection)["shelves"]["outcome"] == "empty"


def test_the_first_slice_begins_with_the_pre_flight_that_is_wanted(connection, shelves):
    want(connection, BECAUSE.CONNECT)

    work(connection)

    made = Preflight.objects.get()
    assert (made.made_because, made.wanted_because) == ("connect", "")
    assert made.lines["books"]["outcome"] == "ok"
    assert Record.objects.filter(entity_type="books").count() == 60
    shelves.asked.clear()
    work(connection)
    assert shelves.asked == ["shelves", "books"]  # once each: no second pre-flight


def test_connecting_an_account_wants_one_and_so_does_reconnecting_it(inside_acme):
    for wanted in (BECAUSE.CONNECT, BECAUSE.RECONNECT):
        keep_account(
            provider=ShelfConnector.provider,
            account=Account("1", "One"),
            access=Access("api_key", {"key": "k"}),
            name=None,
            expected=None,
            actor=SYSTEM,
        )
        assert Preflight.objects.get().wanted_because == wanted


def test_a_connection_nobody_wanted_one_for_has_none(connection):
    work(connection)

    assert not Preflight.objects.exists()


def test_a_new_version_of_the_connector_wants_another_one(connection):
    want(connection, BECAUSE.CONNECT)
    work(connection)
    Preflight.objects.update(digest="of the version before")

    work(connection)

    made = Preflight.objects.get()
    assert (made.made_because, made.digest) == ("version", digest_of(ShelfConnector))


def test_what_cannot_be_read_is_left_out_of_the_run_and_the_others_are_synced(connection, shelves):
    want(connection, BECAUSE.CONNECT)
    shelves.books = {"a": [1]}
    shelves.fails.append(FatalError("The answer has another shape."))

    work(connection)

    run = run_of(connection)
    assert run.state == "succeeded"
    assert run.counts["books"]["state"] == "unavailable"
    assert Record.objects.filter(entity_type="shelves").count() == 3
    connection.refresh_from_db()
    assert connection.status == Connection.Status.LIMITED
    assert "The answer has another shape." in connection.error
    work(connection)
    assert Record.objects.filter(entity_type="books").count() == 1
    connection.refresh_from_db()
    assert connection.status == Connection.Status.ACTIVE


def test_a_run_that_cannot_even_look_waits_and_looks_again(inside_acme, server):
    connection = connected()
    want(connection, BECAUSE.CONNECT)
    server.fail_at["companies", 0] = [ProviderUnavailableError("down")]

    assert work(connection).state == "running"
    assert Preflight.objects.get().checked_at is None
    assert work(connection).state == "succeeded"
    assert Preflight.objects.get().lines["people"]["outcome"] == "ok"


def test_an_outage_puts_the_pre_flight_off_and_not_the_sync(connection, shelves):
    want(connection, BECAUSE.CONNECT)
    shelves.books["a"] = [1]
    shelves.fails.append(ProviderUnavailableError("down"))

    work(connection)

    assert Preflight.objects.get().wanted_because == "connect"
    assert run_of(connection).state == "succeeded"


def test_one_that_is_asked_for_is_made_by_a_worker(connection, operator):
    request_preflight(connection=connection, actor=operator)
    request_preflight(connection=connection, actor=operator)

    due = Due.objects.get(kind="preflight")
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert make_preflight(due_id=claim.due_id, fence=claim.fence) == "Looked at 3 entity types."
    assert Preflight.objects.get().made_because == "asked"
    assert not Due.objects.filter(kind="preflight").exists()


def test_an_outage_is_waited_for_when_one_was_asked_for(inside_acme, server, operator):
    connection = connected()
    server.fail_at["companies", 0] = [ProviderUnavailableError("down")]
    request_preflight(connection=connection, actor=operator)
    due = Due.objects.get(kind="preflight")

    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    said = make_preflight(due_id=claim.due_id, fence=claim.fence)

    assert said.startswith("Waits")
    due.refresh_from_db()
    assert (due.lease_until, due.failures, due.attempts) == (None, 1, 0)
    event = AuditEvent.objects.get(action="work.attempt_failed")
    assert (event.detail["fence"], event.target_id) == (claim.fence, str(connection.pk))


@pytest.mark.parametrize("error", [BudgetSpentError, CircuitOpenError])
def test_however_long_nobody_may_be_asked_one_that_was_asked_for_only_waits(
    inside_acme, server, operator, error
):
    connection = connected()
    server.fail_at["companies", 0] = [error("Not now.", 60)]
    request_preflight(connection=connection, actor=operator)
    due = Due.objects.get(kind="preflight")
    Due.objects.filter(pk=due.pk).update(failures=TRIES)

    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    said = make_preflight(due_id=claim.due_id, fence=claim.fence)

    assert said.startswith("Waits")
    assert Due.objects.get(pk=due.pk).failures == TRIES
    assert not AuditEvent.objects.filter(action="work.attempt_failed").exists()


def test_a_paused_connection_is_not_looked_at(connection, operator):
    Connection.objects.update(status=Connection.Status.PAUSED)

    with pytest.raises(ConnectionNotActiveError):
        request_preflight(connection=connection, actor=operator)
