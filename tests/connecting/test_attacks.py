"""Forged, stolen, repeated and late answers: each ends in one calm page and asks for no token."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import time_machine
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.models import ConnectAttempt, ConnectSession
from integrations.models import Connection
from integrations.services.connect_links import create_connect_session
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.connecting.conftest import Browser, World, first_form, let_pass, refusals, sentence_of

pytestmark = pytest.mark.django_db


def changed(address: str, **values: str | None) -> str:
    """The address with query parameters replaced, or taken out where None."""
    parts = urlsplit(address)
    query = {name: found[0] for name, found in parse_qs(parts.query).items()}
    query.update({name: value for name, value in values.items() if value is not None})
    kept = {name: value for name, value in query.items() if values.get(name, "") is not None}
    return f"{parts.path}?{urlencode(kept)}"


def late(address: str) -> str:
    ConnectAttempt.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    return address


def in_suspended_tenant(address: str) -> str:
    Tenant.objects.filter(slug="acme").update(state="suspended")
    return address


def shortened(address: str) -> str:
    return changed(address, state=parse_qs(urlsplit(address).query)["state"][0][:20])


def at_quickbooks(address: str) -> str:
    return address.replace("/slack/", "/quickbooks/")


def reused(address: str) -> str:
    ConnectAttempt.objects.update(used_at=timezone.now())
    return address


def same(address: str) -> str:
    return address


STATE_ATTACKS: dict[str, tuple[Callable[[str], str], str]] = {
    "without a state": (lambda a: changed(a, state=None), "missing_state"),
    "with an empty state": (lambda a: changed(a, state=""), "missing_state"),
    "with an invented state": (lambda a: changed(a, state="x" * 43), "unknown_state"),
    "with a shortened state": (shortened, "unknown_state"),
    "with a state that was used": (reused, "reused_state"),
    "with a state that is too old": (late, "expired_state"),
    "with another provider's state": (at_quickbooks, "other_provider"),
    "with another browser's state": (same, "other_browser"),
    "with another tenant's state": (same, "other_browser"),
}  # fmt: skip
"""The nine of T13. In the last two it is the browser that is wrong, not the address."""


@pytest.mark.parametrize("case", STATE_ATTACKS)
def test_an_answer_is_refused_before_a_token_is_asked_for(
    case: str, browser: Browser, world: World, link: str, globex: Tenant, operator: Actor
) -> None:
    forge, reason = STATE_ATTACKS[case]
    address = forge(browser.back_from(link, "slack"))
    visitor = Browser(world) if reason == "other_browser" else browser
    if "tenant" in case:  # the visitor's cookie is known, from a link of globex
        visitor.click(create_connect_session(tenant=globex, actor=operator)[1], "slack")

    response = visitor.get(address)

    assert response.status_code == 400
    assert sentence_of(response)
    assert refusals() == [reason]
    assert world.token_calls() == []
    for tenant in (None, globex):
        with in_tenant(tenant) if tenant else nullcontext():
            assert not Connection.objects.exists()


FORGED: dict[str, tuple[Callable[[str], str], str]] = {
    "with a huge state": (lambda a: changed(a, state="x" * 9000), "unknown_state"),
    "for a suspended tenant": (in_suspended_tenant, "tenant_not_active"),
    "without a code": (lambda a: changed(a, code=None), "missing_code"),
    "with an error": (lambda a: changed(a, code=None, error="server_error"), "provider_error"),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_an_answer_that_brings_nothing_asks_for_no_token(
    case: str, browser: Browser, link: str
) -> None:
    forge, reason = FORGED[case]

    response = browser.get(forge(browser.back_from(link, "slack")))

    assert response.status_code == 400
    assert sentence_of(response)
    assert refusals() == [reason]
    assert browser.world.token_calls() == []
    assert not Connection.objects.exists()


def test_an_answer_works_once(browser: Browser, link: str) -> None:
    address = browser.back_from(link, "slack")
    assert browser.get(address).status_code == 200
    browser.world.forget_requests()

    again = browser.get(address)

    assert again.status_code == 400
    assert refusals() == ["reused_state"]
    assert browser.world.token_calls() == []


def test_a_refused_answer_cannot_be_repaired_and_used(browser: Browser, link: str) -> None:
    address = browser.back_from(link, "slack")
    browser.get(changed(address, code=None))

    assert browser.get(address).status_code == 400
    assert refusals() == ["missing_code", "reused_state"]
    assert browser.world.token_calls() == []


def test_a_code_of_one_attempt_does_not_fit_the_state_of_another(
    browser: Browser, link: str
) -> None:
    """The code is bound to the verifier of its own attempt (PKCE), so the provider refuses it."""
    first, second = browser.back_from(link, "slack"), browser.back_from(link, "slack")
    code = parse_qs(urlsplit(first).query)["code"][0]

    response = browser.get(changed(second, code=code))

    assert response.status_code == 400
    assert refusals() == ["code_refused"]
    assert not Connection.objects.exists()


def test_a_realm_that_the_token_does_not_open_is_refused(browser: Browser, link: str) -> None:
    address = browser.back_from(link, "quickbooks")

    response = browser.get(changed(address, realmId="9130350000000202"))

    assert response.status_code == 400
    assert not Connection.objects.exists()


@pytest.mark.parametrize("realm", ["../../admin", "1/2", "%2e%2e", "1?x=1", "https://evil.example"])
def test_a_realm_that_could_lead_elsewhere_reaches_no_address(
    realm: str, browser: Browser, link: str
) -> None:
    address = browser.back_from(link, "quickbooks")
    browser.world.forget_requests()

    response = browser.get(changed(address, realmId=realm))

    asked = [one["path"] for one in browser.world.requests()]
    assert response.status_code == 400
    assert all(path.startswith("/quickbooks/oauth/") for path in asked)
    assert not Connection.objects.exists()


def test_saying_no_at_the_provider_is_a_calm_page(browser: Browser, link: str) -> None:
    response = browser.connect(link, "slack", decision="deny")

    assert response.status_code == 400
    assert sentence_of(response) == ("You did not allow access to Slack, so nothing was connected.")
    assert refusals() == ["access_denied"]
    assert browser.world.token_calls() == []


def test_a_link_is_the_first_clickers_alone(browser: Browser, world: World, link: str) -> None:
    other = Browser(world)
    page = other.get(f"/connect/{link}/").content.decode()
    browser.click(link, "slack")

    action, fields = first_form(page)

    assert other.get(f"/connect/{link}/").status_code == 400
    assert other.client.post(action, fields).status_code == 400
    assert refusals() == ["other_browser", "other_browser"]
    assert ConnectAttempt.objects.count() == 1


def test_a_link_is_too_old_after_half_an_hour(browser: Browser, link: str) -> None:
    let_pass(timedelta(minutes=31))

    response = browser.get(f"/connect/{link}/")

    assert response.status_code == 400
    assert refusals() == ["expired_link"]


@pytest.mark.parametrize("minutes", [-60, -10, 10, 60])
def test_a_link_opens_at_a_web_server_whose_clock_is_wrong(
    minutes: int, browser: Browser, link: str
) -> None:
    """F33: another one has made it, whose clock is right."""
    with time_machine.travel(timezone.now() + timedelta(minutes=minutes)):
        assert browser.get(f"/connect/{link}/").status_code == 200
        browser.connect(link, "slack")

    assert Connection.objects.get().provider == "slack"


@pytest.mark.parametrize("token", ["x", "x" * 43, "..", "%00"])
def test_an_invented_link_leads_nowhere(token: str, browser: Browser, link: str) -> None:
    response = browser.get(f"/connect/{token}/")

    assert response.status_code in (400, 404)


def test_a_link_for_one_provider_connects_no_other(
    apps: World, browser: Browser, acme: Tenant, operator: Actor
) -> None:
    _, token = create_connect_session(tenant=acme, actor=operator, providers=["slack"])
    page = browser.get(f"/connect/{token}/").content.decode()
    _, fields = first_form(page)

    response = browser.client.post(f"/connect/{token}/quickbooks/", fields)

    assert response.status_code == 400
    assert refusals() == ["provider_not_allowed"]
    assert not ConnectAttempt.objects.exists()


def test_a_click_from_another_site_begins_nothing(browser: Browser, link: str) -> None:
    response = browser.client.post(f"/connect/{link}/slack/")

    assert response.status_code == 403
    assert not ConnectAttempt.objects.exists()


def test_a_click_by_get_begins_nothing(browser: Browser, link: str) -> None:
    response = browser.get(f"/connect/{link}/slack/")

    assert response.status_code == 303
    assert not ConnectAttempt.objects.exists()


def test_nothing_that_opens_the_flow_is_stored_in_the_clear(browser: Browser, link: str) -> None:
    address = browser.back_from(link, "slack")
    state = parse_qs(urlsplit(address).query)["state"][0]
    cookie = browser.client.cookies["hub_connect"].value

    attempt = ConnectAttempt.objects.values().get()
    session = ConnectSession.objects.values().get()

    stored = repr(attempt) + repr(session)
    assert all(secret not in stored for secret in (state, cookie, link))
    assert all(s.encode() not in bytes(attempt["pkce_verifier"]) for s in (state, cookie))


def test_every_refusal_names_its_tenant_for_the_audit(
    browser: Browser, link: str, acme: Tenant
) -> None:
    address = browser.back_from(link, "slack")
    browser.get(address.replace("/slack/", "/quickbooks/"))

    event = AuditEvent.objects.get(action=AuditAction.CONNECT_REFUSED)

    assert event.tenant_id == acme.pk
    assert event.outcome == "refused"


class TestAProviderThatAnswersByPost:
    """As Copper does: the post comes from the provider's site, so no cookie comes with it."""

    def test_is_sent_on_by_get_without_the_code_in_the_address(
        self, browser: Browser, world: World, link: str
    ) -> None:
        query = parse_qs(urlsplit(browser.back_from(link, "slack")).query)
        values = {name: found[0] for name, found in query.items()}

        posted = Browser(world).client.post("/oauth/slack/callback/", values)

        assert posted.status_code == 303
        assert posted["Location"] == f"/oauth/slack/callback/?state={values['state']}"
        assert browser.get(posted["Location"]).status_code == 200
        assert Connection.objects.get().provider == "slack"

    def test_is_refused_in_another_browser_all_the_same(
        self, browser: Browser, world: World, link: str
    ) -> None:
        query = parse_qs(urlsplit(browser.back_from(link, "slack")).query)
        posted = browser.client.post(
            "/oauth/slack/callback/", {name: found[0] for name, found in query.items()}
        )

        response = Browser(world).get(posted["Location"])

        assert response.status_code == 400
        assert world.token_calls() == []

    def test_cannot_replace_an_answer_that_is_there(self, browser: Browser, link: str) -> None:
        query = parse_qs(urlsplit(browser.back_from(link, "slack")).query)
        values = {name: found[0] for name, found in query.items()}
        browser.client.post("/oauth/slack/callback/", values)

        again = browser.client.post("/oauth/slack/callback/", {**values, "code": "evil"})

        assert again.status_code == 400
        assert refusals() == ["reused_state"]

    @pytest.mark.parametrize("state", ["", "x" * 43])
    def test_is_refused_without_a_state_of_ours(
        self, state: str, browser: Browser, link: str
    ) -> None:
        response = browser.client.post("/oauth/slack/callback/", {"state": state, "code": "c"})

        assert response.status_code == 400
        assert browser.world.token_calls() == []


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"status": 500}, "try again in a few minutes"),
        ({"status": 503}, "try again in a few minutes"),
        ({"html": True}, "try again in a few minutes"),
        ({"reset": "before"}, "try again in a few minutes"),
        ({"status": 401, "body": '{"error": "invalid_client"}'}, "not set up correctly"),
        ({"status": 400, "body": '{"error": "invalid_grant"}'}, "start again"),
    ],
    ids=["500", "503", "web page", "reset", "app refused", "code refused"],
)
def test_a_token_endpoint_that_fails_leaves_nothing_but_a_sentence(
    fault: dict[str, object], sentence: str, browser: Browser, link: str
) -> None:
    address = browser.back_from(link, "quickbooks")
    browser.world.control("fault", slug="quickbooks", path="tokens/bearer", **fault)

    response = browser.get(address)

    assert response.status_code == 400
    assert sentence in sentence_of(response)
    assert len(browser.world.token_calls()) == 1
    assert not Connection.objects.exists()
