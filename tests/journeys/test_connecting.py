"""The whole way in a real browser: link, click, consent, back, connected, first sync."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page

from hub.connect.addresses import set_embedding_origins, set_return_addresses
from hub.connect.models import ConnectSession
from hub.fleet.models import Due
from integrations.connectors.base import Connector
from integrations.models import Connection, SyncRun
from integrations.services.connect_links import connect_url, create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting.conftest import World, refusals
from tests.journeys.conftest import (
    PHONE,
    Site,
    allow,
    allow_in,
    begin,
    browse,
    consent,
    entered_at,
    example,
    in_browser,
    meanwhile,
    press,
    shoot,
    visit,
    with_button,
)

pytestmark = in_browser

ADMIN = Actor.system("tests")
TWO = [pytest.param("QuickBooks", id="without PKCE"), pytest.param("Slack", id="with PKCE")]


@pytest.fixture
def address(hub: World, acme: Tenant, operator: Actor) -> str:
    """The connect page of a new link."""
    return new_link(acme, operator)


def new_link(tenant: Tenant, operator: Actor, **options: Any) -> str:
    _, token = create_connect_session(tenant=tenant, actor=operator, **options)
    return connect_url(token)


def returning(site: Site, acme: Tenant, operator: Actor) -> str:
    """A link that leads back to the tenant's own page, which may also frame it."""
    set_return_addresses(tenant=acme, addresses=[f"{site.origin}/done"], actor=ADMIN)
    set_embedding_origins(tenant=acme, origins=[site.origin], actor=ADMIN)
    return new_link(acme, operator, return_url=f"{site.origin}/done", state="order 66")


@pytest.mark.parametrize("connector", with_button(), ids=lambda one: one.provider.slug)
def test_a_click_and_a_consent_connect_and_the_first_sync_runs(
    connector: type[Connector], address: str, hub: World
) -> None:
    provider = connector.provider
    entered = entered_at(hub, provider.slug)

    def steps(page: Page) -> str:
        page.goto(address)
        shoot(page, f"{provider.slug}-1-page")
        begin(page, provider, entered)
        shoot(page, f"{provider.slug}-2-consent")
        consent(page)
        page.get_by_role("heading", name="Connected").wait_for()
        shoot(page, f"{provider.slug}-3-connected")
        return page.inner_text("main")

    shown = visit(steps)

    connection = Connection.objects.get()
    due = Due.objects.get(object_id=connection.pk)
    assert (connection.provider, connection.status) == (provider.slug, "active")
    assert connection.account_label in shown
    assert due.due_at is not None and due.due_at <= timezone.now()

    said = StringIO()
    call_command("sync", tenant="acme", connection=str(connection.pk), json=True, stdout=said)

    run = SyncRun.objects.get()
    assert run.state == "succeeded", said.getvalue()
    assert json.loads(said.getvalue().splitlines()[-1])
    assert run.totals["inserted"] > 0


@pytest.mark.parametrize("provider", TWO)
def test_saying_no_ends_in_one_sentence(provider: str, address: str) -> None:
    def steps(page: Page) -> str:
        page.goto(address)
        press(page.get_by_role("button", name=f"Connect {provider}", exact=True))
        press(page.get_by_role("button", name="Deny"))
        page.get_by_role("heading", name="Not connected").wait_for()
        shoot(page, f"{provider.lower()}-refused")
        return page.inner_text("main")

    assert f"You did not allow access to {provider}" in visit(steps)
    assert refusals() == ["access_denied"]
    assert not Connection.objects.exists()


@pytest.mark.parametrize("provider", TWO)
def test_a_link_that_is_too_old_says_so_at_the_click(provider: str, address: str) -> None:
    def steps(page: Page) -> str:
        page.goto(address)
        long_ago = timezone.now() - timedelta(hours=1)  # also by a clock that is a little behind
        meanwhile(lambda: ConnectSession.objects.update(expires_at=long_ago))
        press(page.get_by_role("button", name=f"Connect {provider}", exact=True))
        page.get_by_role("heading", name="Not connected").wait_for()
        shoot(page, f"{provider.lower()}-expired")
        return page.inner_text("main")

    assert "This link is too old" in visit(steps)
    assert refusals() == ["expired_link"]


@pytest.mark.parametrize("provider", TWO)
def test_another_account_does_not_take_the_place_of_the_one_to_be_reconnected(
    provider: str, address: str, acme: Tenant, operator: Actor
) -> None:
    def connect(page: Page) -> None:
        page.goto(address)
        allow(page, provider)
        page.get_by_role("heading", name="Connected").wait_for()

    visit(connect)
    connection = Connection.objects.get()
    before = bytes(connection.credentials or b"")
    again = new_link(acme, operator, connection=connection)

    def steps(page: Page) -> str:
        page.goto(again)
        assert connection.account_label in page.inner_text("h1")
        press(page.get_by_role("button", name=f"Connect {provider}", exact=True))
        page.get_by_role("radio").nth(1).check()
        consent(page)
        page.get_by_role("heading", name="Not connected").wait_for()
        shoot(page, f"{provider.lower()}-wrong-account")
        return page.inner_text("main")

    assert f"this connection reads {connection.account_label}" in visit(steps)
    connection.refresh_from_db()
    assert bytes(connection.credentials or b"") == before
    assert refusals() == ["account_changed"]


@pytest.mark.parametrize("provider", TWO)
def test_a_window_of_its_own_tells_the_page_that_opened_it_and_closes(
    provider: str, hub: World, site: Site, acme: Tenant, operator: Actor
) -> None:
    site.html = example(returning(site, acme, operator))

    def steps(context: BrowserContext) -> str:
        page = context.new_page()
        page.goto(site.origin)
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Connect an account").click()
        window = opened.value
        # Only once its script has run does the page say that it is a window of its own.
        window.locator("input[name=display][value=popup]").first.wait_for(state="attached")
        shoot(window, f"{provider.lower()}-popup")
        press(window.get_by_role("button", name=f"Connect {provider}", exact=True))
        allow_in(window)
        page.get_by_text(f"{provider.lower()}: connected").wait_for()
        return page.inner_text("#outcome")

    assert browse(steps) == f"{provider.lower()}: connected"
    assert Connection.objects.count() == 1
    assert all(not visited.startswith("/done") for visited in site.visits)


@pytest.mark.parametrize("provider", TWO)
def test_in_a_frame_of_another_site_the_consent_opens_a_window(
    provider: str, hub: World, site: Site, acme: Tenant, operator: Actor
) -> None:
    site.html = example(returning(site, acme, operator))

    def steps(context: BrowserContext) -> list[str]:
        page = context.new_page()
        page.goto(site.origin)
        frame = page.frame_locator("iframe")
        button = frame.get_by_role("button", name=f"Connect {provider}", exact=True)
        button.wait_for()
        shoot(page, f"{provider.lower()}-frame")
        with page.expect_popup() as opened:
            button.click()
        allow_in(opened.value)
        page.get_by_text(f"{provider.lower()}: connected").wait_for()
        return [one.url for one in page.frames]

    urls = browse(steps)

    assert Connection.objects.count() == 1
    assert all("/connect/" in url or url.startswith(site.origin) for url in urls)


def test_a_page_nobody_named_cannot_frame_it(address: str, site: Site) -> None:
    site.html = example(address)

    def steps(page: Page) -> int:
        page.goto(site.origin)
        page.wait_for_timeout(500)
        return page.frame_locator("iframe").get_by_role("button").count()

    assert visit(steps) == 0


def test_without_scripts_one_comes_back_to_the_tenants_own_page(
    hub: World, site: Site, acme: Tenant, operator: Actor
) -> None:
    link = returning(site, acme, operator)
    site.html = "<h1>Done</h1>"

    def steps(page: Page) -> str:
        page.goto(link)
        allow(page, "Slack")
        page.get_by_role("heading", name="Done").wait_for()
        return page.url

    url = visit(steps, java_script_enabled=False)

    connection = Connection.objects.get()
    assert url == (
        f"{site.origin}/done?status=connected&provider=slack&connection={connection.pk}"
        "&state=order+66"
    )


def test_on_a_phone_it_is_as_easy(address: str) -> None:
    def steps(page: Page) -> int:
        page.goto(address)
        shoot(page, "phone-1-page")
        widest = page.evaluate("document.documentElement.scrollWidth")
        heights = [one.bounding_box()["height"] for one in page.get_by_role("button").all()]  # type: ignore[index]
        assert min(heights) >= 44  # a thumb's width
        allow(page, "QuickBooks")
        page.get_by_role("heading", name="Connected").wait_for()
        shoot(page, "phone-2-connected")
        return int(widest)

    assert visit(steps, PHONE, has_touch=True, is_mobile=True) <= PHONE["width"]
    assert Connection.objects.count() == 1
