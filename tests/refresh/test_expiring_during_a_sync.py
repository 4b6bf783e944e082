"""F20, F21: the provider takes the access token no longer in the middle of a sync."""

from typing import Any
from uuid import uuid4

import pytest

from hub.fleet.claims import claim_one
from hub.fleet.models import ConnectionStatus, Due
from integrations.models import Connection, Preflight, Record, SyncRun
from integrations.sync.credentials import access_for
from integrations.sync.dry_run import dry_run
from integrations.sync.engine import SliceResult, work_slice
from integrations.sync.lease import LeaseWatch
from integrations.sync.preflight import check
from tenants.actor import Actor
from tests.connecting.conftest import Browser, World
from tests.faults.test_kill_and_resume import stored, truth
from tests.refresh.conftest import reuse_of

pytestmark = pytest.mark.django_db(transaction=True)

DATA = {"quickbooks": "/quickbooks/api/v3/", "slack": "/slack/api/"}


def connected(browser: Browser, link: str, slug: str) -> Connection:
    """A connection whose grant ends if a refresh token is used twice; nothing asked yet."""
    world = browser.world
    world.control("set", slug=slug, limits=False, rotation=True, reuse_revokes=True)
    if slug == "slack":
        world.control("set", slug=slug, token_lifetime=43_200)
    browser.connect(link, slug)
    return Connection.objects.get()


def give_a_token_of(requests: int, connection: Connection, world: World) -> None:
    """Renew now; the new token is taken so many times, those after it as often as one likes."""
    world.control("set", slug=connection.provider, token_requests=requests)
    Connection.objects.update(access_expires_at=connection.created_at)
    access_for(connection, actor=Actor.system("worker"), reason="test")
    world.control("set", slug=connection.provider, token_requests=0)
    world.forget_requests()


def synced(connection: Connection) -> SliceResult:
    due = Due.objects.get(object_id=connection.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    return work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())


def lists(world: World, slug: str) -> list[dict[str, Any]]:
    """The requests for data so far, in order."""
    return [
        one
        for one in world.requests()
        if one["path"].startswith(DATA[slug]) and "oauth" not in one["path"]
    ]


def check_that_all_is_there(world: World, connection: Connection) -> None:
    slug = connection.provider
    connection.refresh_from_db()
    assert SyncRun.objects.latest("created_at").state == "succeeded"
    assert connection.status == "active"
    assert set(stored(slug)) == truth(world, slug)
    keys = Record.objects.values_list("entity_type", "source_id")
    assert Record.objects.count() == len(set(keys))
    assert reuse_of(world) == 0


@pytest.mark.parametrize("taken", range(1, 5))
def test_after_any_page_one_renewal_and_the_refused_page_again(
    taken: int, browser: Browser, link: str, world: World
) -> None:
    connection = connected(browser, link, "quickbooks")
    give_a_token_of(taken, connection, world)

    synced(connection)

    check_that_all_is_there(world, connection)
    asked = lists(world, "quickbooks")
    assert [one["status"] for one in asked].index(401) == taken
    assert asked[taken + 1]["path"] == asked[taken]["path"]
    assert [one["status"] for one in asked].count(401) == 1
    assert len(world.token_calls()) == 1


@pytest.mark.parametrize("taken", [1, 2, 3, 9, 10, 11, 17, 18, 36, 53, 70])
def test_in_the_middle_of_a_nested_walk_one_renewal_and_no_record_lost_or_doubled(
    taken: int, browser: Browser, link: str, world: World
) -> None:
    connection = connected(browser, link, "slack")
    give_a_token_of(taken, connection, world)

    synced(connection)

    check_that_all_is_there(world, connection)
    assert len(world.token_calls()) == 1


@pytest.mark.parametrize(("slug", "requests"), [("quickbooks", 1), ("slack", 3), ("slack", 20)])
def test_tokens_that_live_shorter_than_a_list_is_long_are_renewed_as_often_as_needed(
    slug: str, requests: int, browser: Browser, link: str, world: World
) -> None:
    connection = connected(browser, link, slug)
    give_a_token_of(requests, connection, world)
    world.control("set", slug=slug, token_requests=requests)

    synced(connection)

    check_that_all_is_there(world, connection)
    # The pre-flight ends where its second token does, without a renewal.
    assert len(world.token_calls()) >= (len(lists(world, slug)) - 1) // (requests + 1)


def test_a_dry_run_renews_as_a_sync_does_and_counts_nothing_twice(
    browser: Browser, link: str, world: World
) -> None:
    connection, actor = connected(browser, link, "quickbooks"), Actor.system("tests")
    undisturbed = dry_run(connection, actor=actor)
    give_a_token_of(2, connection, world)

    found = dry_run(connection, actor=actor)

    assert found == undisturbed
    assert sum(counts["record"] for counts in found.counts.values()) > 1_000
    assert len(world.token_calls()) == 1
    assert not Record.objects.exists()


def test_a_pre_flight_counts_a_call_that_was_refused_among_the_two_of_its_type(
    browser: Browser, link: str, world: World
) -> None:
    connection = connected(browser, link, "slack")
    give_a_token_of(2, connection, world)

    report = check(connection, actor=Actor.system("tests"), because=Preflight.Because.ASKED)

    calls = [line["calls"] for line in report.lines.values()]
    assert sum(calls) == report.calls == len(lists(world, "slack"))
    assert max(calls) <= 2
    assert len(world.token_calls()) == 1


def test_a_token_refused_before_its_time_is_renewed_once(
    browser: Browser, link: str, world: World
) -> None:
    connection = connected(browser, link, "quickbooks")
    world.forget_requests()
    world.control("fault", slug="quickbooks", path="FROM.Customer", status=401, body="{}")

    synced(connection)

    check_that_all_is_there(world, connection)
    assert len(world.token_calls()) == 1


def test_a_renewed_token_that_is_refused_as_well_ends_in_a_question_to_the_customer_not_in_a_loop(
    browser: Browser, link: str, world: World
) -> None:
    connection = connected(browser, link, "quickbooks")
    world.forget_requests()
    world.control(
        "fault", slug="quickbooks", path="FROM.Customer", status=401, body="{}", count=None
    )

    synced(connection)

    connection.refresh_from_db()
    assert connection.status == "needs_reauth"
    assert ConnectionStatus.objects.get().status == "needs_reauth"
    assert len(world.token_calls()) == 1
    assert [one["status"] for one in lists(world, "quickbooks")] == [200, 401, 401]
