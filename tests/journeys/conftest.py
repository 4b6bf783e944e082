"""A real browser, the hub as a live server, the sandbox behind it, and a page of the tenant's own.

The browser is driven from a thread of its own: Playwright runs an event loop, beside which Django
does not query.
"""

import gc
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.db import connection as database
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Locator,
    Page,
    Playwright,
    sync_playwright,
)

from hub.connect.provider_apps import set_provider_app
from integrations.connectors.base import Connector
from integrations.connectors.registry import all_connectors
from integrations.services.connections import button_way
from integrations.types import Provider
from tenants.actor import Actor
from tests.connecting.conftest import World, running, world

__all__ = ["running", "world"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).resolve().parent.parent.parent
ARTEFACTS = ROOT / "artefacts"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE_MS = 120_000  # on a busy machine
AS_WIDE = """(width) => new Promise((seen) => {
  const look = () => (innerWidth === width ? seen() : requestAnimationFrame(look));
  look();
})"""

in_browser = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

T = TypeVar("T")


def visit(steps: Callable[[Page], T], viewport: dict[str, int] = DESK, **options: Any) -> T:
    """Do `steps` in a browser that knows nothing yet, and return what they return."""
    return browse(lambda context: steps(context.new_page()), viewport, **options)


def browse(
    steps: Callable[[BrowserContext], T], viewport: dict[str, int] = DESK, **options: Any
) -> T:
    """As `visit`, for steps that need several windows."""

    def run() -> T:
        context = CHROME.started().new_context(viewport=viewport, **options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        try:
            return steps(context)
        except Exception:
            for number, page in enumerate(context.pages):
                shoot(page, f"failed-{number}")
            raise
        finally:
            context.close()

    return CHROME.thread.submit(run).result()


class Chrome:
    """The browser of the session; each visit has a profile of its own in it, as after a new start.

    Used from its thread only.
    """

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self._player: Playwright | None = None
        self._browser: Browser | None = None

    def started(self) -> Browser:
        if self._player is None:
            self._player = sync_playwright().start()
        if self._browser is None or not self._browser.is_connected():
            self._browser = self._player.chromium.launch(
                executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE_MS
            )
        return self._browser

    def end(self) -> None:
        if self._browser is not None:
            self._browser.close()
        if self._player is not None:
            self._player.stop()


CHROME = Chrome()


def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page among the artefacts."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.screenshot(path=str(ARTEFACTS / f"connect-{name}.png"))


def press(what: Locator) -> None:
    """Click what leads to another page, and stand on that page, loaded.

    A click alone ends before the server has answered: what is looked at, measured or clicked next
    may still be the old page, and going elsewhere takes back what the click has sent.
    """
    with what.page.expect_navigation():
        what.click()


def resize(page: Page, screen: dict[str, int]) -> None:
    """Show the page on this screen, and come back when the page knows."""
    page.set_viewport_size(screen)  # type: ignore[arg-type]
    page.evaluate(AS_WIDE, screen["width"])


def with_button() -> list[type[Connector]]:
    """Every connector of the hub whose provider is connected by a button."""
    return [
        connector
        for connector in all_connectors()
        if connector.__module__.startswith("integrations.connectors.")
        and button_way(connector.provider)
    ]


def begin(page: Page, provider: Provider, entered: dict[str, str]) -> None:
    """From the connect page to the consent page, entering what the provider asks for before."""
    name = f"Connect {provider.label}"
    if provider.fields:
        press(page.get_by_role("link", name=name, exact=True))
        for one in provider.fields:
            page.get_by_label(one.label).fill(entered[one.name])
        name = "Connect"
    press(page.get_by_role("button", name=name, exact=True))
    page.get_by_role("button", name="Allow").wait_for()


def entered_at(world: World, slug: str) -> dict[str, str]:
    """What the sandbox says must be entered for the provider's first account."""
    said = world.credentials(slug)
    return dict((said if isinstance(said, list) else said["accounts"])[0])


def allow(page: Page, label: str) -> None:
    """From the connect page: click, allow, and come as far as the provider takes one."""
    press(page.get_by_role("button", name=f"Connect {label}", exact=True))
    consent(page)


def consent(page: Page) -> None:
    """At the provider: allow; one that answers by POST asks once more. Of accounts, the first."""
    press(page.get_by_role("button", name="Allow"))
    if page.get_by_role("heading", name="Almost done").is_visible():
        press(page.get_by_role("button", name="Continue"))
    if page.get_by_role("heading", name="Which").is_visible():
        page.get_by_role("radio").first.check()
        press(page.get_by_role("button", name="Continue"))


def allow_in(window: Page) -> None:
    """As `consent`, in a window of its own, which ends closed: maybe before the click has ended."""
    with window.expect_event("close"), suppress(Error):
        window.get_by_role("button", name="Allow").click()


def meanwhile(change: Callable[[], Any]) -> None:
    """Change the database in the middle of a visit; the browser's thread may not."""

    def run() -> None:
        try:
            change()
        finally:
            database.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(run).result()


@dataclass
class Site:
    """A page of the tenant's own, on another site than the hub; it collects its visits."""

    origin: str = ""
    html: str = ""
    visits: list[str] = field(default_factory=list)


@pytest.fixture(scope="session", autouse=True)
def no_thread_keeps_the_database(django_db_setup: None) -> Iterator[None]:
    """Threads of the live server are over, but what they held is only closed when collected."""
    yield
    gc.collect()


@pytest.fixture(scope="session", autouse=True)
def browser_ends() -> Iterator[None]:
    yield
    CHROME.thread.submit(CHROME.end).result()
    CHROME.thread.shutdown()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.visits.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(site.html.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.origin = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield site
    server.shutdown()
    server.server_close()


def example(connect_url: str) -> str:
    """The page that docs/connecting.md shows."""
    text = (ROOT / "docs" / "connecting.md").read_text()
    found = re.search(r"```html\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1].replace("CONNECT_URL", connect_url)


@pytest.fixture
def hub(live_server: Any, settings: Any, world: World) -> World:
    """The hub on its own address, registered at every provider of the sandbox with a button."""
    settings.HUB_PUBLIC_URL = live_server.url
    offered = world.http.get(f"{world.sandbox.url}/_credentials").json()
    for slug in {connector.provider.slug for connector in with_button()} & set(offered):
        said = offered[slug]
        client = (said if isinstance(said, list) else said["clients"])[0]
        set_provider_app(
            provider=slug,
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            actor=Actor.system("tests"),
        )
    return world
