"""Somebody decides, in a browser, whether records are one person."""

from typing import Any

from playwright.sync_api import Page

from integrations.identity.step import resolve
from integrations.models import IdentityGroup
from integrations.records import Address, Company, Person
from integrations.types import Ref
from tenants.models import Tenant
from tenants.roles import Role
from tests.api.rows import connected
from tests.factories import MembershipFactory
from tests.journeys.conftest import DESK, PHONE, in_browser, press, resize, shoot, visit
from tests.journeys.test_admin_pages import signed_in
from tests.views.conftest import keep

pytestmark = in_browser


def measure(page: Page, name: str) -> dict[str, int]:
    """How wide the page is on each screen it is too wide for; it stays on a phone."""
    too_wide = {}
    for screen in (DESK, PHONE):
        resize(page, screen)
        shoot(page, f"identities-{name}-{screen['width']}")
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > screen["width"]:
            too_wide[f"{name} at {screen['width']}"] = needed
    return too_wide


def test_a_group_is_looked_at_side_by_side_split_and_confirmed(
    live_server: Any, acme: Tenant
) -> None:
    operator = MembershipFactory(role=Role.OPERATOR, tenant=acme).user
    crm, books = connected(), connected(provider="quickbooks")
    ulm = Address(street="Münsterplatz 1", city="Ulm", postal_code="89073", country="DE")
    keep(Company(name="Nordlicht GmbH", domain="nordlicht.example"), "c1", connection=crm)
    keep(Company(name="Nordlicht Solar"), "c2", connection=books)
    at = {"company": Ref("company", "c1"), "emails": ("ada@nordlicht.example",), "address": ulm}
    keep(Person(name="Ada Lovelace", phones=("+49 731 1234567",), **at), "1", connection=crm)
    keep(Person(name="A. Lovelace", emails=("ada@nordlicht.example",)), "2", connection=books)
    keep(Person(name="Bo Lund", emails=("ada@nordlicht.example",)), "3", connection=books)
    resolve()

    def steps(page: Page) -> dict[str, int]:
        page.goto("/t/acme/admin/")
        press(page.get_by_role("link", name="Identities", exact=True).first)
        page.get_by_role("heading", name="Identities").wait_for()
        too_wide = measure(page, "list")
        resize(page, DESK)
        press(page.get_by_role("link", name="Ada Lovelace"))
        page.get_by_text("Side by side").wait_for()
        too_wide |= measure(page, "group")
        press(page.get_by_role("button", name="Split"))
        shoot(page, "identities-split-390")
        page.get_by_role("radio", name="Bo Lund").check()
        press(page.get_by_role("button", name="Split"))
        page.get_by_text("1 split").wait_for()
        press(page.get_by_role("button", name="Confirm"))
        press(page.get_by_role("button", name="Confirm"))
        page.get_by_text("1 confirmed").wait_for()
        return too_wide

    too_wide = visit(steps, **signed_in(operator, live_server.url))

    group = IdentityGroup.objects.get(state="confirmed")
    assert group.label == "Ada Lovelace · A. Lovelace"
    assert group.decided_by == operator.email
    assert too_wide == {}
