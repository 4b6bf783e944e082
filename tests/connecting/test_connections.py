"""What people do with a connection they have."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    ConnectionNotActiveError,
    InvalidInputError,
    PermissionRefusedError,
)
from integrations.models import Connection, SyncRun
from integrations.services.connections import (
    change_interval,
    pause_connection,
    rename_connection,
    resume_connection,
)
from integrations.sync.credentials import mark_needs_reauth, mark_working
from integrations.sync.status import publish, publish_run
from tenants.actor import Actor
from tenants.models import Tenant
from tenants.roles import Role
from tests.connecting.conftest import audited
from tests.factories import ConnectionFactory, SyncRunFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(acme: Tenant, inside_acme: None) -> Connection:
    made: Connection = ConnectionFactory()
    publish(made)
    Due.objects.create(
        kind="sync", tenant=acme, object_id=made.pk, provider="copper", due_at=timezone.now()
    )
    return made


def due_of(connection: Connection) -> Due:
    return Due.objects.get(object_id=connection.pk)


def seen(connection: Connection) -> ConnectionStatus:
    return ConnectionStatus.objects.get(connection_id=connection.pk)


def broken(connection: Connection, actor: Actor, reason: str = "access_refused") -> None:
    mark_needs_reauth(
        connection,
        reason_code=reason,
        operator="Copper refuses the access.",
        customer="Please reconnect your account.",
        actor=actor,
    )


def test_a_paused_connection_is_not_due(connection: Connection, operator: Actor) -> None:
    pause_connection(connection=connection, actor=operator)

    assert connection.status == "paused"
    assert due_of(connection).due_at is None
    assert seen(connection).status == "paused"
    assert audited(AuditAction.CONNECTION_PAUSED) == 1


def test_pausing_leaves_an_open_run_to_the_worker_that_is_at_it(
    connection: Connection, operator: Actor
) -> None:
    run = SyncRunFactory(connection=connection, running=True)
    Due.objects.update(run_id=run.pk, lease_until=timezone.now() + timedelta(minutes=1))

    pause_connection(connection=connection, actor=operator)

    assert due_of(connection).due_at is not None
    assert SyncRun.objects.get().is_open


def test_pausing_twice_is_audited_once(connection: Connection, operator: Actor) -> None:
    pause_connection(connection=connection, actor=operator)
    pause_connection(connection=connection, actor=operator)

    assert audited(AuditAction.CONNECTION_PAUSED) == 1


def test_a_resumed_connection_is_due_at_once(connection: Connection, operator: Actor) -> None:
    pause_connection(connection=connection, actor=operator)

    resume_connection(connection=connection, actor=operator)

    assert connection.status == "active"
    assert due_of(connection).due_at is not None
    assert seen(connection).status == "active"
    assert audited(AuditAction.CONNECTION_RESUMED) == 1


def test_what_must_be_reconnected_cannot_be_resumed(
    connection: Connection, operator: Actor
) -> None:
    broken(connection, operator)

    with pytest.raises(ConnectionNotActiveError):
        resume_connection(connection=connection, actor=operator)


def test_a_new_name_is_audited_with_the_old_one(connection: Connection, operator: Actor) -> None:
    before = connection.name

    rename_connection(connection=connection, name="  Sales CRM ", actor=operator)

    connection.refresh_from_db()
    event = AuditEvent.objects.get(action=AuditAction.CONNECTION_CHANGED)
    assert connection.name == "Sales CRM"
    assert event.detail == {"name": {"old": before, "new": "Sales CRM"}}


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\nb"])
def test_a_name_nobody_can_read_is_refused(
    name: str, connection: Connection, operator: Actor
) -> None:
    with pytest.raises(InvalidInputError):
        rename_connection(connection=connection, name=name, actor=operator)


def test_a_shorter_interval_brings_the_next_sync_forward(
    connection: Connection, operator: Actor
) -> None:
    Due.objects.update(due_at=timezone.now() + timedelta(days=1))

    change_interval(connection=connection, seconds=900, actor=operator)

    due = due_of(connection)
    assert due.interval_seconds == 900
    assert due.due_at is not None and due.due_at < timezone.now() + timedelta(seconds=901)


@pytest.mark.parametrize("seconds", [60, 86_400])
def test_a_connection_is_read_as_often_as_a_type_may_be_once_a_minute_to_once_a_day(
    seconds: int, connection: Connection, operator: Actor
) -> None:
    change_interval(connection=connection, seconds=seconds, actor=operator)

    assert due_of(connection).interval_seconds == seconds


@pytest.mark.parametrize("seconds", [-1, 0, 59, 86_401])
def test_an_interval_of_less_than_a_minute_or_more_than_a_day_is_refused(
    seconds: int, connection: Connection, operator: Actor
) -> None:
    with pytest.raises(InvalidInputError, match="between one minute and one day"):
        change_interval(connection=connection, seconds=seconds, actor=operator)


def test_a_longer_interval_does_not_put_off_the_sync_that_is_due(
    connection: Connection, operator: Actor
) -> None:
    before = due_of(connection).due_at

    change_interval(connection=connection, seconds=86_400, actor=operator)

    assert due_of(connection).due_at == before


def test_an_interval_does_not_make_a_paused_connection_due(
    connection: Connection, operator: Actor
) -> None:
    pause_connection(connection=connection, actor=operator)

    change_interval(connection=connection, seconds=900, actor=operator)

    assert due_of(connection).due_at is None


@pytest.mark.parametrize("service", [pause_connection, resume_connection])
def test_a_viewer_changes_nothing(service: object, connection: Connection) -> None:
    viewer = Actor(kind="user", id="1", label="eve@example.com", role=Role.VIEWER)

    with pytest.raises(PermissionRefusedError):
        service(connection=connection, actor=viewer)  # type: ignore[operator]


def test_a_broken_connection_says_why_to_both_and_is_not_due(
    connection: Connection, operator: Actor
) -> None:
    broken(connection, operator)

    due = due_of(connection)
    assert connection.status == "needs_reauth"
    assert connection.error == "Copper refuses the access."
    assert connection.customer_message == "Please reconnect your account."
    assert (due.due_at, due.parked_reason) == (None, "needs_reauth")
    assert seen(connection).error_code == "access_refused"


def test_the_same_break_is_audited_once(connection: Connection, operator: Actor) -> None:
    broken(connection, operator)
    broken(connection, operator)

    assert audited(AuditAction.CONNECTION_BROKEN) == 1


def test_a_break_does_not_bring_back_a_disconnected_connection(
    connection: Connection, operator: Actor
) -> None:
    Connection.objects.update(status="disconnected")

    broken(connection, operator)

    connection.refresh_from_db()
    assert connection.status == "disconnected"


def test_the_first_success_repairs_by_itself(connection: Connection, operator: Actor) -> None:
    broken(connection, operator)

    mark_working(connection)

    assert (connection.status, connection.error, connection.customer_message) == ("active", "", "")
    assert connection.last_success_at is not None
    assert due_of(connection).due_at is not None
    assert seen(connection).status == "active"
    assert audited(AuditAction.CONNECTION_REPAIRED) == 1


def test_a_success_of_a_healthy_connection_is_no_repair(connection: Connection) -> None:
    mark_working(connection)

    assert seen(connection).last_success_at == connection.last_success_at
    assert audited(AuditAction.CONNECTION_REPAIRED) == 0


def test_a_success_does_not_resume_what_a_person_paused(
    connection: Connection, operator: Actor
) -> None:
    pause_connection(connection=connection, actor=operator)

    mark_working(connection)

    assert connection.status == "paused"
    assert due_of(connection).due_at is None


def test_operations_see_the_last_run_and_its_hour_in_a_statement_each(
    connection: Connection, django_assert_num_queries: object
) -> None:
    run: SyncRun = SyncRunFactory(connection=connection)

    with django_assert_num_queries(2):  # type: ignore[operator]
        publish_run(run)

    status = seen(connection)
    assert (status.last_run_id, status.last_run_state) == (run.pk, "succeeded")
    assert status.last_run_at == run.ended_at


def test_publishing_a_connection_keeps_what_is_known_of_its_last_run(
    connection: Connection,
) -> None:
    run: SyncRun = SyncRunFactory(connection=connection)
    publish_run(run)
    ConnectionStatus.objects.update(records=7)

    publish(connection)

    assert (seen(connection).last_run_id, seen(connection).records) == (run.pk, 7)
