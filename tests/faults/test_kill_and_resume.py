"""F1, F2: a syncing process is killed with SIGKILL; the next one goes on where it had committed.

Nothing is lost, nothing is there twice, what was committed is neither written again nor, page by
page, fetched again: a restart may ask once more only for the pages that were open.
"""

import json
import os
import signal
import time

import pytest
from django.db import connection as database

from integrations.models import Record, SyncRun
from tests.faults.conftest import wait_for_leases

pytestmark = pytest.mark.django_db(transaction=True)

ENTITIES = {
    "copper": {
        "users": "users",
        "stages": "pipeline_stages",
        "companies": "companies",
        "people": "people",
        "opportunities": "opportunities",
        "leads": "leads",
        "tasks": "tasks",
    },
    "quickbooks": {"customers": "Customer", "invoices": "Invoice", "payments": "Payment"},
    "slack": {"users": "users", "channels": "channels", "messages": "messages"},
}
# Rows of the one page that was open; at Slack each list of replies also repeats its parent.
OPEN_PAGE = {"copper": 200, "quickbooks": 1_000, "slack": 200 + 40}
LATE_MS = 20_000  # so that a sync is not over before it is killed
POINTS = ("before_commit:1", "after_commit:1", "before_commit:3", "after_commit:4")


def truth(world, slug: str) -> set[tuple[str, str]]:
    """(entity type, id) of everything the connected account may see."""
    found = set()
    for entity_type, entity in ENTITIES[slug].items():
        answer = world.http.get(
            f"{world.sandbox.url}/_truth",
            params={
                "slug": slug,
                "entity": entity,
                "account": world.credentials(slug)[0]["account_id"]
                if slug == "copper"
                else world.credentials(slug)["accounts"][0]["id"],
            },
        ).json()
        found |= {(entity_type, row["id"]) for row in answer["rows"] if row["visible"]}
    return found


def stored(slug: str) -> dict[tuple[str, str], str]:
    """The physical version of every record: a record that is written again has another one."""
    with database.cursor() as cursor:
        cursor.execute("SELECT entity_type, source_id, ctid::text FROM integrations_record")
        rows = {(kind, source_id): ctid for kind, source_id, ctid in cursor.fetchall()}
    return {key: ctid for key, ctid in rows.items() if key[0] in ENTITIES[slug]}


def rows_served(world) -> int:
    """How many rows the provider has sent since the log was emptied."""
    return sum(one["rows"] or 0 for one in world.requests() if one["status"] == 200)


def settled(world, syncs, connection, slug: str, before: dict[tuple[str, str], str]) -> None:
    """Run to the end and check that nothing was lost, doubled, rewritten or asked for in vain."""
    wait_for_leases()
    world.forget_requests()  # with what the killed one had asked for and nobody has heard

    code, out, err = syncs.run(connection)

    assert code == 0, err
    assert json.loads(out)["state"] == "succeeded"
    after = stored(slug)
    assert set(after) == truth(world, slug)
    assert Record.objects.count() == len(
        set(Record.objects.values_list("entity_type", "source_id"))
    )
    assert {key: after[key] for key in before} == before
    assert rows_served(world) <= len(after) - len(before) + OPEN_PAGE[slug]
    assert SyncRun.objects.count() == 1


@pytest.mark.parametrize("slug", list(ENTITIES))
@pytest.mark.parametrize("point", POINTS)
def test_a_sync_killed_at_a_batch_goes_on_at_the_first_page_not_committed(
    world, syncs, connect, slug, point
):
    connection = connect(slug)
    code, _, err = syncs.run(connection, crash=point)
    assert code == -signal.SIGKILL, err

    settled(world, syncs, connection, slug, stored(slug))


def test_a_sync_killed_after_its_last_batch_has_only_to_say_that_it_is_done(world, syncs, connect):
    connection = connect("copper")
    code, _, err = syncs.run(connection, crash="before_release")
    assert code == -signal.SIGKILL, err
    before = stored("copper")
    assert set(before) == truth(world, "copper")
    wait_for_leases()
    world.forget_requests()

    code, _, err = syncs.run_cold(connection)

    assert code == 0, err
    assert rows_served(world) == 0
    assert stored("copper") == before


@pytest.mark.parametrize("calls", [3, 20, 45])
def test_a_sync_killed_from_outside_at_any_moment_loses_nothing(world, syncs, connect, calls):
    connection = connect("slack")
    world.forget_requests()
    world.control("fault", slug="slack", skip=calls, count=None, delay_ms=LATE_MS)
    process = syncs.start(connection)
    until = time.monotonic() + 180
    while len(world.requests()) < calls and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    world.control("clear_faults")

    settled(world, syncs, connection, "slack", stored("slack"))


def test_another_sync_is_refused_while_the_killed_one_still_holds_its_lease(world, syncs, connect):
    connection = connect("copper")
    syncs.lease_seconds = 600
    syncs.run(connection, crash="after_commit:1")

    code, _, err = syncs.run(connection)

    assert code == 1
    assert "is syncing" in err
    assert "Traceback" not in err
