"""A key instead of a consent, and pages that fit any screen."""

import pytest
from playwright.sync_api import Page

from integrations.models import Connection
from integrations.services.connect_links import connect_url, create_connect_session
from tenants.actor import Actor
from tenants.models import Tenant
from tests.connecting.conftest import World
from tests.journeys.conftest import PHONE, in_browser, press, resize, shoot, visit

pytestmark = in_browser


@pytest.fixture
def address(hub: World, acme: Tenant, operator: Actor) -> str:
    """The connect page of a new link."""
    _, token = create_connect_session(tenant=acme, actor=operator)
    return connect_url(token)


def test_a_key_is_tried_and_then_accepted(address: str, hub: World) -> None:
    key = hub.key()

    def steps(page: Page) -> None:
        page.goto(address)
        press(page.get_by_role("link", name="Connect Copper with a key"))
        page.get_by_label("API key").fill("0" * 32)
        page.get_by_label("E-mail of the key's owner").fill(key["user_email"])
        press(page.get_by_role("button", name="Connect"))
        page.get_by_text("does not accept these credentials").wait_for()
        shoot(page, "copper-wrong-key")
        page.get_by_label("API key").fill(key["key"])
        press(page.get_by_role("button", name="Connect"))
        page.get_by_role("heading", name="Connected").wait_for()

    visit(steps, PHONE)

    connection = Connection.objects.get()
    assert (connection.provider, connection.auth_kind) == ("copper", "api_key")


def test_no_page_is_wider_than_its_screen(address: str) -> None:
    def steps(page: Page) -> dict[str, int]:
        too_wide = {}
        for width in (320, 360, 1280):
            resize(page, {"width": width, "height": 640})
            for path in ("", "copper/key/", "nosuch/"):
                page.goto(address + path)
                needed = page.evaluate("document.documentElement.scrollWidth")
                if needed > width:
                    too_wide[f"{path} at {width}"] = needed
        return too_wide

    assert visit(steps) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_on_its_ground(scheme: str, address: str) -> None:
    """Buttons and links have a contrast of 4.5 to 1 and more, by day and by night."""
    contrast = """() => {
      const light = (color) => {
        const [r, g, b] = color.match(/\\d+(\\.\\d+)?/g).map((part) => {
          const share = Number(part) / 255;
          return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const ground = (element) => {
        for (let one = element; one; one = one.parentElement) {
          const color = getComputedStyle(one).backgroundColor;
          if (!color.endsWith(", 0)")) return color;
        }
        return "rgb(255, 255, 255)";
      };
      return [...document.querySelectorAll("h1, h2, p, a, button, label")].map((element) => {
        const pair = [light(getComputedStyle(element).color), light(ground(element))].sort();
        return { text: element.innerText, ratio: (pair[1] + 0.05) / (pair[0] + 0.05) };
      });
    }"""

    def steps(page: Page) -> list[dict[str, float | str]]:
        page.goto(address)
        shoot(page, scheme)
        found: list[dict[str, float | str]] = page.evaluate(contrast)
        page.goto(f"{address}copper/key/")
        return [*found, *page.evaluate(contrast)]

    found = visit(steps, color_scheme=scheme)

    assert len(found) > 10
    assert [one for one in found if float(one["ratio"]) < 4.5] == []
