"""The admin's own pages in a browser: they fit any screen, and what they need they get."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page

from integrations.connectors.registry import all_connectors
from tenants.models import Tenant, User
from tenants.roles import Role
from tests.factories import MembershipFactory, UserFactory
from tests.journeys.conftest import DESK, PHONE, in_browser, shoot, visit

pytestmark = in_browser

SITES = {"operations": "/admin/", "tenant": "/t/acme/admin/"}


@pytest.fixture
def people(acme: Tenant) -> dict[str, User]:
    """Who may see a site and hardly anything more: staff without a permission, a viewer."""
    return {
        "operations": UserFactory(is_staff=True),
        "tenant": MembershipFactory(role=Role.VIEWER, tenant=acme).user,
    }


def signed_in(user: User, address: str) -> dict[str, Any]:
    """What the browser remembers of somebody who has signed in."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "domain": "localhost", "path": "/"}
    return {"storage_state": {"cookies": [cookie], "origins": []}, "base_url": address}


def test_everybody_finds_the_page_of_providers_and_it_fits_any_screen(
    live_server: Any, people: dict[str, User]
) -> None:
    def steps(page: Page) -> dict[str, Any]:
        page.goto(SITES[site])
        page.get_by_role("link", name="Providers", exact=True).first.click()
        page.get_by_role("heading", name="Providers").wait_for()
        widths = {}
        for screen in (DESK, PHONE):
            page.set_viewport_size(screen)  # type: ignore[arg-type]
            shoot(page, f"providers-{site}-{screen['width']}")
            widths[screen["width"]] = page.evaluate("document.documentElement.scrollWidth")
        return {"widths": widths, "names": page.locator("section.provider h2").all_inner_texts()}

    for site in SITES:
        seen = visit(steps, **signed_in(people[site], live_server.url))

        assert seen["names"] == [connector.provider.label for connector in all_connectors()]
        assert all(needed <= width for width, needed in seen["widths"].items())
