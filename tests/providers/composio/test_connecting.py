"""Connecting through Composio: a link, consent on its page, and whose account it is."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.models import ProviderApp
from hub.connect.provider_apps import set_provider_app
from hub.fleet.models import Due
from integrations.auth.composio import not_bearer, untold, values_of, why_not
from integrations.connectors.registry import get_connector
from integrations.errors import (
    AccountChangedError,
    AppRefusedError,
    GatewayUnavailableError,
    InvalidInputError,
    PermissionRefusedError,
    RefusedError,
)
from integrations.models import Connection
from integrations.sandbox.composio import API, Composio
from integrations.services.composio import connect_through_composio, create_composio_link
from integrations.services.disconnect import disconnect_at_once
from integrations.types import ApiKey, Basic
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.caller import with_key
from tests.connecting.conftest import World
from tests.providers.composio.conftest import (
    OPERATOR,
    SHOWN,
    connected,
    consent,
    linked,
    natively,
    sync,
    use_key,
)

pytestmark = pytest.mark.django_db


def opened(provider: str, account: str, **options: Any) -> Connection:
    return connect_through_composio(provider=provider, account=account, actor=OPERATOR, **options)


@pytest.mark.parametrize("provider", SHOWN)
def test_a_consent_on_composios_page_becomes_a_connection_without_a_secret(
    provider: str, composio: Composio, world: World
) -> None:
    through = connected(world, provider)

    assert through.auth_kind == "composio"
    assert through.status == Connection.Status.ACTIVE
    assert through.account_id == next(iter(world.sandbox.world.parts[provider].accounts))
    assert Due.objects.get(object_id=through.pk).due_at is not None
    event = AuditEvent.objects.get(action=AuditAction.CONNECTION_CREATED)
    assert event.detail["access"] == "composio"
    held = next(iter(composio.held.values()))
    assert held.token not in str(AuditEvent.objects.values_list("detail"))


def test_nothing_is_connected_before_somebody_has_consented(
    composio: Composio, world: World
) -> None:
    link = create_composio_link(provider="gmail", actor=OPERATOR)

    with pytest.raises(InvalidInputError, match="Nobody has consented"):
        opened("gmail", link.account)

    assert link.url.startswith(world.sandbox.url)
    assert link.expires_at is not None
    assert not Connection.objects.exists()
    assert consent(world, link.url) == 200
    assert opened("gmail", link.account).account_label


def test_the_links_of_one_provider_share_one_app_at_composio(
    composio: Composio, world: World
) -> None:
    linked(world, "slack")
    linked(world, "slack")

    assert len(composio.configs) == 1
    made = [one for one in world.requests() if one["path"] == f"{API}/auth_configs"]
    assert [one["method"] for one in made] == ["POST"]


def test_the_user_goes_back_to_an_allowed_address_only(composio: Composio) -> None:
    with pytest.raises(InvalidInputError):
        create_composio_link(provider="slack", return_url="https://evil.example/x", actor=OPERATOR)

    assert composio.held == {}


def test_another_tenants_account_in_a_shared_project_is_not_there(
    composio: Composio, world: World, globex: Tenant
) -> None:
    with in_tenant(globex):
        theirs = linked(world, "slack")

    with pytest.raises(InvalidInputError, match="no such account"):
        opened("slack", theirs)

    assert not Connection.objects.exists()
    with in_tenant(globex):
        assert opened("slack", theirs).account_label


def test_a_project_of_ones_own_may_hold_accounts_made_elsewhere(
    composio: Composio, world: World, acme: Tenant
) -> None:
    account = linked(world, "slack")
    composio.held[account].user_id = "made-in-the-dashboard"
    set_provider_app(
        provider="composio",
        client_id="acme",
        client_secret=composio.key,
        tenant=acme,
        actor=Actor.system("tests"),
    )

    assert opened("slack", account).account_label


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"status": "EXPIRED", "reason": "too old"}, r"EXPIRED \(too old\)"),
        ({"status": "REVOKED"}, "REVOKED"),
        ({"is_disabled": True}, "switched off"),
    ],
)
def test_an_account_without_access_is_refused_with_composios_reason(
    change: dict[str, Any], sentence: str, composio: Composio, world: World
) -> None:
    account = linked(world, "slack")
    for name, value in change.items():
        setattr(composio.held[account], name, value)

    with pytest.raises(InvalidInputError, match=sentence):
        opened("slack", account)

    assert not Connection.objects.exists()


@pytest.mark.parametrize("account", ["", "../auth_configs", "ca_nosuch", "ca_1?x=1"])
def test_an_id_that_names_no_account_is_refused(account: str, composio: Composio) -> None:
    with pytest.raises(InvalidInputError) as refused:
        opened("slack", account)

    assert set(refused.value.errors) == {"account"}


def test_an_account_of_another_provider_is_refused(composio: Composio, world: World) -> None:
    with pytest.raises(InvalidInputError, match="an account of slack, not of Gmail"):
        opened("gmail", linked(world, "slack"))


def test_reconnecting_with_another_account_changes_nothing(
    composio: Composio, world: World
) -> None:
    first = connected(world, "slack")
    other = linked(world, "slack", account="T0HARBOURV")

    with pytest.raises(AccountChangedError):
        opened("slack", other, connection=first)

    again = linked(world, "slack")
    assert opened("slack", again, connection=first) == first


def test_a_connection_by_own_oauth_goes_on_through_composio_with_its_records(
    composio: Composio, world: World
) -> None:
    own = natively(world, "slack")
    sync(own)

    through = connected(world, "slack")

    assert through == own
    own.refresh_from_db()
    assert own.auth_kind == "composio"
    assert sync(own).state == "succeeded"


# Refused by what a provider declares.


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        ("salesforce", "each account's own instance_url, which Composio does not tell us"),
        ("quickbooks", "each account's own realmId, which Composio does not tell us"),
        ("basecamp", "each account's own href, which Composio does not tell us"),
        ("copper", r"headers of its own \(X-PW-AccessToken, X-PW-UserEmail\)"),
    ],
)
def test_a_provider_that_composio_cannot_serve_is_refused_with_the_reason(
    provider: str, reason: str, composio: Composio, world: World
) -> None:
    with pytest.raises(InvalidInputError, match=reason) as refused:
        create_composio_link(provider=provider, actor=OPERATOR)

    assert set(refused.value.errors) == {"provider"}
    assert composio.held == {} and world.requests() == []


def test_an_account_that_does_not_tell_what_is_needed_is_refused_with_the_reason(
    composio: Composio, world: World
) -> None:
    headers = {"x-api-key": composio.key}
    at = f"{world.sandbox.url}{API}"
    toolkit = {"toolkit": {"slug": "salesforce"}}
    new = {**toolkit, "auth_config": {"type": "use_composio_managed_auth"}}
    config = world.http.post(f"{at}/auth_configs", json=new, headers=headers).json()
    owner = linked(world, "slack")
    asked = {
        "auth_config_id": config["auth_config"]["id"],
        "user_id": composio.held[owner].user_id,
    }
    link = world.http.post(f"{at}/connected_accounts/link", json=asked, headers=headers).json()
    consent(world, link["redirect_url"].replace("https://connect.composio.dev", _connect(world)))

    with pytest.raises(InvalidInputError, match="own instance_url"):
        opened("salesforce", link["connected_account_id"])


def _connect(world: World) -> str:
    return world.sandbox.addresses()["https://connect.composio.dev"]


def test_what_an_accounts_state_tells_is_found_however_it_is_written() -> None:
    provider = get_connector("salesforce").provider
    told = {"instanceUrl": "https://eu.my.salesforce.com", "access_token": "REDACTED"}

    assert untold(provider, told) == ""
    assert values_of(provider, told) == {"instance_url": "https://eu.my.salesforce.com"}


@pytest.mark.parametrize(
    ("way", "may"),
    [
        (ApiKey({"Authorization": "Bearer {key}"}), True),
        (ApiKey({"Authorization": "Token {key}"}), False),
        (ApiKey({"X-Key": "{key}"}), False),
        (ApiKey({"Authorization": "Bearer {key}", "X-User": "{user}"}), False),
        (Basic(), False),
    ],
)
def test_only_a_bearer_token_will_do(way: Any, may: bool) -> None:
    provider = replace(get_connector("gmail").provider, auth=(way,))

    assert (not_bearer(provider) == "") is may
    assert (why_not(provider) == "") is may


# The ways to ask.


def test_without_a_key_nothing_is_asked(world: World) -> None:
    with pytest.raises(RefusedError, match="not set up"):
        create_composio_link(provider="gmail", actor=OPERATOR)
    with pytest.raises(RefusedError, match="not set up"):
        opened("gmail", "ca_1")


def test_a_viewer_connects_nothing(composio: Composio) -> None:
    viewer = replace(OPERATOR, role=Role.VIEWER)
    with pytest.raises(PermissionRefusedError):
        create_composio_link(provider="gmail", actor=viewer)
    with pytest.raises(PermissionRefusedError):
        connect_through_composio(provider="gmail", account="ca_1", actor=viewer)


def test_a_key_without_the_proxy_raises_one_alarm_until_it_is_replaced(
    composio: Composio, world: World
) -> None:
    account = linked(world, "slack")
    use_key(composio.key_without_proxy)

    for _ in range(2):
        with pytest.raises(AppRefusedError, match="proxy"):
            opened("slack", account)

    alarms = AuditEvent.objects.filter(action=AuditAction.PROVIDER_APP_REFUSED)
    assert alarms.count() == 1
    assert ProviderApp.objects.get().refused_at is not None
    use_key(composio.key)
    assert opened("slack", account)
    assert ProviderApp.objects.get().refused_at is None


def test_a_down_composio_connects_nothing_and_says_so(composio: Composio, world: World) -> None:
    world.control("fault", slug="composio", count=None, status=503)

    with pytest.raises(GatewayUnavailableError, match="Composio"):
        create_composio_link(provider="gmail", actor=OPERATOR)


def test_the_command_makes_a_link_and_then_the_connection(composio: Composio, world: World) -> None:
    said = StringIO()
    how = {"tenant": "acme", "provider": "hubspot", "through": "composio", "stdout": said}
    call_command("connect", **how)
    url, account = said.getvalue().split("\n")[1], said.getvalue().split()[-1]
    consent(world, url)

    call_command("connect", account=account, **how)

    assert str(Connection.objects.get().pk) in said.getvalue()
    with pytest.raises(CommandError, match=r"not tell us\. Nothing was connected"):
        call_command("connect", **{**how, "provider": "salesforce"})


def test_the_api_makes_a_link_and_then_the_connection(
    composio: Composio, world: World, acme: Tenant
) -> None:
    api = with_key(acme, Role.OPERATOR)
    made = api.post("composio/links/", {"provider": "slack", "end_user": "ada"})
    assert made.status_code == 201, made.content
    consent(world, made.json()["url"])
    account = made.json()["account"]

    answer = api.post("composio/connections/", {"provider": "slack", "account": account})

    assert answer.status_code == 201, answer.content
    assert answer.json()["provider"] == "slack"
    assert account not in str(answer.json())
    refused = api.post("composio/connections/", {"provider": "copper", "account": account})
    assert refused.status_code == 422
    assert "Bearer" in refused.json()["errors"]["provider"][0]


# The end.


def test_disconnecting_deletes_the_account_and_ends_the_access(
    composio: Composio, world: World
) -> None:
    through = connected(world, "slack")
    held = next(iter(composio.held.values()))
    access = held.part.oauth.access[held.token]

    revoked = disconnect_at_once(connection=through, actor=replace(OPERATOR, role=Role.ADMIN))

    assert (revoked.outcome, composio.held) == ("done", {})
    assert access.revoked
    through.refresh_from_db()
    assert through.credentials is None


def test_disconnecting_while_composio_is_down_says_what_is_left(
    composio: Composio, world: World
) -> None:
    through = connected(world, "slack")
    world.control("fault", slug="composio", count=None, status=503)

    revoked = disconnect_at_once(connection=through, actor=replace(OPERATOR, role=Role.ADMIN))

    assert revoked.outcome == "failed"
    assert "In Composio's dashboard" in revoked.sentence


def test_an_account_that_is_gone_already_is_no_trouble(composio: Composio, world: World) -> None:
    through = connected(world, "slack")
    composio.held.clear()

    revoked = disconnect_at_once(connection=through, actor=replace(OPERATOR, role=Role.ADMIN))

    assert revoked.outcome == "done"
