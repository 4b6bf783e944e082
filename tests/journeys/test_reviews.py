"""Two reviews in the admin, in a browser: what a full sync would do, and held deletions."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.db.models.functions import Now
from playwright.sync_api import Page

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.models import Connection, DeletionReview, Record, ShadowDiff
from integrations.sandbox import Sandbox
from integrations.services.connections import connect_with_key
from integrations.sync.lease import LeaseWatch
from integrations.tasks import HANDLERS
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tenants.roles import Role
from tests.factories import MembershipFactory
from tests.journeys.conftest import (
    ARTEFACTS,
    DESK,
    PHONE,
    World,
    in_browser,
    meanwhile,
    press,
    resize,
    visit,
)
from tests.journeys.test_admin_pages import signed_in

pytestmark = in_browser

SHARE_GONE = 0.3
TALL = {**DESK, "height": 1_040}
RENAMED = {"name": "Nordlicht Werften GmbH", "phone_numbers": [{"number": "+49 431 5550199"}]}


@pytest.fixture
def world(settings: Any) -> Iterator[World]:
    """Copper, with enough people that nobody would delete a third of them unasked."""
    with requests.Session() as http, Sandbox(seed=7, scale=0.2) as sandbox:
        http.trust_env = False
        settings.HUB_PROVIDER_ADDRESSES = sandbox.addresses()
        settings.HUB_EGRESS_ALLOW = ["127.0.0.1"]
        settings.HUB_TENANT_CALLS_PER_SECOND = 100_000
        yield World(sandbox, http)


@pytest.fixture
def connection(acme: Tenant, world: World) -> Connection:
    """A Copper account, synced; since then people were deleted, added and companies changed."""
    with in_tenant(acme):
        key = world.key()
        connection = connect_with_key(provider="copper", secrets=key, actor=Actor.system("tests"))
        do_work()
        people = Record.objects.filter(entity_type="people").count()
        assert people >= 100
    world.control("delete", slug="copper", entity="people", count=int(people * SHARE_GONE))
    world.control("change", slug="copper", entity="companies", count=1, set=RENAMED)
    world.control("change", slug="copper", entity="opportunities", count=1)
    world.control("add", slug="copper", entity="people", count=2)
    return connection


def do_work() -> None:
    """As a worker: work on everything that waits, until nothing does."""
    asked = Due.objects.filter(kind__in=HANDLERS, due_at__isnull=False)
    while due := asked.filter(due_at__lte=Now()).first():
        claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=120)
        assert claim is not None
        HANDLERS[claim.kind](claim.due_id, claim.fence, LeaseWatch())


def keep(page: Page, name: str) -> None:
    """Pictures of the page on a desk and on a phone; nothing of it is too wide for either."""
    ARTEFACTS.mkdir(exist_ok=True)
    page.wait_for_load_state()
    for screen in (PHONE, TALL):
        resize(page, screen)
        page.evaluate("window.scrollTo(0, 0)")
        page.screenshot(path=str(ARTEFACTS / f"review-{name}-{screen['width']}.png"))
        assert page.evaluate("document.documentElement.scrollWidth") <= screen["width"], name


@pytest.fixture
def worker(acme: Tenant) -> Callable[[], None]:
    def work() -> None:
        with in_tenant(acme):
            do_work()

    return lambda: meanwhile(work)


def test_a_full_sync_is_looked_at_before_and_its_deletions_wait_for_a_person(
    live_server: Any, acme: Tenant, connection: Connection, worker: Callable[[], None]
) -> None:
    person = MembershipFactory(
        role=Role.OPERATOR, tenant=acme, user__email="operator@example.com"
    ).user
    before = Record.objects.present().filter(entity_type="people").count()
    gone = int(before * SHARE_GONE)

    def steps(page: Page) -> dict[str, str]:
        page.goto(f"/t/acme/admin/integrations/connection/{connection.pk}/change/")
        press(page.get_by_role("button", name="Shadow diff of a full sync"))
        page.locator("[data-run]").wait_for()
        worker()
        page.get_by_text("would change").first.wait_for()
        keep(page, "shadow-diff")
        seen = {"diff": page.locator("#content").inner_text()}

        page.goto(f"/t/acme/admin/integrations/connection/{connection.pk}/change/")
        for part in ("rhythm", "preflight"):
            page.locator(f"#{part}").screenshot(path=str(ARTEFACTS / f"review-{part}.png"))
        press(page.get_by_role("button", name="Full sync", exact=True))
        press(page.locator("input[type=submit][value='Full sync']"))
        worker()
        page.goto("/t/acme/admin/")
        press(page.get_by_role("link", name="Look and decide"))
        keep(page, "deletions")
        seen["review"] = page.locator("#content").inner_text()
        press(page.get_by_role("button", name=f"Delete these {gone} records"))
        press(page.locator("input[type=submit][value='Delete']"))
        page.get_by_text("decided").first.wait_for()
        page.goto("/t/acme/admin/")
        seen["after"] = page.locator("#content").inner_text()
        return seen

    seen = visit(steps, **signed_in(person, live_server.url))

    assert "Nordlicht Werften GmbH" in seen["diff"]
    assert "would wait until somebody has decided" in seen["diff"]
    shadow = ShadowDiff.objects.get()
    assert (shadow.state, shadow.counts["people"]["vanished"]) == ("succeeded", gone)
    assert shadow.counts["people"]["inserted"] == 2
    assert f"{gone} of {before + 2} ({round(100 * gone / (before + 2))} %)" in seen["review"]
    review = DeletionReview.objects.get()
    assert (review.state, review.held) == ("approved", gone)
    assert Record.objects.present().filter(entity_type="people").count() == before + 2 - gone
    assert "would be deleted" not in seen["after"]
