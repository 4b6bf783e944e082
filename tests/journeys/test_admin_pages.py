"""The admin's own pages in a browser: they fit any screen, and what they need they get."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from hub import sites
from hub.sites import HubSite
from integrations.connectors.registry import all_connectors
from tenants.models import Tenant, User
from tenants.roles import Role
from tests.admin.conftest import fill
from tests.factories import MembershipFactory, UserFactory
from tests.journeys.conftest import DESK, PHONE, in_browser, press, resize, shoot, visit

pytestmark = in_browser

INLINE = """() => {
  const script = document.createElement("script");
  script.textContent = "window.wasRun = true";
  document.body.append(script);
}"""
CUT = """(lists) => [...document.querySelectorAll(lists)]
  .filter((list) => list.scrollWidth > list.clientWidth + 1)
  .map((list) => `cut at ${list.clientWidth} of ${list.scrollWidth}`)"""
# On a desk a preview may have as many columns as its route.
LISTS = ((DESK, "#changelist .results"), (PHONE, "#changelist .results, .scroll:has(.wide)"))
SITES = {"operations": "/admin/", "tenant": "/t/acme/admin/"}


@pytest.fixture
def guest(acme: Tenant) -> User:
    """Staff without a permission, and a viewer in acme: may enter, and hardly anything more."""
    user: User = MembershipFactory(
        role=Role.VIEWER, tenant=acme, user=UserFactory(is_staff=True)
    ).user
    return user


def signed_in(user: User, address: str) -> dict[str, Any]:
    """What the browser remembers of somebody who has signed in."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "domain": "localhost", "path": "/"}
    return {"storage_state": {"cookies": [cookie], "origins": []}, "base_url": address}


def test_everybody_finds_the_page_of_providers_and_it_fits_any_screen(
    live_server: Any, guest: User
) -> None:
    def steps(page: Page) -> tuple[dict[str, list[str]], dict[str, int]]:
        names, too_wide = {}, {}
        for site, address in SITES.items():
            resize(page, DESK)
            page.goto(address)
            press(page.get_by_role("link", name="Providers", exact=True).first)
            page.get_by_role("heading", name="Providers").wait_for()
            names[site] = page.locator("section.provider h2").all_inner_texts()
            for screen in (DESK, PHONE):
                resize(page, screen)
                shoot(page, f"providers-{site}-{screen['width']}")
                needed = page.evaluate("document.documentElement.scrollWidth")
                if needed > screen["width"]:
                    too_wide[f"{site} at {screen['width']}"] = needed
        return names, too_wide

    names, too_wide = visit(steps, **signed_in(guest, live_server.url))

    labels = [connector.provider.label for connector in all_connectors()]
    assert names == dict.fromkeys(SITES, labels)
    assert too_wide == {}


def test_no_page_loads_what_its_policy_forbids_and_no_list_is_cut_on_a_desk_or_a_phone(
    live_server: Any, acme: Tenant
) -> None:
    made = fill(acme, 1)
    person = UserFactory(staff=True)
    MembershipFactory(role=Role.ADMIN, tenant=acme, user=person)
    addresses = [
        *SITES.values(),
        *addresses_of(sites.ops, "hub.urls", "", made),
        *addresses_of(sites.tenant, "hub.urls_tenant", "/t/acme", made),
        # The last ones ask for nothing on their own: the test ends, and nobody would be there.
        "/admin/login/",
        *(f"{start}password_change/" for start in SITES.values()),
    ]

    def steps(page: Page) -> dict[str, list[str]]:
        complaints: dict[str, list[str]] = {}
        for address in addresses:
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(address)
            complaints[address] = [text for text in said if "Content Security Policy" in text]
            for screen, lists in LISTS:
                resize(page, screen)
                complaints[address] += page.evaluate(CUT, lists)
        page.evaluate(INLINE)
        complaints["inline"] = [page.evaluate("String(window.wasRun)")]
        return complaints

    complaints = visit(steps, **signed_in(person, live_server.url))

    assert complaints.pop("inline") == ["undefined"]
    assert {address: said for address, said in complaints.items() if said} == {}
    assert len(complaints) > 30


def test_a_phone_leads_from_any_page_to_every_other(live_server: Any, guest: User) -> None:
    def steps(page: Page) -> str:
        resize(page, PHONE)
        page.goto(SITES["tenant"])
        press(page.get_by_role("link", name="Menu"))
        press(page.get_by_role("link", name="Audit events"))
        page.get_by_role("heading", name="Audit events").wait_for()
        return page.url

    url = visit(steps, **signed_in(guest, live_server.url))

    assert url.partition("#")[0].endswith("/t/acme/admin/audit/auditevent/")


def addresses_of(site: HubSite, urlconf: str, prefix: str, made: dict[Any, Any]) -> list[str]:
    """The list of every model of a site, and the page of one row where there is one."""
    found = []
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(prefix + reverse(f"{name}_changelist", urlconf=urlconf))
        if model in made:
            args = [made[model].pk]
            found.append(prefix + reverse(f"{name}_change", urlconf=urlconf, args=args))
    return found
