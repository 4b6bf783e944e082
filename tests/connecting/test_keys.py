"""Connecting with an API key, against the sandbox's Copper."""

import pytest
from django.db import connection as database

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    AccountChangedError,
    InvalidInputError,
    PermissionRefusedError,
    ProviderUnavailableError,
    RefusedError,
    UnknownProviderError,
)
from integrations.models import Connection
from integrations.services.connections import connect_with_key
from integrations.sync.credentials import access_for
from tenants.actor import Actor
from tenants.roles import Role
from tests.connecting.conftest import World, audited

pytestmark = pytest.mark.django_db


def test_a_key_that_the_provider_accepts_makes_a_connection_named_after_its_account(
    copper: Connection, world: World
) -> None:
    found = world.credentials("copper")[0]

    assert copper.status == Connection.Status.ACTIVE
    assert copper.source_system == f"copper:{found['account_id']}"
    assert copper.account_label == found["account"]
    assert copper.name == f"Copper · {found['account']}"


def test_the_first_sync_is_due_at_once(copper: Connection, acme: object) -> None:
    due = Due.objects.get(object_id=copper.pk)

    assert (due.tenant, due.kind, due.lane, due.provider) == (acme, "sync", "live", "copper")
    assert due.due_at is not None
    assert due.interval_seconds == copper.interval_seconds


def test_operations_see_the_new_connection(copper: Connection) -> None:
    seen = ConnectionStatus.objects.get(connection_id=copper.pk)

    assert (seen.provider, seen.status) == ("copper", "active")
    assert seen.account_label == copper.account_label


def test_connecting_is_audited(copper: Connection, operator: Actor, acme: object) -> None:
    event = AuditEvent.objects.get(action=AuditAction.CONNECTION_CREATED)

    assert event.actor_label == operator.label
    assert event.target_id == str(copper.pk)
    assert event.tenant_id == acme.pk  # type: ignore[attr-defined]


def test_the_secrets_come_back_only_through_the_audited_door(
    copper: Connection, world: World, operator: Actor
) -> None:
    before = audited(AuditAction.CREDENTIALS_READ)

    credentials = access_for(copper, actor=operator, reason="test")

    assert credentials.values() == world.key()
    assert audited(AuditAction.CREDENTIALS_READ) == before + 1


def test_what_is_stored_holds_the_key_nowhere_in_the_clear(
    copper: Connection, world: World
) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT row_to_json(c)::text || encode(c.credentials, 'escape')"
            " FROM integrations_connection c"
        )
        (stored,) = cursor.fetchone()

    assert all(secret not in stored for secret in world.key().values())
    assert world.key()["key"] not in repr(copper.credentials)


@pytest.mark.parametrize(
    ("secrets", "field"),
    [
        ({}, "key"),
        ({"key": "", "user_email": "a@b.example"}, "key"),
        ({"key": "k" * 32}, "user_email"),
        ({"key": "k" * 32, "user_email": "nobody"}, "user_email"),
        ({"key": "k\nX-Evil: 1", "user_email": "a@b.example"}, "key"),
        ({"key": "k" * 5000, "user_email": "a@b.example"}, "key"),
        ({"key": "k" * 32, "user_email": "a@b.example", "admin": "1"}, "admin"),
    ],
    ids=["nothing", "empty", "one missing", "no address", "line break", "too long", "unknown"],
)
def test_fields_that_cannot_be_right_are_named_and_the_provider_is_not_asked(
    secrets: dict[str, str], field: str, world: World, operator: Actor
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        connect_with_key(provider="copper", secrets=secrets, actor=operator)

    assert field in refused.value.errors
    assert world.requests() == []


def test_a_key_the_provider_refuses_leaves_nothing_behind(world: World, operator: Actor) -> None:
    secrets = {**world.key(), "key": "0" * 32}

    with pytest.raises(InvalidInputError) as refused:
        connect_with_key(provider="copper", secrets=secrets, actor=operator)

    assert list(refused.value.errors) == ["key"]
    assert not Connection.objects.exists()
    assert not Due.objects.exists()


def test_a_web_page_instead_of_an_answer_leaves_nothing_behind(
    world: World, operator: Actor
) -> None:
    world.control("fault", slug="copper", html=True, count=None)

    with pytest.raises(ProviderUnavailableError, match="web page"):
        connect_with_key(provider="copper", secrets=world.key(), actor=operator)

    assert not Connection.objects.exists()


def test_the_same_account_again_is_reconnected_not_doubled(
    copper: Connection, world: World, operator: Actor
) -> None:
    Connection.objects.update(status="needs_reauth", error_code="access_refused", error="x")
    Due.objects.update(due_at=None, parked_reason="needs_reauth")

    again = connect_with_key(provider="copper", secrets=world.key(), actor=operator)

    assert again.pk == copper.pk
    assert (again.status, again.error_code, again.error) == ("active", "", "")
    assert again.credential_generation == copper.credential_generation + 1
    assert Due.objects.get().due_at is not None
    assert audited(AuditAction.CONNECTION_RECONNECTED) == 1
    assert access_for(again, actor=operator, reason="test").key == world.key()["key"]


def test_another_account_becomes_a_connection_of_its_own(
    copper: Connection, world: World, operator: Actor
) -> None:
    other = connect_with_key(provider="copper", secrets=world.key(1), actor=operator)

    assert other.pk != copper.pk
    assert Connection.objects.count() == 2


def test_reconnecting_with_another_accounts_key_changes_nothing(
    copper: Connection, world: World, operator: Actor
) -> None:
    before = bytes(copper.credentials or b"")

    with pytest.raises(AccountChangedError) as refused:
        connect_with_key(provider="copper", secrets=world.key(1), actor=operator, connection=copper)

    copper.refresh_from_db()
    assert refused.value.code == "account_changed"
    assert bytes(copper.credentials or b"") == before
    assert Connection.objects.count() == 1


def test_a_disconnected_connection_does_not_stand_in_the_way(
    copper: Connection, world: World, operator: Actor
) -> None:
    Connection.objects.update(status="disconnected", credentials=None)

    fresh = connect_with_key(provider="copper", secrets=world.key(), actor=operator)

    assert fresh.pk != copper.pk
    assert fresh.source_system == copper.source_system


def test_a_provider_with_a_button_takes_no_key(world: World, operator: Actor) -> None:
    with pytest.raises(RefusedError, match="connect link"):
        connect_with_key(provider="slack", secrets={"key": "x"}, actor=operator)


def test_an_unknown_provider_is_named_with_those_there_are(operator: Actor) -> None:
    with pytest.raises(UnknownProviderError, match="copper"):
        connect_with_key(provider="nosuch", secrets={}, actor=operator)


def test_a_viewer_may_not_connect(world: World) -> None:
    viewer = Actor(kind="user", id="1", label="eve@example.com", role=Role.VIEWER)

    with pytest.raises(PermissionRefusedError):
        connect_with_key(provider="copper", secrets=world.key(), actor=viewer)

    assert world.requests() == []
    assert audited(AuditAction.ACCESS_REFUSED) == 1
