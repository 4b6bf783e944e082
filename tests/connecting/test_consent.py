"""From a button to a connection: link, click, consent, back again."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.models import ConnectAttempt, ConnectSession
from hub.connect.provider_apps import set_provider_app
from hub.fleet.models import ConnectionStatus, Due
from integrations.connectors.registry import get_connector
from integrations.errors import InvalidInputError, PermissionRefusedError
from integrations.models import Connection
from integrations.services.connect_links import create_connect_session
from integrations.sync.credentials import access_for
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.connecting.conftest import Browser, World, audited, refusals, sentence_of

pytestmark = pytest.mark.django_db

SLACK_SCOPES = {
    "users:read",
    "channels:read",
    "channels:history",
    "groups:read",
    "groups:history",
}


def test_the_page_names_the_tenant_the_providers_and_what_is_read(
    browser: Browser, link: str
) -> None:
    page = browser.get(f"/connect/{link}/").content.decode()

    assert "Acme" in page
    for connector in map(get_connector, ("copper", "quickbooks", "slack")):
        reads = ", ".join(one.name.replace("_", " ") for one in connector.entity_types)
        assert connector.provider.label in page
        assert reads in page


def test_the_page_has_no_script_or_style_within_it(browser: Browser, link: str) -> None:
    """What it does without its script file is shown by every test here: this browser runs none."""
    page = browser.get(f"/connect/{link}/").content.decode()

    assert re.findall(r"<script(?! src=)|<style| style=| on[a-z]+=", page) == []


def test_opening_the_link_any_number_of_times_uses_nothing_up(
    browser: Browser, world: World, link: str
) -> None:
    for _ in range(3):
        assert Browser(world).get(f"/connect/{link}/").status_code == 200

    assert ConnectSession.objects.get().browser_hash is None
    assert not ConnectAttempt.objects.exists()


def test_a_provider_without_an_app_is_not_offered(
    world: World, acme: Tenant, operator: Actor
) -> None:
    _, token = create_connect_session(tenant=acme, actor=operator)

    page = Browser(world).get(f"/connect/{token}/").content.decode()

    assert "Copper" in page
    assert "Slack" not in page


@pytest.mark.parametrize("provider", ["slack", "quickbooks"])
def test_consent_makes_a_connection_with_a_sync_due(
    provider: str, browser: Browser, link: str, acme: Tenant
) -> None:
    response = browser.connect(link, provider)

    connection = Connection.objects.get()
    assert response.status_code == 200
    assert connection.account_label in response.content.decode()
    assert (connection.provider, connection.status) == (provider, "active")
    assert Due.objects.get(object_id=connection.pk).tenant == acme
    assert ConnectionStatus.objects.get(connection_id=connection.pk).status == "active"
    assert audited(AuditAction.CONNECTION_CREATED) == 1


def test_the_event_names_the_end_user_of_the_link(quickbooks: Connection) -> None:
    event = AuditEvent.objects.get(action=AuditAction.CONNECTION_CREATED)

    assert (event.actor_kind, event.actor_label) == ("connect_session", "Ada of Acme")


def test_slack_is_asked_with_its_own_separator_and_a_pkce_challenge(
    browser: Browser, link: str
) -> None:
    asked = parse_qs(urlsplit(browser.click(link, "slack")).query)

    assert set(asked["scope"][0].split(",")) >= SLACK_SCOPES
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == 43
    assert len(asked["state"][0]) == 43
    assert asked["redirect_uri"] == ["http://127.0.0.1:8000/oauth/slack/callback/"]


def test_quickbooks_is_asked_without_pkce_and_keeps_the_company_of_the_callback(
    browser: Browser, link: str
) -> None:
    target = browser.click(link, "quickbooks")
    assert "code_challenge" not in target

    browser.get(browser.world.consent(target))

    connection = Connection.objects.get()
    assert connection.extra == {"realmId": connection.account_id}
    assert connection.access_expires_at is not None


def test_the_secret_of_the_app_never_reaches_the_browser(browser: Browser, link: str) -> None:
    secret = browser.world.credentials("slack")["clients"][0]["client_secret"]

    assert secret not in browser.click(link, "slack")


def test_the_tenants_own_app_comes_before_the_one_for_all(
    browser: Browser, link: str, acme: Tenant
) -> None:
    own = browser.world.credentials("slack")["clients"][1]
    set_provider_app(
        provider="slack",
        client_id=own["client_id"],
        client_secret=own["client_secret"],
        tenant=acme,
        actor=Actor.system("tests"),
    )

    asked = parse_qs(urlsplit(browser.click(link, "slack")).query)

    assert asked["client_id"] == [own["client_id"]]


def test_two_tabs_of_one_browser_both_arrive(browser: Browser, link: str) -> None:
    first = browser.back_from(link, "slack")
    second = browser.back_from(link, "quickbooks")

    assert browser.get(first).status_code == 200
    assert browser.get(second).status_code == 200
    assert Connection.objects.count() == 2


def test_the_same_account_again_is_reconnected(browser: Browser, link: str) -> None:
    browser.connect(link, "quickbooks")
    browser.connect(link, "quickbooks")

    assert Connection.objects.get().credential_generation == 2
    assert audited(AuditAction.CONNECTION_RECONNECTED) == 1


def test_scopes_that_were_not_granted_limit_the_connection_by_name(
    browser: Browser, link: str
) -> None:
    target = browser.click(link, "slack")
    scopes = parse_qs(urlsplit(target).query)["scope"][0].split(",")
    fewer = ",".join(scope for scope in scopes if scope != "channels:history")

    response = browser.get(browser.world.consent(target, scope=fewer))

    connection = Connection.objects.get()
    assert (connection.status, connection.error_code) == ("limited", "scopes_missing")
    assert connection.error == "Not granted: channels:history"
    assert connection.customer_message in response.content.decode().replace("&#x27;", "'")


def test_optional_scopes_that_were_not_granted_do_not_limit(browser: Browser, link: str) -> None:
    target = browser.click(link, "slack")

    browser.get(browser.world.consent(target, scope=",".join(sorted(SLACK_SCOPES))))

    connection = Connection.objects.get()
    assert connection.status == "active"
    assert set(connection.granted_scopes) == SLACK_SCOPES


def test_an_answer_without_scopes_means_those_that_were_asked_for(quickbooks: Connection) -> None:
    assert quickbooks.granted_scopes == ["com.intuit.quickbooks.accounting"]


def test_the_access_works_and_the_refresh_token_stays_inside(
    quickbooks: Connection, operator: Actor
) -> None:
    credentials = access_for(quickbooks, actor=operator, reason="test")

    assert credentials.access_token.startswith("eyJ")
    assert credentials.extra == quickbooks.extra
    assert "RT1-" not in str(credentials.values())


def test_reconnecting_with_another_account_is_refused_before_anything_changes(
    quickbooks: Connection, browser: Browser, acme: Tenant, operator: Actor
) -> None:
    before = bytes(quickbooks.credentials or b"")
    _, token = create_connect_session(tenant=acme, actor=operator, connection=quickbooks)

    response = browser.connect(token, "quickbooks", account="9130350000000202")

    quickbooks.refresh_from_db()
    assert response.status_code == 400
    assert quickbooks.account_label in sentence_of(response)
    assert refusals() == ["account_changed"]
    assert bytes(quickbooks.credentials or b"") == before
    assert Connection.objects.count() == 1


def test_reconnecting_with_the_same_account_continues(
    quickbooks: Connection, browser: Browser, acme: Tenant, operator: Actor
) -> None:
    Connection.objects.update(status="needs_reauth", error_code="access_refused")
    _, token = create_connect_session(tenant=acme, actor=operator, connection=quickbooks)

    response = browser.connect(token, "quickbooks")

    quickbooks.refresh_from_db()
    assert response.status_code == 200
    assert (quickbooks.status, quickbooks.error_code) == ("active", "")


def test_a_reconnect_link_offers_nothing_else(
    quickbooks: Connection, world: World, acme: Tenant, operator: Actor
) -> None:
    _, token = create_connect_session(tenant=acme, actor=operator, connection=quickbooks)

    browser = Browser(world)

    assert "Slack" not in browser.get(f"/connect/{token}/").content.decode()
    assert browser.client.get(f"/connect/{token}/copper/").status_code == 400


def test_a_key_is_entered_in_a_form_made_from_the_declaration(browser: Browser, link: str) -> None:
    page = browser.get(f"/connect/{link}/copper/key/").content.decode()

    response = browser.submit(f"/connect/{link}/copper/key/", **browser.world.key())

    assert 'name="key"' in page and 'type="password"' in page
    assert response.status_code == 200
    assert Connection.objects.get().provider == "copper"


def test_a_wrong_key_is_said_at_its_field_and_not_shown_again(browser: Browser, link: str) -> None:
    key = {**browser.world.key(), "key": "hubcanary" + "0" * 23}

    response = browser.submit(f"/connect/{link}/copper/key/", **key)

    page = response.content.decode()
    assert response.status_code == 400
    assert "does not accept these credentials" in page
    assert "hubcanary" not in page
    assert not Connection.objects.exists()


def test_what_is_connected_through_globex_stays_in_globex(
    apps: World, browser: Browser, globex: Tenant, operator: Actor
) -> None:
    _, token = create_connect_session(tenant=globex, actor=operator)

    browser.connect(token, "slack")

    assert not Connection.objects.exists()
    with in_tenant(globex):
        assert Connection.objects.count() == 1


def test_a_link_names_only_providers_there_are(acme: Tenant, operator: Actor) -> None:
    with pytest.raises(InvalidInputError):
        create_connect_session(tenant=acme, actor=operator, providers=["nosuch"])


def test_an_address_to_return_to_is_refused_as_long_as_none_is_allowed(
    acme: Tenant, operator: Actor
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        create_connect_session(tenant=acme, actor=operator, return_url="https://evil.example/")

    assert "return_url" in refused.value.errors


def test_a_viewer_makes_no_link_and_no_app(acme: Tenant) -> None:
    viewer = Actor(kind="user", id="1", label="eve@example.com", role=Role.VIEWER)

    with pytest.raises(PermissionRefusedError):
        create_connect_session(tenant=acme, actor=viewer)
    with pytest.raises(PermissionRefusedError):
        set_provider_app(provider="slack", client_id="1", client_secret="s", actor=viewer)


def test_the_secret_of_an_app_is_set_and_kept_but_never_in_the_clear(apps: World) -> None:
    from hub.connect.models import ProviderApp

    app = ProviderApp.objects.get(provider="slack")
    sealed = bytes(app.client_secret or b"")

    set_provider_app(
        provider="slack", client_id="new", client_secret="", actor=Actor.system("tests")
    )

    app.refresh_from_db()
    secret = apps.credentials("slack")["clients"][0]["client_secret"]
    assert app.client_id == "new"
    assert bytes(app.client_secret or b"") == sealed
    assert secret.encode() not in sealed
    assert secret not in repr(app.client_secret)
