"""The end user's connect page, where Composio holds the access: a click, its page, and back."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from django.http import HttpResponse
from django.test import Client

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.provider_apps import set_provider_app
from integrations.models import Connection
from integrations.sandbox.composio import Composio
from integrations.services.connect_links import create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting.conftest import World
from tests.providers.composio.conftest import OPERATOR, connected

pytestmark = pytest.mark.django_db


def link(acme: Tenant, **options: object) -> str:
    """The connect page's address."""
    _, token = create_connect_session(tenant=acme, actor=OPERATOR, end_user="ada", **options)  # type: ignore[arg-type]
    return f"/connect/{token}/"


def clicked(browser: Client, page: str, provider: str) -> str:
    """Where the button leads."""
    answer = browser.post(f"{page}{provider}/")
    assert answer.status_code == 303, answer.content
    return str(answer["Location"])


def come_back(browser: Client, address: str) -> HttpResponse:
    parts = urlsplit(address)
    return browser.get(f"{parts.path}?{parts.query}")  # type: ignore[return-value]


def test_the_button_leads_to_composios_page_and_back_to_a_connection(
    composio: Composio, world: World, acme: Tenant
) -> None:
    browser, page = Client(), link(acme, providers=["slack", "copper"])
    shown = browser.get(page).content.decode()
    assert shown.count("Composio holds the access") == 1
    assert "Connect Slack" in shown

    target = clicked(browser, page, "slack")
    assert target.startswith(world.sandbox.url)
    back = world.consent(target, account=_first(world))
    answer = come_back(browser, back)

    assert "can now read" in answer.content.decode()
    assert Connection.objects.get().auth_kind == "composio"
    event = AuditEvent.objects.get(action=AuditAction.CONNECTION_CREATED)
    assert event.actor_label == "ada"
    assert "was answered already" in come_back(browser, back).content.decode()


def test_what_the_way_back_says_of_the_account_is_not_heard(
    composio: Composio, world: World, acme: Tenant
) -> None:
    browser, page = Client(), link(acme, providers=["slack"])
    target = clicked(browser, page, "slack")
    back = world.consent(target, account=_first(world))
    other = next(iter(composio.held))

    answer = come_back(browser, back.replace(f"connected_account_id={other}", "x=ca_of_another"))

    assert "can now read" in answer.content.decode()


def test_without_consent_and_from_another_browser_nothing_is_connected(
    composio: Composio, world: World, acme: Tenant
) -> None:
    browser, page = Client(), link(acme, providers=["slack"])
    browser.get(page)
    clicked(browser, page, "slack")
    back = next(iter(composio.held.values())).callback_url

    elsewhere = come_back(Client(), back).content.decode()
    clicked(browser, page, "slack")
    again = list(composio.held.values())[-1].callback_url
    too_early = come_back(browser, again).content.decode()

    assert "another browser" in elsewhere
    assert "Nobody has consented" in too_early
    assert not Connection.objects.exists()


def test_a_link_to_reconnect_renews_the_connection_and_no_other(
    composio: Composio, world: World, acme: Tenant
) -> None:
    before = connected(world, "slack")
    browser, page = Client(), link(acme, connection=before)

    back = world.consent(clicked(browser, page, "slack"), account=_first(world))
    answer = come_back(browser, back)

    assert "can now read" in answer.content.decode()
    assert Connection.objects.get().pk == before.pk


def test_an_app_of_the_hubs_own_comes_first_and_what_cannot_go_through_is_not_offered(
    composio: Composio, acme: Tenant
) -> None:
    set_provider_app(
        provider="slack", client_id="own", client_secret="own", actor=Actor.system("tests")
    )

    shown = Client().get(link(acme, providers=["slack", "salesforce"])).content.decode()

    assert "Connect Slack" in shown
    assert "Composio" not in shown
    assert "Salesforce" not in shown


def _first(world: World) -> str:
    return next(iter(world.sandbox.world.parts["slack"].accounts))
