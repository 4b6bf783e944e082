"""Where people are sent at the end: to addresses an admin allowed, and to nothing else (T16)."""

from urllib.parse import parse_qs, urlsplit

import pytest

from hub.audit.models import AuditAction, AuditEvent
from hub.connect.addresses import (
    check_return_url,
    return_addresses,
    set_embedding_origins,
    set_return_addresses,
    with_outcome,
)
from hub.connect.models import AllowedAddress, ConnectSession
from integrations.errors import InvalidInputError, PermissionRefusedError
from integrations.models import Connection
from integrations.services.connect_links import create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tenants.roles import Role
from tests.connecting.conftest import Browser, World, sentence_of
from tests.connecting.elsewhere import ATTACKS

pytestmark = pytest.mark.django_db

ALLOWED = "https://app.example.com/hub"
RETURN_URL = "https://app.example.com/hub/connections?tab=all"


@pytest.fixture
def admin() -> Actor:
    return Actor(kind="user", id="1", label="admin@example.com", role=Role.ADMIN)


@pytest.fixture
def allowed(acme: Tenant, admin: Actor) -> Tenant:
    set_return_addresses(tenant=acme, addresses=[ALLOWED], actor=admin)
    return acme


@pytest.fixture
def returning(apps: World, allowed: Tenant, operator: Actor) -> str:
    """The token of a link that leads back."""
    _, token = create_connect_session(
        tenant=allowed, actor=operator, return_url=RETURN_URL, state="order 66&x"
    )
    return token


def test_the_list_of_attacks_is_long_and_has_no_doubles() -> None:
    assert len(ATTACKS) == len(set(ATTACKS)) >= 80


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_link_is_made_that_leads_somewhere_else(
    attack: str, allowed: Tenant, operator: Actor
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        create_connect_session(tenant=allowed, actor=operator, return_url=attack)

    assert set(refused.value.errors) == {"return_url"}
    assert not ConnectSession.objects.exists()


@pytest.mark.parametrize("attack", ATTACKS)
def test_nobody_is_sent_somewhere_else_even_by_a_link_that_says_so(
    attack: str, browser: Browser, returning: str
) -> None:
    """Whatever may have put the address into the row: it is checked again before it is used."""
    ConnectSession.objects.update(return_url=attack.replace("\x00", "\x01"))

    page = browser.get(f"/connect/{returning}/")
    asked = parse_qs(urlsplit(browser.click(returning, "slack")).query)
    response = browser.get(f"/oauth/slack/callback/?error=access_denied&state={asked['state'][0]}")

    assert (page.status_code, response.status_code) == (200, 400)
    assert "Location" not in response
    assert "without connecting" not in page.content.decode()
    assert 'id="back"' not in response.content.decode()


@pytest.mark.parametrize("attack", ATTACKS[::12])
def test_nobody_is_sent_somewhere_else_after_connecting(
    attack: str, browser: Browser, returning: str
) -> None:
    ConnectSession.objects.update(return_url=attack.replace("\x00", "\x01"))

    response = browser.connect(returning, "slack")

    assert response.status_code == 200
    assert "Location" not in response
    assert 'id="back"' not in response.content.decode()


def test_an_address_of_more_than_two_thousand_characters_is_refused(allowed: Tenant) -> None:
    with pytest.raises(InvalidInputError):
        check_return_url(tenant=allowed, url=f"{ALLOWED}/{'x' * 2000}")


@pytest.mark.parametrize(
    "address",
    [
        "https://app.example.com/hub",
        "https://app.example.com/hub/",
        "https://app.example.com/hub/a/b.html",
        "https://app.example.com/hub?tab=all&name=J%C3%BCrgen%20A",
        "https://app.example.com/hub/a:b+c=d~e",
    ],
)
def test_what_lies_below_an_allowed_address_is_allowed(address: str, allowed: Tenant) -> None:
    check_return_url(tenant=allowed, url=address)


def test_an_address_is_allowed_to_its_own_tenant_alone(
    allowed: Tenant, globex: Tenant, operator: Actor
) -> None:
    with pytest.raises(InvalidInputError):
        create_connect_session(tenant=globex, actor=operator, return_url=ALLOWED)


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "*",
        "https://*.example.com",
        "https://app.example.com/*",
        "http://app.example.com",
        "https://app.example.com?x=1",
        "https://app.example.com/#x",
        "https://user@app.example.com",
        "https://localhost.",
        "https://10.0.0.1",
        "https://[2001:db8::1]",
        "https://intranet",
        "https://app.example.com:443",
        "https://app.example.com/a/../b",
        "https://" + "a" * 500 + ".example.com",
        "javascript:alert(1)",
    ],
)
def test_an_admin_cannot_allow_what_is_no_plain_address(
    entry: str, acme: Tenant, admin: Actor
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        set_return_addresses(tenant=acme, addresses=[ALLOWED, entry], actor=admin)

    assert len(refused.value.errors["addresses"]) == 1
    assert return_addresses(acme) == []


@pytest.mark.parametrize("is_production", [True, False])
def test_this_machine_is_allowed_on_a_laptop_only(
    is_production: bool, acme: Tenant, admin: Actor, settings: object
) -> None:
    settings.HUB_IS_PRODUCTION = is_production  # type: ignore[attr-defined]
    entries = ["http://localhost:3000", "http://127.0.0.1:3000/app"]

    if is_production:
        with pytest.raises(InvalidInputError):
            set_return_addresses(tenant=acme, addresses=entries, actor=admin)
    else:
        assert set_return_addresses(tenant=acme, addresses=entries, actor=admin) == sorted(entries)


def test_a_page_that_embeds_is_named_by_its_origin(acme: Tenant, admin: Actor) -> None:
    set_embedding_origins(tenant=acme, origins=["https://app.example.com"], actor=admin)

    with pytest.raises(InvalidInputError):
        set_embedding_origins(tenant=acme, origins=[ALLOWED], actor=admin)


def test_a_change_of_the_list_is_audited_with_what_it_was(allowed: Tenant, admin: Actor) -> None:
    set_return_addresses(tenant=allowed, addresses=[ALLOWED], actor=admin)
    set_return_addresses(tenant=allowed, addresses=[], actor=admin)

    events = AuditEvent.objects.filter(action=AuditAction.CONNECT_ADDRESSES_CHANGED).order_by("at")
    assert [(one.detail["old"], one.detail["new"]) for one in events] == [
        ([], [ALLOWED]),
        ([ALLOWED], []),
    ]


@pytest.mark.parametrize("service", [set_return_addresses, set_embedding_origins])
def test_an_operator_does_not_change_the_list(
    service: object, acme: Tenant, operator: Actor
) -> None:
    names = {set_return_addresses: "addresses", set_embedding_origins: "origins"}
    with pytest.raises(PermissionRefusedError):
        service(tenant=acme, actor=operator, **{names[service]: []})  # type: ignore[operator,index]

    assert not AllowedAddress.objects.exists()


class TestTheOutcome:
    def test_of_a_connection_is_told_to_the_return_address(
        self, browser: Browser, returning: str
    ) -> None:
        response = browser.connect(returning, "slack")

        connection = Connection.objects.get()
        assert response.status_code == 303
        assert response["Location"] == (
            f"{RETURN_URL}&status=connected&provider=slack&connection={connection.pk}"
            "&state=order+66%26x"
        )

    def test_of_a_key_is_told_too(self, browser: Browser, returning: str) -> None:
        response = browser.submit(f"/connect/{returning}/copper/key/", **browser.world.key())

        assert response.status_code == 303
        assert "status=connected&provider=copper" in response["Location"]

    def test_of_a_no_is_told_without_a_stop(self, browser: Browser, returning: str) -> None:
        response = browser.connect(returning, "quickbooks", decision="deny")

        assert response.status_code == 303
        assert response["Location"] == (
            f"{RETURN_URL}&status=cancelled&provider=quickbooks&state=order+66%26x"
        )

    def test_of_a_refusal_is_read_first_and_told_by_the_way_back(
        self, browser: Browser, returning: str
    ) -> None:
        address = browser.back_from(returning, "quickbooks")
        browser.world.control(
            "fault", slug="quickbooks", path="tokens/bearer", status=400, body='{"error": "x_y"}'
        )

        response = browser.get(address)

        page = response.content.decode()
        assert response.status_code == 400
        assert "QuickBooks did not confirm this" in sentence_of(response)
        assert "status=refused&amp;provider=quickbooks&amp;state=order+66%26x" in page

    def test_is_not_told_to_an_address_taken_from_the_list_meanwhile(
        self, browser: Browser, returning: str, acme: Tenant, admin: Actor
    ) -> None:
        set_return_addresses(tenant=acme, addresses=[], actor=admin)

        response = browser.connect(returning, "slack")

        assert response.status_code == 200
        assert "app.example.com" not in response.content.decode()

    def test_goes_with_a_state_of_plain_text_only(self, acme: Tenant, operator: Actor) -> None:
        for state in ("x" * 501, "a\r\nb", "é", "a\x00"):
            with pytest.raises(InvalidInputError):
                create_connect_session(tenant=acme, actor=operator, state=state)

    def test_is_not_told_to_whoever_brings_a_forged_answer(
        self, browser: Browser, world: World, returning: str
    ) -> None:
        address = browser.back_from(returning, "slack")

        response = Browser(world).get(address)

        assert response.status_code == 400
        assert "app.example.com" not in response.content.decode()

    @pytest.mark.parametrize("url", [ALLOWED, f"{ALLOWED}?a=1"])
    def test_is_appended_to_what_is_there(self, url: str) -> None:
        told = with_outcome(url, {"status": "connected", "connection": ""})

        assert told in (f"{ALLOWED}?status=connected", f"{ALLOWED}?a=1&status=connected")


def test_the_page_leads_back_without_connecting(browser: Browser, returning: str) -> None:
    page = browser.get(f"/connect/{returning}/").content.decode()

    assert f"{RETURN_URL}&status=cancelled".replace("&", "&amp;") in page
