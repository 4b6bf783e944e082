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
from tests.journeys.conftest import DESK, PHONE, in_browser, shoot, visit
from tests.journeys.test_admin_pages import signed_in
from tests.views.conftest import keep

pytestmark = in_browser


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
        too_wide = {}
        page.goto("/t/acme/admin/")
        page.get_by_role("link", name="Identities", exact=True).first.click()
        page.get_by_role("heading", name="Identities").wait_for()
        for name, screen in (("list", DESK), ("list", PHONE), ("group", DESK), ("group", PHONE)):
            page.set_viewport_size(screen)  # type: ignore[arg-type]
            if name == "group" and page.get_by_role("heading", name="Identities").is_visible():
                page.get_by_role("link", name="Ada Lovelace").click()
                page.get_by_text("Side by side").wait_for()
            shoot(page, f"identities-{name}-{screen['width']}")
            needed = page.evaluate("document.documentElement.scrollWidth")
            if needed > screen["width"]:
                too_wide[f"{name} at {screen['width']}"] = needed
        page.get_by_role("button", name="Split").click()
        shoot(page, "identities-split-390")
        page.get_by_role("radio", name="Bo Lund").check()
        page.get_by_role("button", name="Split").click()
        page.get_by_text("1 split").wait_for()
        page.get_by_role("button", name="Confirm").click()
        page.get_by_role("button", name="Confirm").click()
        page.get_by_text("1 confirmed").wait_for()
        return too_wide

    too_wide = visit(steps, **signed_in(operator, live_server.url))

    group = IdentityGroup.objects.get(state="confirmed")
    assert group.label == "Ada Lovelace · A. Lovelace"
    assert group.decided_by == operator.email
    assert too_wide == {}
