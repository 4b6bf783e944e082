"""F28: disconnecting ends runs, access and credentials at once, and records if asked."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import park_crash_loops
from hub.fleet.models import ConnectionStatus, Due
from hub.management.commands.worker import end_parked
from integrations.errors import (
    ConnectRefusedError,
    PermissionRefusedError,
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
from integrations.services.connections import connect_with_key
from integrations.services.disconnect import disconnect
from integrations.services.purge import PURGE_ROWS
from integrations.sync.credentials import access_for
from tenants.actor import Actor
from tests.admin.conftest import make_rejected
from tests.connecting.conftest import World, audited
from tests.disconnecting.conftest import (
    make_many_records,
    opens_something,
    revocations,
    steps_audited,
    sync,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = Actor.system("worker")
OF_ACCOUNT = (Record, RecordLink, RejectedRecord, Checkpoint, EntityTypeStatus, SyncRun)


@pytest.mark.parametrize("slug", ["quickbooks", "slack"])
def test_the_access_is_ended_at_the_provider_and_forgotten_here(
    slug: str, connected: Callable[[str], Connection], world: World, admin: Actor
) -> None:
    connection = connected(slug)
    token = access_for(connection, actor=WORKER, reason="test").access_token

    asked = disconnect(connection=connection, keep_records=True, actor=admin)
    said = work(asked)

    connection.refresh_from_db()
    assert said == "Disconnected."
    assert (connection.status, connection.error) == ("disconnected", "")
    assert connection.credentials is None
    assert connection.access_expires_at is None
    assert connection.credential_generation == 2
    assert revocations(world, slug) == [200]
    assert not opens_something(world, connection, token)
    assert ConnectionStatus.objects.get().status == "disconnected"
    assert not Due.objects.exists()
    assert steps_audited() == [
        (step, "done") for step in ("stop", "revoke", "forget", "records", "finish")
    ]
    assert audited(AuditAction.CONNECTION_DISCONNECTED) == 1


def test_a_provider_without_a_way_is_noted_as_not_possible_with_the_place_to_go_to(
    copper: Connection, world: World, admin: Actor
) -> None:
    world.forget_requests()

    asked = disconnect(connection=copper, keep_records=True, actor=admin)
    work(asked)

    asked.refresh_from_db()
    copper.refresh_from_db()
    assert asked.steps["revoke"]["outcome"] == "not_possible"
    assert "System settings → API Keys" in asked.steps["revoke"]["sentence"]
    assert (copper.status, copper.error_code) == ("disconnected", "revoke_not_possible")
    assert "System settings → API Keys" in copper.error
    assert copper.credentials is None
    assert world.requests() == []


def test_an_access_the_customer_has_taken_away_counts_as_ended(
    quickbooks: Connection, world: World, admin: Actor
) -> None:
    world.control("revoke", slug="quickbooks", account=quickbooks.account_id)

    asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)
    work(asked)

    asked.refresh_from_db()
    assert asked.steps["revoke"]["outcome"] == "done"
    assert "already" in asked.steps["revoke"]["sentence"]


def test_a_token_that_ran_out_is_renewed_once_more_where_it_must_speak_for_itself(
    world: World, admin: Actor, request: pytest.FixtureRequest
) -> None:
    world.control("set", slug="slack", rotation=True)
    slack: Connection = request.getfixturevalue("slack")
    world.control("expire_tokens", slug="slack")
    Connection.objects.update(access_expires_at="2026-01-01T00:00:00Z")

    asked = disconnect(connection=slack, keep_records=True, actor=admin)
    work(asked)

    asked.refresh_from_db()
    assert asked.steps["revoke"] == {
        **asked.steps["revoke"],
        "outcome": "done",
        "sentence": "Slack has ended the access.",
    }


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 503},
        {"status": 429, "headers": {"Retry-After": "7"}},
        {"html": True},
        {"reset": "before"},
        {"status": 401, "body": '{"error": "invalid_client"}'},
    ],
    ids=["503", "429", "a web page", "a reset", "an app that is refused"],
)
def test_what_may_pass_is_asked_again_later(
    fault: dict[str, Any], quickbooks: Connection, world: World, admin: Actor
) -> None:
    world.control("fault", slug="quickbooks", path="tokens/revoke", **fault)
    asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)

    said = work(asked)

    due = Due.objects.get()
    quickbooks.refresh_from_db()
    assert said.startswith("Goes on in ")
    assert due.lease_until is None
    assert due.due_at is not None
    assert quickbooks.status == "disconnecting"
    assert quickbooks.credentials is not None

    assert work(asked) == "Disconnected."
    assert revocations(world)[-1] == 200


def test_a_provider_that_stays_away_does_not_hold_up_the_rest(
    quickbooks: Connection, world: World, admin: Actor
) -> None:
    world.control("fault", slug="quickbooks", path="tokens/revoke", status=503, count=None)
    asked = disconnect(connection=quickbooks, keep_records=True, actor=admin)

    said = [work(asked) for _ in range(6)]

    quickbooks.refresh_from_db()
    assert said[-1] == "Disconnected."
    assert len(revocations(world)) == 6
    assert (quickbooks.status, quickbooks.error_code) == ("disconnected", "revoke_failed")
    assert "by hand" in quickbooks.error
    assert quickbooks.credentials is None
    event = AuditEvent.objects.get(detail__step="revoke")
    assert (event.outcome, event.detail["outcome"]) == ("failed", "failed")


def test_records_are_kept_when_asked(quickbooks: Connection, admin: Actor) -> None:
    sync(quickbooks)
    before = {model: model.objects.count() for model in OF_ACCOUNT}
    assert before[Record]

    work(disconnect(connection=quickbooks, keep_records=True, actor=admin))

    assert {model: model.objects.count() for model in OF_ACCOUNT} == before


def test_records_are_purged_when_asked_and_those_of_other_accounts_stay(
    quickbooks: Connection, copper: Connection, admin: Actor
) -> None:
    sync(quickbooks)
    sync(copper)
    make_rejected(quickbooks)
    of_copper = Record.objects.filter(source_system=copper.source_system).count()

    work(disconnect(connection=quickbooks, keep_records=False, actor=admin))

    assert Record.objects.count() == of_copper > 0
    assert not RejectedRecord.objects.exists()
    for model in (Checkpoint, EntityTypeStatus, SyncRun):
        assert set(model.objects.values_list("connection", flat=True)) == {copper.pk}
    assert ConnectionStatus.objects.get(connection_id=quickbooks.pk).records == 0


def test_many_records_are_purged_some_thousands_at_a_time(copper: Connection, admin: Actor) -> None:
    last = make_many_records(copper)
    for record in Record.objects.order_by("id")[:50]:
        RecordLink.objects.create(
            record=record,
            field="company",
            target_system=copper.source_system,
            target_type="companies",
            target_source_id=last.source_id,
            target=last,
        )
    asked = disconnect(connection=copper, keep_records=False, actor=admin)

    with CaptureQueriesContext(database) as asked_of_database:
        work(asked)

    assert not Record.objects.exists()
    assert not RecordLink.objects.exists()
    purged = "DELETE FROM integrations_record WHERE"
    assert sum(purged in query["sql"] for query in asked_of_database) == 3


def test_a_long_purge_goes_on_slice_by_slice(
    copper: Connection, admin: Actor, settings: Any
) -> None:
    make_many_records(copper)
    asked = disconnect(connection=copper, keep_records=False, actor=admin)
    settings.HUB_SLICE_SECONDS = 0

    left = []
    while Due.objects.filter(kind=Due.Kind.DISCONNECT).exists():
        work(asked)
        left.append(Record.objects.count())

    assert left == [12_000 - PURGE_ROWS, 12_000 - 2 * PURGE_ROWS, 0]
    copper.refresh_from_db()
    assert copper.status == "disconnected"


def test_a_disconnect_that_was_parked_says_so_and_ends_when_it_is_asked_for_again(
    copper: Connection, admin: Actor
) -> None:
    asked = disconnect(connection=copper, keep_records=True, actor=admin)
    Due.objects.update(attempts=5)
    (parked,) = park_crash_loops()

    end_parked(parked)

    copper.refresh_from_db()
    assert (copper.status, copper.error_code) == ("disconnecting", "crash_loop")
    assert "disconnect it again" in copper.error
    assert ConnectionStatus.objects.get(connection_id=copper.pk).error == copper.error
    assert AuditEvent.objects.filter(outcome="failed", detail__code="crash_loop").count() == 1
    disconnect(connection=copper, keep_records=True, actor=admin)
    work(asked)
    copper.refresh_from_db()
    assert (copper.status, copper.error_code) == ("disconnected", "revoke_not_possible")


def test_the_account_can_be_connected_again_only_when_the_disconnect_is_over(
    copper: Connection, world: World, admin: Actor
) -> None:
    asked = disconnect(connection=copper, keep_records=False, actor=admin)

    with pytest.raises(ConnectRefusedError, match="at this moment"):
        connect_with_key(provider="copper", secrets=world.key(), actor=admin)
    work(asked)
    fresh = connect_with_key(provider="copper", secrets=world.key(), actor=admin)

    assert fresh.pk != copper.pk
    assert fresh.status == "active"


def test_asking_again_changes_nothing_and_wakes_work_that_was_parked(
    copper: Connection, admin: Actor
) -> None:
    first = disconnect(connection=copper, keep_records=True, actor=admin)
    Due.objects.update(due_at=None, parked_reason="crash_loop", attempts=5)

    second = disconnect(connection=copper, keep_records=False, actor=admin)

    assert second.pk == first.pk
    assert second.keep_records
    assert Due.objects.get().due_at is not None
    work(first)
    third = disconnect(connection=copper, keep_records=False, actor=admin)
    assert third.pk == first.pk
    assert not third.is_under_way
    assert not Due.objects.exists()
    assert audited(AuditAction.CONNECTION_DISCONNECTING) == 1


def test_only_an_admin_disconnects(copper: Connection, operator: Actor) -> None:
    with pytest.raises(PermissionRefusedError):
        disconnect(connection=copper, keep_records=True, actor=operator)

    copper.refresh_from_db()
    assert copper.status == "active"
