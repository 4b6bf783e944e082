"""/api/v1/connections/ and their sync runs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from hub.fleet.models import Due
from integrations.models import Connection, EntityTypeStatus, SyncRun
from integrations.models.sync_run import COUNTS
from tests.api.caller import reads
from tests.api.rows import connected, ran
from tests.factories import SyncRunFactory

pytestmark = pytest.mark.django_db

SECRET_NAMES = ("credential", "secret", "token", "scope", "settings", "extra")


def test_a_connection_is_shown_with_its_state_and_next_sync_and_nothing_secret(api):
    connection = connected(
        customer_message="Please reconnect Copper.", error="401 from the token endpoint"
    )
    EntityTypeStatus.objects.create(
        connection=connection, entity_type="companies", checkpoint_at=timezone.now()
    )

    shown = api.get(f"connections/{connection.pk}/").json()

    assert shown["id"] == str(connection.pk)
    assert shown["error"] == "Please reconnect Copper."
    assert shown["next_sync_at"] is not None
    assert [line["name"] for line in shown["entity_types"]] == ["companies"]
    assert not [name for name in shown if any(word in name for word in SECRET_NAMES)]
    assert "401 from" not in str(shown)


def test_connections_are_listed_a_page_at_a_time_and_without_those_disconnected(api):
    shown = [connected(name=f"c{number}") for number in range(5)]
    connected(status=Connection.Status.DISCONNECTED)

    names, path = [], "connections/?page_size=2"
    while path:
        page = api.get(path).json()
        names += [row["name"] for row in page["results"]]
        cursor = page["next_cursor"]
        path = f"connections/?page_size=2&cursor={cursor}" if cursor else ""

    assert names == [connection.name for connection in shown]


def test_a_page_of_connections_costs_the_same_however_many_there_are(api):
    for number in range(3):
        EntityTypeStatus.objects.create(connection=connected(), entity_type=f"t{number}")
    api.get("connections/")  # the key's last use is noted once a minute

    with reads(3):  # key, connections, entity types
        api.get("connections/")
    for number in range(7):
        EntityTypeStatus.objects.create(connection=connected(), entity_type=f"t{number}")
    with reads(3):
        assert len(api.get("connections/").json()["results"]) == 10


def test_connections_are_found_by_provider_and_status(api):
    connected(provider="copper")
    paused = connected(provider="slack", paused=True)

    assert len(api.get("connections/").json()["results"]) == 2
    found = api.get("connections/?provider=slack&status=paused").json()["results"]
    assert [row["id"] for row in found] == [str(paused.pk)]


def test_an_operator_pauses_and_resumes(api):
    connection = connected()

    paused = api.post(f"connections/{connection.pk}/pause/").json()
    resumed = api.post(f"connections/{connection.pk}/resume/").json()

    assert (paused["status"], paused["next_sync_at"]) == ("paused", None)
    assert resumed["status"] == "active"
    assert resumed["next_sync_at"] is not None


def test_name_and_intervals_can_be_changed_and_nothing_else(api):
    connection = connected()
    before = Connection.objects.filter(pk=connection.pk).values().get()
    may = {"name": "Copper, sales", "interval_seconds": 900, "reconcile_seconds": 86_400}

    refused = api.patch(f"connections/{connection.pk}/", dict.fromkeys(before, "x") | may)
    assert Connection.objects.filter(pk=connection.pk).values().get() == before
    response = api.patch(f"connections/{connection.pk}/", may)

    assert refused.status_code == 422
    assert set(refused.json()["errors"]) == set(before) - set(may)
    assert response.status_code == 200
    after = Connection.objects.filter(pk=connection.pk).values().get()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"name", "interval_seconds", "reconcile_seconds", "updated_at"}


def test_an_interval_that_is_too_short_is_refused_and_the_name_stays_as_well(api):
    connection = connected(name="before")

    response = api.patch(f"connections/{connection.pk}/", {"name": "after", "interval_seconds": 1})

    assert response.status_code == 422
    assert set(response.json()["errors"]) == {"interval_seconds"}
    connection.refresh_from_db()
    assert connection.name == "before"


def test_an_entity_type_says_how_often_it_is_read_which_may_be_as_often_as_its_provider_allows(api):
    connection = connected(provider="teams", interval_seconds=900)
    other = connected(interval_seconds=900)
    for kept, name in ((connection, "messages"), (other, "companies"), (other, "gone")):
        EntityTypeStatus.objects.create(connection=kept, entity_type=name)

    refused = api.patch(f"connections/{connection.pk}/", {"intervals": {"messages": 900}})
    api.patch(f"connections/{other.pk}/", {"intervals": {"companies": 3_600}})

    assert refused.status_code == 422
    assert "allows messages to be read once in 1 day" in refused.json()["detail"]
    pages = [api.get(f"connections/{kept.pk}/").json() for kept in (connection, other)]
    assert {
        line["name"]: (line["interval_seconds"], line["every_seconds"])
        for shown in pages
        for line in shown["entity_types"]
    } == {"messages": (None, 86_400), "companies": (3_600, 3_600), "gone": (None, None)}


def test_asking_for_a_sync_makes_a_run_that_is_due_and_says_where_it_is(api):
    connection = connected()

    response = api.post(
        f"connections/{connection.pk}/sync-runs/",
        {"mode": "full", "entity_types": ["companies"]},
    )

    assert response.status_code == 202
    run = SyncRun.objects.get()
    assert response["Location"] == f"/api/v1/connections/{connection.pk}/sync-runs/{run.pk}/"
    assert api.get(response["Location"]).json()["id"] == str(run.pk)
    assert (run.mode, run.trigger, run.entity_types) == ("full", "api", ["companies"])
    assert Due.objects.get(object_id=connection.pk).run_id == run.pk


def test_asking_again_while_a_run_is_open_gives_the_same_run(api):
    connection = connected()

    first = api.post(f"connections/{connection.pk}/sync-runs/")
    second = api.post(f"connections/{connection.pk}/sync-runs/")

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    assert SyncRun.objects.count() == 1


def test_a_paused_connection_does_not_sync(api):
    connection = connected(paused=True)

    response = api.post(f"connections/{connection.pk}/sync-runs/")

    assert (response.status_code, response.json()["code"]) == (409, "connection_not_active")
    assert not SyncRun.objects.exists()


def test_an_entity_type_the_provider_has_not_is_named(api):
    connection = connected()

    response = api.post(f"connections/{connection.pk}/sync-runs/", {"entity_types": ["unicorns"]})

    assert response.status_code == 422
    assert "unicorns" in response.json()["errors"]["entity_types"][0]


def test_a_run_is_cancelled(api):
    connection = connected()
    run = api.post(f"connections/{connection.pk}/sync-runs/").json()

    cancelled = api.post(f"connections/{connection.pk}/sync-runs/{run['id']}/cancel/").json()

    assert cancelled["state"] == "cancelled"


def test_a_run_that_waits_says_for_what_and_until_when(api):
    connection = connected()
    run = ran(
        connection, state=SyncRun.State.RUNNING, ended_at=None, error_code="circuit_open", error="x"
    )
    until = timezone.now() + timedelta(hours=1)
    due = Due.objects.filter(object_id=connection.pk)
    due.update(run_id=run.pk, due_at=until)
    page = f"connections/{connection.pk}/sync-runs/{run.pk}/"

    waiting = api.get(page).json()
    due.update(due_at=timezone.now() - timedelta(hours=1))
    at_work = api.get(page).json()

    assert parse_datetime(waiting["waits_until"]) == until
    assert (waiting["error_code"], at_work["waits_until"]) == ("circuit_open", None)


def counted(state: str, **counts: int) -> dict[str, Any]:
    return {"state": state, **dict.fromkeys(COUNTS, 0), **counts}


def test_a_run_and_a_shadow_diff_say_how_far_they_are_over_all_they_will_read(api):
    connection = connected()
    counts = {
        "users": counted("done", read=9),
        "companies": counted("running", read=30, expected=40),
    }
    asked = {"entity_types": ["users", "companies", "people", "leads"], "counts": counts}
    SyncRunFactory(connection=connection, running=True, **asked)
    connection.shadow_diffs.create(mode="full", asked_by="jo@example.com", **asked)

    for page in ("sync-runs/", "shadow-diffs/"):
        [shown] = api.get(f"connections/{connection.pk}/{page}").json()["results"]
        assert shown["progress"] == {
            "entity_types": 4,
            "ended": 1,
            "read": 39,
            "expected": None,
            "share": 0.438,
        }


def test_what_has_succeeded_is_through_with_all_of_it(api):
    connection = connected()
    counts = {"users": counted("done", read=9), "tasks": counted("waiting")}
    SyncRunFactory(connection=connection, counts=counts)

    [shown] = api.get(f"connections/{connection.pk}/sync-runs/").json()["results"]

    told = {"entity_types": 1, "ended": 1, "read": 9, "expected": 9, "share": 1.0}
    assert shown["progress"] == told


def test_runs_are_listed_newest_first_with_their_counts(api):
    connection = connected()
    older = ran(connection, created_at=timezone.now() - timedelta(hours=1))
    newer = ran(connection, state=SyncRun.State.FAILED)
    ran(connected())

    listed = api.get(f"connections/{connection.pk}/sync-runs/").json()["results"]
    failed = api.get(f"connections/{connection.pk}/sync-runs/?state=failed").json()["results"]

    assert [row["id"] for row in listed] == [str(newer.pk), str(older.pk)]
    assert [row["id"] for row in failed] == [str(newer.pk)]
    assert listed[0]["counts"]["companies"]["inserted"] == 3


def test_a_run_is_found_only_below_its_own_connection(api):
    run = ran(connected())
    other = connected()

    assert api.get(f"connections/{other.pk}/sync-runs/{run.pk}/").status_code == 404
