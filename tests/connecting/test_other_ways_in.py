"""What is asked before consent, what is chosen after it, and ways in without anybody's consent."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.http import HttpResponse
from django.utils import timezone

from hub.connect.models import ConnectAttempt
from hub.connect.provider_apps import set_provider_app
from integrations.auth import oauth_of
from integrations.auth.known import completed
from integrations.errors import FatalError, InvalidInputError, ReauthorizationRequiredError
from integrations.models import Connection
from integrations.services.connect_links import create_connect_session
from integrations.services.connections import connect_with_key
from integrations.sync.credentials import access_for
from integrations.types import OAuth2
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting.conftest import Browser, World, let_pass, refusals, sentence_of
from tests.connecting.outside import (
    ISSUER,
    Outside,
    OutsideServer,
    ShopsConnector,
    consented,
)

pytestmark = pytest.mark.django_db

CLIENT = {"client_id": "us", "client_secret": "right"}


@pytest.fixture(scope="module")
def serving() -> Iterator[Outside]:
    with OutsideServer() as outside:
        yield outside


@pytest.fixture
def outside(serving: Outside, world: World, settings: Any, db: None) -> Outside:
    """The outside providers as at their start, with an app of ours at each."""
    serving.__dict__.update(Outside(url=serving.url).__dict__)
    settings.HUB_PROVIDER_ADDRESSES = {**world.sandbox.addresses(), **serving.addresses()}
    for slug in ("shops", "projects"):
        set_provider_app(
            provider=slug, client_id="app", client_secret="s", actor=Actor.system("tests")
        )
    return serving


@pytest.fixture
def link(outside: Outside, acme: Tenant, operator: Actor) -> str:
    _, token = create_connect_session(tenant=acme, actor=operator, end_user="Ada of Acme")
    return token


def enter_shop(browser: Browser, link: str, shop: str = "ada") -> HttpResponse:
    return browser.submit(f"/connect/{link}/shops/", shop=shop)


def come_back(browser: Browser, link: str, **changed: str) -> HttpResponse:
    target = enter_shop(browser, link)["Location"]
    return browser.get(consented(target, **{"iss": ISSUER, **changed}))


class TestFieldsAskedBeforeConsent:
    def test_lead_to_the_consent_page_they_name(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        response = enter_shop(browser, link)

        assert response.status_code == 303
        assert response["Location"].startswith(f"{outside.url}/shop/authorize?")

    def test_stay_with_the_connection(self, browser: Browser, link: str, outside: Outside) -> None:
        assert come_back(browser, link).status_code == 200

        connection = Connection.objects.get()
        assert connection.extra == {"shop": "ada"}
        assert [path for _, path, _ in outside.asked] == ["/shop/token", "/shop/api/me"]

    @pytest.mark.parametrize(
        "shop", ["", "A", "evil.example/", "ada.evil", "ada@evil", "../x", "ada#", "1", "ada\nx"]
    )
    def test_that_look_odd_begin_nothing(self, shop: str, browser: Browser, link: str) -> None:
        response = enter_shop(browser, link, shop)

        assert response.status_code == 400
        assert 'class="problem"' in response.content.decode()
        assert not ConnectAttempt.objects.exists()

    def test_are_not_in_the_address_that_comes_back(self, browser: Browser, link: str) -> None:
        """Whoever changes the callback cannot lead the code to another shop's server."""
        target = enter_shop(browser, link)["Location"]

        browser.get(consented(target, iss=ISSUER, shop="evil"))

        assert Connection.objects.get().extra == {"shop": "ada"}


class TestTheIssuerOfAnAnswer:
    @pytest.mark.parametrize("issuer", ["", "https://evil.example", f"{ISSUER}/", ISSUER.upper()])
    def test_must_be_the_declared_one(
        self, issuer: str, browser: Browser, link: str, outside: Outside
    ) -> None:
        response = come_back(browser, link, iss=issuer)

        assert response.status_code == 400
        assert refusals() == ["other_issuer"]
        assert outside.token_calls() == []

    def test_is_not_asked_of_a_refusal_without_a_code(self, browser: Browser, link: str) -> None:
        come_back(browser, link, iss="", code="", error="access_denied")

        assert refusals() == ["access_denied"]


class TestExactScopes:
    def test_more_than_was_asked_for_is_refused_where_declared(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        outside.scope = "items:read orders:read admin"

        response = come_back(browser, link)

        assert response.status_code == 400
        assert refusals() == ["scopes_exceeded"]
        assert not Connection.objects.exists()

    def test_a_scope_by_the_providers_own_name_is_the_one_we_know(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        outside.scope = "read_items orders:read"

        come_back(browser, link)

        connection = Connection.objects.get()
        assert connection.granted_scopes == ["items:read", "orders:read"]
        assert connection.status == "active"

    def test_what_is_missing_is_named(self, browser: Browser, link: str, outside: Outside) -> None:
        outside.scope = "read_items"

        come_back(browser, link)

        connection = Connection.objects.get()
        assert (connection.status, connection.error) == ("limited", "Not granted: orders:read")

    def test_more_is_stored_and_shown_elsewhere(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        outside.scope, outside.accounts = "read write", outside.accounts[:1]

        response = browser.get(consented(browser.click(link, "projects")))

        assert Connection.objects.get().granted_scopes == ["read", "write"]
        assert "More was allowed than is needed: write" in response.content.decode()


class TestAnAccountChosenAfterConsent:
    def begin(self, browser: Browser, link: str) -> str:
        """Consent; return the address of the page with the accounts."""
        response = browser.get(consented(browser.click(link, "projects")))
        assert response.status_code == 303, sentence_of(response)
        return str(response["Location"])

    def choose(self, browser: Browser, address: str, account: str) -> HttpResponse:
        page = browser.get(address).content.decode()
        token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        sent = {"csrfmiddlewaretoken": token, "account": account}
        return browser.client.post(address, sent)  # type: ignore[return-value]

    def test_is_one_of_those_that_fit(self, browser: Browser, link: str) -> None:
        page = browser.get(self.begin(browser, link)).content.decode()

        assert "Nordlicht" in page and "Südwind" in page
        assert "An older product" not in page
        assert not Connection.objects.exists()

    def test_becomes_the_connections_own(self, browser: Browser, link: str) -> None:
        address = self.begin(browser, link)

        response = self.choose(browser, address, "8")

        connection = Connection.objects.get()
        assert response.status_code == 200, sentence_of(response)
        assert (connection.account_id, connection.account_label) == ("8", "Südwind")
        assert connection.extra == {"href": "https://three.projects.example/8"}

    @pytest.mark.django_db(transaction=True)
    def test_waits_sealed_where_no_transaction_is_open(self, browser: Browser, link: str) -> None:
        response = self.choose(browser, self.begin(browser, link), "7")

        assert response.status_code == 200, sentence_of(response)
        assert Connection.objects.get().account_id == "7"

    def test_is_chosen_once(self, browser: Browser, link: str) -> None:
        address = self.begin(browser, link)
        self.choose(browser, address, "8")

        assert browser.get(address).status_code == 400
        assert refusals() == ["reused_choice"]

    @pytest.mark.parametrize("invented", ["", "9", "me-1"])
    def test_is_none_that_was_not_offered_and_may_be_chosen_again(
        self, invented: str, browser: Browser, link: str
    ) -> None:
        address = self.begin(browser, link)

        assert self.choose(browser, address, invented).status_code == 400
        assert self.choose(browser, address, "7").status_code == 200

    def test_is_chosen_in_the_browser_that_clicked(
        self, browser: Browser, world: World, link: str
    ) -> None:
        address = self.begin(browser, link)

        assert Browser(world).get(address).status_code == 400
        assert refusals() == ["other_browser"]

    def test_waits_ten_minutes(self, browser: Browser, link: str) -> None:
        address = self.begin(browser, link)

        let_pass(timedelta(minutes=11))

        assert browser.get(address).status_code == 400
        assert refusals() == ["expired_choice"]

    def test_waits_with_its_tokens_sealed(self, browser: Browser, link: str) -> None:
        self.begin(browser, link)

        stored = ConnectAttempt.objects.values().get()
        assert "token-1" not in repr(stored)
        assert b"token-1" not in bytes(stored["choice"])

    def test_is_not_asked_for_where_there_is_one(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        outside.accounts = outside.accounts[:1]

        browser.get(consented(browser.click(link, "projects")))

        assert Connection.objects.get().account_id == "7"

    def test_is_refused_where_there_is_none(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        outside.accounts = []

        browser.get(consented(browser.click(link, "projects")))

        assert refusals() == ["no_account"]

    def test_is_the_old_one_when_reconnecting(
        self, browser: Browser, link: str, outside: Outside, acme: Tenant, operator: Actor
    ) -> None:
        self.choose(browser, self.begin(browser, link), "8")
        connection = Connection.objects.get()
        _, again = create_connect_session(tenant=acme, actor=operator, connection=connection)

        browser.get(consented(browser.click(again, "projects")))
        outside.accounts = outside.accounts[:1]
        refused = browser.get(consented(browser.click(again, "projects")))

        connection.refresh_from_db()
        assert connection.credential_generation == 2
        assert refused.status_code == 400
        assert refusals() == ["account_changed"]


class TestClientCredentials:
    def test_are_tried_before_they_are_kept(
        self, browser: Browser, link: str, outside: Outside
    ) -> None:
        wrong = browser.submit(
            f"/connect/{link}/ledger/key/", client_id="us", client_secret="wrong"
        )
        assert wrong.status_code == 400
        assert "does not accept these credentials" in wrong.content.decode()
        assert not Connection.objects.exists()

        right = browser.submit(f"/connect/{link}/ledger/key/", **CLIENT)

        assert right.status_code == 200
        assert outside.token_calls()[-1] == {
            "grant_type": "client_credentials",
            "scope": "read",
            "client_id": "us",
            "client_secret": "right",
        }

    def test_get_a_new_token_when_the_old_one_ends(
        self, outside: Outside, operator: Actor, inside_acme: None
    ) -> None:
        outside.lifetime = 600
        connection = connect_with_key(provider="ledger", secrets=CLIENT, actor=operator)
        first = access_for(connection, actor=operator, reason="test").access_token

        in_four_minutes = timezone.now() + timedelta(minutes=4)
        Connection.objects.filter(pk=connection.pk).update(access_expires_at=in_four_minutes)
        second = access_for(connection, actor=operator, reason="test")

        assert (first, second.access_token) == ("token-1", "token-2")
        assert connection.credential_generation == 2
        assert not {"client_id", "client_secret"} & set(second.values())

    def test_get_a_new_token_when_the_old_one_is_refused(
        self, outside: Outside, operator: Actor, inside_acme: None
    ) -> None:
        connection = connect_with_key(provider="ledger", secrets=CLIENT, actor=operator)

        access = access_for(connection, actor=operator, reason="test", refused=1)

        assert access.access_token == "token-2"

    def test_that_are_refused_later_ask_for_a_person(
        self, outside: Outside, operator: Actor, inside_acme: None
    ) -> None:
        connection = connect_with_key(provider="ledger", secrets=CLIENT, actor=operator)
        outside.client_secret = "changed"

        with pytest.raises(ReauthorizationRequiredError):
            access_for(connection, actor=operator, reason="test", refused=1)

        connection.refresh_from_db()
        assert connection.status == "needs_reauth"

    def test_that_are_not_complete_ask_for_no_token(
        self, outside: Outside, operator: Actor, inside_acme: None
    ) -> None:
        with pytest.raises(InvalidInputError) as refused:
            connect_with_key(provider="ledger", secrets={"client_id": "us"}, actor=operator)

        assert set(refused.value.errors) == {"client_secret"}
        assert outside.token_calls() == []


class TestCopperByItsButton:
    """Copper answers by POST from its own site, which no cookie of ours comes with."""

    def test_connects_without_a_refresh_token(
        self, browser: Browser, world: World, acme: Tenant, operator: Actor
    ) -> None:
        found = world.credentials("copper")[0]
        set_provider_app(
            provider="copper",
            client_id=found["client_id"],
            client_secret=found["client_secret"],
            actor=Actor.system("tests"),
        )
        _, token = create_connect_session(tenant=acme, actor=operator)
        target = browser.click(token, "copper")

        posted = Browser(world).client.post(*world.posted_back(target))
        response = browser.get(posted["Location"])

        connection = Connection.objects.get()
        assert posted.status_code == 303
        assert "code=" not in posted["Location"]
        assert response.status_code == 200
        assert (connection.auth_kind, connection.access_expires_at) == ("oauth2", None)
        assert parse_qs(urlsplit(target).query)["scope"] == ["developer/v1/all"]


class TestABackendKnownByName:
    def test_lends_its_addresses(self) -> None:
        found = completed(OAuth2(backend="salesforce-oauth2", scopes=("api",)))

        assert found.authorize_url == "https://login.salesforce.com/services/oauth2/authorize"
        assert found.token_url == "https://login.salesforce.com/services/oauth2/token"
        assert found.revoke_url == "https://login.salesforce.com/services/oauth2/revoke"
        assert found.scopes == ("api",)

    def test_gives_way_to_what_is_declared(self) -> None:
        declared = OAuth2(backend="google-oauth2", token_url="https://oauth2.googleapis.com/token")

        assert completed(declared).token_url == "https://oauth2.googleapis.com/token"
        assert completed(declared).authorize_url.startswith("https://accounts.google.com/")

    @pytest.mark.parametrize("name", ["nosuch", "", "google-nosuch", "os", "steam"])
    def test_must_exist_and_speak_oauth_2(self, name: str) -> None:
        declared = OAuth2(backend=name or "-")

        with pytest.raises(FatalError, match="backend"):
            completed(declared)

    def test_is_not_needed(self) -> None:
        assert oauth_of(ShopsConnector.provider).token_url.endswith("shops.example/token")
