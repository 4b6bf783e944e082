"""The whole way in a real browser: link, click, consent, back; on a desk and on a phone."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from integrations.models import Connection
from integrations.services.connect_links import connect_url, create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting.conftest import World, refusals

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


Steps = Callable[[Page], Any]


def visit(steps: Steps) -> Any:
    """Do `steps` in a fresh browser of a phone's size.

    In a thread of their own: Playwright runs an event loop, beside which Django does not query.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_visit, steps).result()


def _visit(steps: Steps) -> Any:
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 640})
        page.set_default_timeout(10_000)
        found = steps(page)
        browser.close()
        return found


@pytest.fixture
def address(live_server: Any, settings: Any, apps: World, acme: Tenant, operator: Actor) -> str:
    """The connect page of a new link."""
    settings.HUB_PUBLIC_URL = live_server.url
    _, token = create_connect_session(tenant=acme, actor=operator)
    return connect_url(token)


@pytest.mark.parametrize("provider", ["QuickBooks", "Slack"])
def test_a_click_and_a_consent_connect(provider: str, address: str) -> None:
    def steps(page: Page) -> str:
        page.goto(address)
        page.get_by_role("button", name=f"Connect {provider}").click()
        page.get_by_role("button", name="Allow").click()
        page.get_by_role("heading", name="Connected").wait_for()
        return page.inner_text("main")

    shown = visit(steps)

    connection = Connection.objects.get()
    assert connection.provider == provider.lower()
    assert connection.name in shown


def test_saying_no_ends_in_one_sentence(address: str) -> None:
    def steps(page: Page) -> str:
        page.goto(address)
        page.get_by_role("button", name="Connect Slack").click()
        page.get_by_role("button", name="Deny").click()
        page.get_by_role("heading", name="Not connected").wait_for()
        return page.inner_text("main")

    assert "You did not allow access to Slack" in visit(steps)
    assert refusals() == ["access_denied"]


def test_a_key_is_tried_and_then_accepted(address: str, world: World) -> None:
    key = world.key()

    def steps(page: Page) -> None:
        page.goto(address)
        page.get_by_role("link", name="Connect Copper with a key").click()
        page.get_by_label("API key").fill("0" * 32)
        page.get_by_label("E-mail of the key's owner").fill(key["user_email"])
        page.get_by_role("button", name="Connect").click()
        page.get_by_text("does not accept these credentials").wait_for()
        page.get_by_label("API key").fill(key["key"])
        page.get_by_role("button", name="Connect").click()
        page.get_by_role("heading", name="Connected").wait_for()

    visit(steps)

    assert Connection.objects.get().provider == "copper"


def test_no_page_is_wider_than_its_screen(address: str) -> None:
    def steps(page: Page) -> dict[str, int]:
        too_wide = {}
        for width in (320, 360, 1280):
            page.set_viewport_size({"width": width, "height": 640})
            for path in ("", "copper/", "nosuch/"):
                page.goto(address + path)
                needed = page.evaluate("document.documentElement.scrollWidth")
                if needed > width:
                    too_wide[f"{path} at {width}"] = needed
        return too_wide

    assert visit(steps) == {}
