"""The sandbox as the outside world, and a person with a browser who clicks through it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.db.models import F
from django.http import HttpResponse
from django.test import Client

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.models import ConnectAttempt, ConnectSession
from hub.connect.provider_apps import set_provider_app
from integrations.models import Connection
from integrations.sandbox import Sandbox
from integrations.services.connect_links import create_connect_session
from integrations.services.connections import connect_with_key
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.models import Tenant

TOKEN_PATHS = ("/quickbooks/oauth/", "/slack/api/oauth.v2.access", "/copper/app/oauth/token")
FORM = re.compile(r'<form [^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
INPUT = re.compile(r"<input([^>]*)>")
PAIR = re.compile(r'([a-z]+)="([^"]*)"')


@dataclass
class World:
    """The running sandbox, as tests order and question it."""

    sandbox: Sandbox
    http: requests.Session

    def control(self, action: str, **order: Any) -> Any:
        answer = self.http.post(f"{self.sandbox.url}/_control", json={"action": action, **order})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def credentials(self, slug: str) -> Any:
        return self.http.get(f"{self.sandbox.url}/_credentials").json()[slug]

    def key(self, number: int = 0) -> dict[str, str]:
        """What a Copper credentials form asks for."""
        found = self.credentials("copper")[number]
        return {"key": found["key"], "user_email": found["user_email"]}

    def requests(self) -> list[dict[str, Any]]:
        return self.http.get(f"{self.sandbox.url}/_requests").json()  # type: ignore[no-any-return]

    def token_calls(self) -> list[dict[str, Any]]:
        """Every request for a token so far."""
        return [one for one in self.requests() if one["path"].startswith(TOKEN_PATHS)]

    def forget_requests(self) -> None:
        self.http.delete(f"{self.sandbox.url}/_requests")

    def consent(self, url: str, **changed: str) -> str:
        """The address a browser is sent back to after pressing Allow on the page at `url`."""
        page = self.http.get(url)
        assert page.status_code == 200, page.text
        action, fields = first_form(page.text)
        answer = self.http.post(
            self.sandbox.url + action, data={**fields, **changed}, allow_redirects=False
        )
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def posted_back(self, url: str) -> tuple[str, dict[str, str]]:
        """Where a provider that answers by POST sends the browser after Allow, and with what."""
        action, fields = first_form(self.http.get(url).text)
        page = self.http.post(self.sandbox.url + action, data=fields)
        address, answer = first_form(page.text)
        return urlsplit(address).path, answer


@dataclass
class Browser:
    """One person's browser at the hub: it keeps cookies and checks CSRF tokens as Django does."""

    world: World
    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    def get(self, address: str) -> HttpResponse:
        parts = urlsplit(address)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return self.client.get(path)  # type: ignore[return-value]

    def submit(self, address: str, **entered: str) -> HttpResponse:
        """Send the first form of the page at `address`."""
        action, fields = first_form(self.get(address).content.decode())
        return self.client.post(action or urlsplit(address).path, {**fields, **entered})  # type: ignore[return-value]

    def click(self, token: str, provider: str) -> str:
        """Press the provider's button; return the address of the consent page."""
        page = self.get(f"/connect/{token}/").content.decode()
        forms = [(a, f) for a, f in all_forms(page) if a.endswith(f"/{provider}/")]
        assert forms, page
        action, fields = forms[0]
        answer = self.client.post(action, fields)
        assert answer.status_code == 303, answer.content
        return str(answer["Location"])

    def back_from(self, token: str, provider: str, **chosen: str) -> str:
        """Click and consent; return the address of the callback, which is not yet asked for."""
        return self.world.consent(self.click(token, provider), **chosen)

    def connect(self, token: str, provider: str, **chosen: str) -> HttpResponse:
        """Click, consent, come back."""
        return self.get(self.back_from(token, provider, **chosen))


def first_form(html: str) -> tuple[str, dict[str, str]]:
    html = html.replace('<form method="post" class="fields">', '<form action="">')
    return all_forms(html)[0]


def all_forms(html: str) -> list[tuple[str, dict[str, str]]]:
    """Action and default values of each form."""
    forms = []
    for action, inside in FORM.findall(html):
        values = {}
        for text in INPUT.findall(inside):
            pairs = dict(PAIR.findall(text))
            if pairs.get("type") != "radio" or "checked" in text:
                values[pairs["name"]] = unescape(pairs.get("value", ""))
        forms.append((unescape(action), values))
    return forms


def sentence_of(response: HttpResponse) -> str:
    """The one sentence of a page that refuses."""
    found = re.search(r'<p class="lead">(.*?)</p>', response.content.decode(), re.DOTALL)
    return unescape(found[1]) if found else response.content.decode()


def refusals() -> list[str]:
    """Why connecting was refused, as audited, oldest first."""
    events = AuditEvent.objects.filter(action=AuditAction.CONNECT_REFUSED).order_by("at")
    return [event.detail["reason"] for event in events]


def audited(action: AuditAction) -> int:
    return AuditEvent.objects.filter(action=action).count()


@pytest.fixture(scope="session")
def running() -> Iterator[World]:
    http = requests.Session()
    http.trust_env = False
    with Sandbox(seed=7, scale=0.02) as sandbox:
        yield World(sandbox, http)
    http.close()


@pytest.fixture
def world(running: World, settings: Any) -> World:
    """The sandbox as at its start, in place of every provider."""
    running.control("reset")
    running.control("set", limits=False)  # the hub of the tests keeps to none either
    settings.HUB_PROVIDER_ADDRESSES = running.sandbox.addresses()
    settings.HUB_EGRESS_ALLOW = ["127.0.0.1"]
    settings.HUB_PUBLIC_URL = "http://127.0.0.1:8000"
    return running


@pytest.fixture
def browser(world: World) -> Browser:
    return Browser(world)


@pytest.fixture
def apps(world: World, db: None) -> World:
    """The hub is registered at QuickBooks and Slack, as the first app of each."""
    for slug in ("quickbooks", "slack"):
        client = world.credentials(slug)["clients"][0]
        set_provider_app(
            provider=slug,
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            actor=Actor.system("tests"),
        )
    return world


@pytest.fixture
def link(apps: World, acme: Tenant, operator: Actor) -> str:
    """The token of a connect link of acme for every provider."""
    _, token = create_connect_session(tenant=acme, actor=operator, end_user="Ada of Acme")
    return token


@pytest.fixture
def copper(world: World, operator: Actor, inside_acme: None) -> Connection:
    """A Copper connection made with a key."""
    return connect_with_key(provider="copper", secrets=world.key(), actor=operator)


@pytest.fixture
def quickbooks(browser: Browser, link: str, inside_acme: None) -> Connection:
    """A QuickBooks connection made by consent; its refresh tokens rotate."""
    response = browser.connect(link, "quickbooks")
    assert response.status_code == 200, sentence_of(response)
    assert current_tenant().slug == "acme"
    return Connection.objects.get(provider="quickbooks")


def let_pass(span: timedelta) -> None:
    """As if the links and attempts there are had been made so much earlier."""
    for model in (ConnectSession, ConnectAttempt):
        model.objects.update(expires_at=F("expires_at") - span)
