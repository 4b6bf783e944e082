"""/api/v1/connections/{id}/shadow-diffs/, and what of a connection's rhythm the API sets."""

import pytest

from integrations.models import EntityTypeStatus, ShadowDiff, SyncRun
from tests.api.rows import connected

pytestmark = pytest.mark.django_db


def test_a_shadow_diff_is_asked_for_once_followed_and_stopped(api):
    connection = connected()
    path = f"connections/{connection.pk}/shadow-diffs/"

    asked = api.post(path, {"mode": "full", "entity_types": ["companies"]})
    again = api.post(path, {})

    assert asked.status_code == 202
    shown = api.get(f"{path}{asked.json()['id']}/").json()
    assert (shown["mode"], shown["state"], shown["samples"]) == ("full", "queued", {})
    assert again.json()["id"] == asked.json()["id"]
    assert "samples" not in api.get(path).json()["results"][0]
    assert api.post(f"{path}{shown['id']}/cancel/").json()["state"] == "cancelled"
    assert asked["Location"].endswith(f"{path}{shown['id']}/")


def test_a_viewers_key_asks_for_none_and_an_unknown_type_is_refused(api, viewer):
    path = f"connections/{connected().pk}/shadow-diffs/"

    assert viewer.post(path, {}).status_code == 403
    assert api.post(path, {"entity_types": ["nothing"]}).status_code == 422
    assert not ShadowDiff.objects.exists()


def test_intervals_are_set_for_each_entity_type_and_all_or_none(api):
    path = f"connections/{connected().pk}/"

    answer = api.patch(path, {"intervals": {"companies": 900}, "reconcile_seconds": 0})
    refused = api.patch(path, {"intervals": {"people": 900, "nothing": 900}})

    shown = answer.json()
    assert shown["reconcile_seconds"] == 0
    assert [(t["name"], t["interval_seconds"]) for t in shown["entity_types"]] == [
        ("companies", 900)
    ]
    assert refused.status_code == 422
    assert EntityTypeStatus.objects.count() == 1


def test_full_reads_are_set_for_each_entity_type_and_all_or_none(api):
    path = f"connections/{connected().pk}/"

    answer = api.patch(path, {"reconcile_intervals": {"companies": 86_400}})
    refused = api.patch(path, {"reconcile_intervals": {"companies": None, "people": 60}})

    (shown,) = answer.json()["entity_types"]
    assert (shown["name"], shown["reconcile_seconds"]) == ("companies", 86_400)
    assert refused.status_code == 422
    assert EntityTypeStatus.objects.get().reconcile_seconds == 86_400


def test_a_backfill_needs_its_date_and_a_run_shows_it(api):
    path = f"connections/{connected().pk}/sync-runs/"

    assert api.post(path, {"mode": "backfill"}).status_code == 422
    shown = api.post(path, {"mode": "backfill", "not_before": "2026-01-31T00:00:00Z"}).json()

    assert (shown["lane"], shown["not_before"]) == ("live", "2026-01-31T00:00:00Z")
    assert SyncRun.objects.get().mode == "backfill"


def test_a_pre_flight_is_asked_for_and_shown(api, viewer):
    path = f"connections/{connected().pk}/preflight/"

    assert api.get(path).status_code == 404
    assert viewer.post(path).status_code == 403
    assert api.post(path).status_code == 202
    shown = api.get(path).json()

    assert (shown["wanted_because"], shown["checked_at"], shown["lines"]) == ("asked", None, {})
