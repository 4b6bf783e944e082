"""Keeping access alive: renewed in time, exactly once, and given up only when it is dead."""

import logging
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.connect.models import ProviderApp
from hub.connect.provider_apps import set_provider_app
from hub.fields import Sealed
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    CircuitOpenError,
    ConnectionNotActiveError,
    HubError,
    OperatorRequiredError,
    ProviderUnavailableError,
    ReauthorizationRequiredError,
)
from integrations.models import Connection
from integrations.sync.credentials import access_for, open_to_revoke
from tenants.actor import Actor
from tenants.keys import open_for
from tenants.models import Tenant
from tests.connecting.conftest import Browser, World, audited

WORKER = Actor.system("worker")
BEARER = "tokens/bearer"


def ends_in(connection: Connection, seconds: float) -> None:
    """Let the access token end in `seconds` from now."""
    Connection.objects.filter(pk=connection.pk).update(
        access_expires_at=timezone.now() + timedelta(seconds=seconds)
    )


def sealed_in(connection: Connection, tenant: Tenant) -> dict[str, Any]:
    connection.refresh_from_db()
    return open_for(connection, "credentials", tenant_id=tenant.pk, actor=WORKER, reason="test")


def token_of(connection: Connection, **options: Any) -> str:
    return access_for(connection, actor=WORKER, reason="test", **options).access_token


@pytest.mark.django_db
class TestInTime:
    def test_a_fresh_token_is_used_as_it_is(self, quickbooks: Connection, world: World) -> None:
        world.forget_requests()

        assert token_of(quickbooks) == token_of(quickbooks)
        assert world.token_calls() == []

    def test_one_that_ends_within_a_quarter_of_an_hour_is_renewed(
        self, quickbooks: Connection, world: World
    ) -> None:
        before = token_of(quickbooks)
        world.forget_requests()
        ends_in(quickbooks, 14 * 60)

        after = token_of(quickbooks)

        assert after != before
        assert len(world.token_calls()) == 1
        assert quickbooks.credential_generation == 2
        assert quickbooks.access_expires_at > timezone.now() + timedelta(minutes=50)  # type: ignore[operator]
        assert audited(AuditAction.CREDENTIALS_REFRESHED) == 1

    def test_one_that_ends_later_is_not(self, quickbooks: Connection, world: World) -> None:
        world.forget_requests()
        ends_in(quickbooks, 16 * 60)

        token_of(quickbooks)

        assert world.token_calls() == []

    def test_short_lives_are_renewed_at_their_half(
        self, quickbooks: Connection, world: World
    ) -> None:
        world.control("set", slug="quickbooks", token_lifetime=600)
        ends_in(quickbooks, 1)
        token_of(quickbooks)
        world.forget_requests()

        token_of(quickbooks)
        assert world.token_calls() == []

        ends_in(quickbooks, 240)
        token_of(quickbooks)
        assert len(world.token_calls()) == 1

    def test_the_rotated_refresh_token_is_kept(
        self, quickbooks: Connection, world: World, acme: Tenant
    ) -> None:
        before = sealed_in(quickbooks, acme)["refresh_token"]
        for _ in range(3):
            ends_in(quickbooks, 1)
            token_of(quickbooks)

        assert sealed_in(quickbooks, acme)["refresh_token"] != before
        assert quickbooks.status == "active"

    def test_the_old_refresh_token_is_kept_when_the_answer_has_none(
        self, quickbooks: Connection, world: World, acme: Tenant
    ) -> None:
        before = sealed_in(quickbooks, acme)["refresh_token"]
        body = '{"access_token": "eyJnew", "expires_in": 3600}'
        world.control("fault", slug="quickbooks", path=BEARER, status=200, body=body)
        ends_in(quickbooks, 1)

        assert token_of(quickbooks) == "eyJnew"
        assert sealed_in(quickbooks, acme)["refresh_token"] == before

    def test_a_token_that_never_ends_is_never_renewed(
        self, browser: Browser, link: str, world: World
    ) -> None:
        browser.connect(link, "slack")
        connection = Connection.objects.get(provider="slack")
        world.forget_requests()

        token_of(connection)

        assert connection.access_expires_at is None
        assert world.token_calls() == []

    def test_slack_rotates_too(self, browser: Browser, link: str, world: World) -> None:
        world.control("set", slug="slack", rotation=True)
        browser.connect(link, "slack")
        connection = Connection.objects.get(provider="slack")
        before = token_of(connection)
        ends_in(connection, 1)

        assert token_of(connection) != before


@pytest.mark.django_db
class TestAfter401:
    def test_the_refused_generation_is_renewed_at_once(
        self, quickbooks: Connection, world: World
    ) -> None:
        before = token_of(quickbooks)

        after = token_of(quickbooks, refused=quickbooks.credential_generation)

        assert after != before
        assert quickbooks.credential_generation == 2

    def test_a_generation_that_is_history_already_is_not_renewed_again(
        self, quickbooks: Connection, world: World
    ) -> None:
        token_of(quickbooks, refused=1)
        world.forget_requests()

        token_of(quickbooks, refused=1)

        assert world.token_calls() == []

    def test_a_refused_key_must_be_entered_again(self, copper: Connection) -> None:
        with pytest.raises(ReauthorizationRequiredError):
            token_of(copper, refused=copper.credential_generation)

        assert copper.status == "needs_reauth"
        assert Due.objects.get(object_id=copper.pk).due_at is None


@pytest.mark.django_db
class TestDeadForGood:
    def test_a_revoked_grant_is_said_to_both_and_stops_the_work(
        self, quickbooks: Connection, world: World
    ) -> None:
        world.control("revoke", slug="quickbooks", account=quickbooks.account_id)
        world.forget_requests()

        with pytest.raises(ReauthorizationRequiredError):
            token_of(quickbooks, refused=1)

        seen = ConnectionStatus.objects.get(connection_id=quickbooks.pk)
        assert len(world.token_calls()) == 1
        assert (quickbooks.status, seen.status) == ("needs_reauth", "needs_reauth")
        assert "QuickBooks" in quickbooks.error
        assert "reconnect" in quickbooks.customer_message
        assert Due.objects.get(object_id=quickbooks.pk).due_at is None
        assert audited(AuditAction.CONNECTION_BROKEN) == 1

    def test_slack_says_it_with_status_200(self, browser: Browser, link: str, world: World) -> None:
        world.control("set", slug="slack", rotation=True)
        browser.connect(link, "slack")
        connection = Connection.objects.get(provider="slack")
        world.control("revoke", slug="slack", account=connection.account_id)
        ends_in(connection, 1)

        with pytest.raises(ReauthorizationRequiredError):
            token_of(connection)

        assert connection.status == "needs_reauth"

    def test_reconnecting_repairs_it(
        self, quickbooks: Connection, browser: Browser, link: str, world: World
    ) -> None:
        world.control("revoke", slug="quickbooks", account=quickbooks.account_id)
        with pytest.raises(ReauthorizationRequiredError):
            token_of(quickbooks, refused=1)

        browser.connect(link, "quickbooks")

        quickbooks.refresh_from_db()
        assert (quickbooks.status, quickbooks.error) == ("active", "")
        assert Due.objects.get(object_id=quickbooks.pk).due_at is not None
        assert token_of(quickbooks)


PASSING = {
    "500": {"status": 500},
    "503": {"status": 503},
    "429": {"status": 429, "headers": {"Retry-After": "7"}},
    "a web page": {"html": True},
    "half an answer": {"truncate": 20},
    "a reset": {"reset": "before"},
    "an unknown code": {"status": 400, "body": '{"error": "something_new"}'},
    "a wrong request": {"status": 400, "body": '{"error": "invalid_request"}'},
}


@pytest.mark.django_db
@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_changes_nothing(fault: str, quickbooks: Connection, world: World) -> None:
    before = Connection.objects.values().get()
    world.control("fault", slug="quickbooks", path=BEARER, **PASSING[fault])

    with pytest.raises(HubError) as failed:
        token_of(quickbooks, refused=1)

    assert not isinstance(failed.value, ReauthorizationRequiredError)
    assert Connection.objects.values().get() == before
    assert Due.objects.get(object_id=quickbooks.pk).due_at is not None


@pytest.mark.django_db
def test_a_token_endpoint_that_fails_five_times_is_left_alone_for_a_minute(
    quickbooks: Connection, world: World
) -> None:
    world.control("fault", slug="quickbooks", path=BEARER, status=503, count=None)
    for _ in range(5):
        begun_at = monotonic()
        with pytest.raises(ProviderUnavailableError):
            token_of(quickbooks, refused=1)
    asked = len(world.requests())

    with pytest.raises(CircuitOpenError) as refused:
        token_of(quickbooks, refused=1)

    gone = monotonic() - begun_at
    assert 59 - gone < (refused.value.retry_after or 0) <= 60
    assert len(world.requests()) == asked
    quickbooks.refresh_from_db()
    assert (quickbooks.status, quickbooks.credential_generation) == ("active", 1)
    # The end of an access is asked for only so often, so nothing holds it back.
    ends_in(quickbooks, -60)
    with pytest.raises(ProviderUnavailableError):
        open_to_revoke(quickbooks, actor=WORKER, by_access_token=True)


@pytest.mark.django_db
def test_the_app_that_was_authorized_renews_although_the_tenant_has_another_by_now(
    quickbooks: Connection, world: World, acme: Tenant
) -> None:
    set_provider_app(
        provider="quickbooks", client_id="x", client_secret="y", tenant=acme, actor=WORKER
    )

    assert token_of(quickbooks, refused=1)


@pytest.mark.django_db
def test_without_any_app_an_operator_is_named_what_to_do(quickbooks: Connection) -> None:
    ProviderApp.objects.all().delete()

    with pytest.raises(OperatorRequiredError, match="client id and client secret"):
        token_of(quickbooks, refused=1)


@pytest.mark.django_db
def test_a_disconnected_connection_gives_no_access(quickbooks: Connection) -> None:
    Connection.objects.update(status="disconnected")

    with pytest.raises(ConnectionNotActiveError):
        token_of(quickbooks)


@pytest.mark.django_db
def test_secrets_copied_to_another_connection_do_not_open(
    copper: Connection, quickbooks: Connection
) -> None:
    copper.refresh_from_db()
    Connection.objects.filter(pk=quickbooks.pk).update(
        credentials=Sealed(bytes(copper.credentials or b""))
    )

    with pytest.raises(OperatorRequiredError):
        token_of(quickbooks)

    assert audited(AuditAction.CREDENTIALS_UNREADABLE) == 1


@pytest.mark.django_db
def test_no_secret_is_logged_or_said(
    quickbooks: Connection, world: World, acme: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = sealed_in(quickbooks, acme)
    client = world.credentials("quickbooks")["clients"][0]
    said = []
    for fault in PASSING.values():
        world.control("fault", slug="quickbooks", path=BEARER, **fault)
        with pytest.raises(HubError) as failed:
            token_of(quickbooks, refused=1)
        said.append(repr(failed.value) + str(failed.value))
    credentials = access_for(quickbooks, actor=WORKER, reason="test")

    everything = " ".join([caplog.text, repr(credentials), repr(quickbooks.__dict__), *said])
    for secret in (secrets["access_token"], secrets["refresh_token"], client["client_secret"]):
        assert secret not in everything
