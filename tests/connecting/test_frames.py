"""Who may frame the connect pages, what leaves the frame, and who hears of the outcome."""

import re
from datetime import timedelta

import pytest

from hub.connect.addresses import set_embedding_origins, set_return_addresses
from hub.connect.models import ConnectAttempt
from integrations.errors import InvalidInputError
from integrations.services.connect_links import create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting import outside  # noqa: F401 — registers a provider without a mark
from tests.connecting.conftest import Browser, World, let_pass

pytestmark = pytest.mark.django_db

ORIGINS = ["https://app.example.com", "https://shop.example.com:8443"]
ADMIN = Actor.system("tests")
IN_A_FRAME = {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}
FROM_OUR_PAGE = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def embedding(acme: Tenant) -> Tenant:
    set_embedding_origins(tenant=acme, origins=ORIGINS, actor=ADMIN)
    return acme


def pages(browser: Browser, link: str) -> dict[str, str]:
    """One address of every kind of page a visitor can come to."""
    return {
        "the page": f"/connect/{link}/",
        "a form": f"/connect/{link}/copper/key/",
        "a refusal": f"/connect/{link}/nosuch/",
        "the end": browser.back_from(link, "slack"),
    }


@pytest.mark.parametrize("kind", ["the page", "a form", "a refusal", "the end"])
def test_only_our_own_pages_frame_a_connect_page(kind: str, browser: Browser, link: str) -> None:
    response = browser.get(pages(browser, link)[kind])

    policy = response["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'; ")
    assert policy.endswith("; frame-ancestors 'self'")
    assert response["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.parametrize("kind", ["the page", "a form", "a refusal", "the end"])
def test_pages_the_tenant_named_may_frame_them_too(
    kind: str, browser: Browser, link: str, embedding: Tenant
) -> None:
    response = browser.get(pages(browser, link)[kind])

    policy = response["Content-Security-Policy"]
    assert policy.endswith(f"; frame-ancestors 'self' {' '.join(ORIGINS)}")
    assert "X-Frame-Options" not in response


def test_pages_of_one_tenant_do_not_frame_anothers(
    apps: World, browser: Browser, embedding: Tenant, globex: Tenant, operator: Actor
) -> None:
    _, token = create_connect_session(tenant=globex, actor=operator)

    response = browser.get(f"/connect/{token}/")

    assert response["Content-Security-Policy"].endswith("frame-ancestors 'self'")
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_a_link_nobody_knows_is_framed_by_nobody_else(browser: Browser, embedding: Tenant) -> None:
    response = browser.get(f"/connect/{'x' * 43}/")

    assert response["Content-Security-Policy"].endswith("frame-ancestors 'self'")


def test_a_page_keeps_the_window_that_opened_it(browser: Browser, link: str) -> None:
    response = browser.get(f"/connect/{link}/")

    assert response["Cross-Origin-Opener-Policy"] == "unsafe-none"


def test_in_a_frame_every_way_in_opens_a_window_of_its_own(browser: Browser, link: str) -> None:
    page = browser.client.get(f"/connect/{link}/", headers=IN_A_FRAME).content.decode()

    leaving = re.findall(r"<(?:a|form)[^>]*data-leaves[^>]*>", page)
    assert len(leaving) >= 3  # two buttons and a key
    assert all('target="_blank" rel="opener"' in tag for tag in leaving)
    assert page.count('name="display" value="popup"') == 2


def test_outside_of_a_frame_nothing_opens_a_window(browser: Browser, link: str) -> None:
    assert "_blank" not in browser.get(f"/connect/{link}/").content.decode()


def test_a_click_that_would_stay_in_the_frame_begins_nothing(browser: Browser, link: str) -> None:
    headers = {**FROM_OUR_PAGE, "Sec-Fetch-Dest": "iframe"}

    response = browser.client.post(f"/connect/{link}/slack/", headers=headers)

    assert response["Location"] == f"/connect/{link}/"
    assert not ConnectAttempt.objects.exists()


def test_a_click_in_a_frame_needs_no_cookie_as_the_browser_vouches_for_it(
    browser: Browser, link: str
) -> None:
    response = browser.client.post(f"/connect/{link}/slack/", headers=FROM_OUR_PAGE)

    assert response.status_code == 303
    assert ConnectAttempt.objects.count() == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", ""])
def test_a_click_from_elsewhere_needs_the_token_of_our_page(
    site: str, browser: Browser, link: str
) -> None:
    response = browser.client.post(
        f"/connect/{link}/slack/", headers={"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": site}
    )

    assert response.status_code == 403
    assert not ConnectAttempt.objects.exists()


class TestWhoHearsOfTheOutcome:
    def end(self, browser: Browser, token: str) -> str:
        """The last page of a visit in a window of its own."""
        answer = browser.client.post(
            f"/connect/{token}/slack/", {"display": "popup"}, headers=FROM_OUR_PAGE
        )
        response = browser.get(browser.world.consent(answer["Location"]))
        assert response.status_code == 200
        return response.content.decode()

    def test_is_the_origin_of_the_return_address(
        self, apps: World, browser: Browser, embedding: Tenant, operator: Actor
    ) -> None:
        url = "https://app.example.com/hub"
        set_return_addresses(tenant=embedding, addresses=[url], actor=ADMIN)
        _, token = create_connect_session(
            tenant=embedding, actor=operator, return_url=url, state="42"
        )

        page = self.end(browser, token)

        assert 'data-listeners="https://app.example.com"' in page
        assert 'data-status="connected"' in page
        assert 'data-state="42"' in page
        assert f'href="{url}?status=connected' in page

    def test_is_whoever_may_embed_if_there_is_no_return_address(
        self, browser: Browser, link: str, embedding: Tenant
    ) -> None:
        assert f'data-listeners="{" ".join(ORIGINS)}"' in self.end(browser, link)

    def test_is_nobody_if_the_tenant_named_nobody(self, browser: Browser, link: str) -> None:
        assert 'data-listeners=""' in self.end(browser, link)


class TestALinkSentByMail:
    def test_waits_a_day_for_its_click(
        self, apps: World, browser: Browser, acme: Tenant, operator: Actor
    ) -> None:
        _, token = create_connect_session(
            tenant=acme, actor=operator, end_user="Ada of Acme", is_mailed=True
        )

        let_pass(timedelta(hours=23))
        assert browser.get(f"/connect/{token}/").status_code == 200
        let_pass(timedelta(hours=2))
        assert browser.get(f"/connect/{token}/").status_code == 400

    def test_lives_half_an_hour_from_the_click_on(
        self, apps: World, browser: Browser, acme: Tenant, operator: Actor
    ) -> None:
        session, token = create_connect_session(
            tenant=acme, actor=operator, end_user="Ada of Acme", is_mailed=True
        )

        browser.click(token, "slack")
        browser.click(token, "slack")

        session.refresh_from_db()
        assert session.used_at is not None
        assert (session.expires_at - session.used_at).total_seconds() <= 30 * 60

    def test_names_its_reader(self, acme: Tenant, operator: Actor) -> None:
        with pytest.raises(InvalidInputError):
            create_connect_session(tenant=acme, actor=operator, is_mailed=True)


@pytest.mark.parametrize("slug", ["copper", "quickbooks", "slack"])
def test_a_provider_is_shown_with_its_mark(slug: str, browser: Browser, link: str) -> None:
    assert (
        f'src="/static/hub/marks/{slug}.svg"' in browser.get(f"/connect/{link}/").content.decode()
    )


def test_a_provider_without_a_mark_is_shown_with_its_letter(browser: Browser, link: str) -> None:
    page = browser.get(f"/connect/{link}/ledger/key/").content.decode()

    assert '<span class="mark" aria-hidden="true">L</span>' in page
