"""What people set and ask of a connection: shadow diffs, intervals, reading again."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from hub.fleet.models import Due
from integrations.models import Connection, EntityTypeStatus, Preflight, ShadowDiff, SyncRun
from tests.admin.conftest import make_due, make_record
from tests.admin.test_actions import post
from tests.factories import ConnectionFactory, SyncRunFactory

pytestmark = pytest.mark.django_db

CONNECTIONS = "/t/acme/admin/integrations/connection/"
SHADOWS = "/t/acme/admin/integrations/shadowdiff/"


@pytest.fixture
def connection(acme) -> Connection:
    """Teams, whose channels may be read once a day."""
    connection = ConnectionFactory(provider="teams", name="Nordlicht")
    make_due(acme, connection)
    return connection


def page_of(connection: Connection) -> str:
    return f"{CONNECTIONS}{connection.pk}/change/"


def test_the_button_asks_for_a_shadow_diff_and_shows_its_page(acme_operator, connection):
    answer = acme_operator.post(f"{CONNECTIONS}{connection.pk}/act/", {"action": "shadow_full"})

    shadow = ShadowDiff.objects.get()
    assert answer["Location"] == f"{SHADOWS}{shadow.pk}/change/"
    assert (shadow.mode, shadow.state, shadow.connection) == ("full", "queued", connection)
    html = acme_operator.get(answer["Location"]).content.decode()
    assert f'data-run="{shadow.pk}"' in html
    assert "data-reload-when-done" in html
    [told] = acme_operator.get(f"{SHADOWS}progress/", {"run": str(shadow.pk)}).json()["runs"]
    assert (told["is_open"], told["read"]) == (True, 0)


def test_a_viewer_sees_diffs_and_asks_for_none(viewer, connection):
    assert viewer.get(SHADOWS).status_code == 200
    assert "Shadow diff of a full sync" not in viewer.get(page_of(connection)).content.decode()
    for page in ("act/", "rhythm/", "read-again/"):
        sent = {"action": "shadow", "every-teams": "60", "entity_type": "teams"}
        assert viewer.post(f"{CONNECTIONS}{connection.pk}/{page}", sent).status_code == 403
    assert not ShadowDiff.objects.exists()
    assert not SyncRun.objects.exists()


def test_a_diff_shows_old_and_new_values_and_what_would_wait_for_a_person(viewer, connection):
    record = make_record(connection, 7)
    line = {"state": "done", "read": 60, "updated": 1, "vanished": 30, "unchanged": 29}
    update = {
        "id": "7",
        "title": "Südwind",
        "type": "company",
        "record": record.pk,
        "fields": [["name", "Nordwind", "Südwind <b>"], ["phone", "", "123"], ["city", "Ulm", ""]],
    }
    shadow = ShadowDiff.objects.create(
        connection=connection,
        mode="full",
        asked_by="jo@example.com",
        state="succeeded",
        counts={"companies": {**line, "is_held": True}},
        samples={"companies": {"updated": [update], "vanished": []}},
    )

    html = viewer.get(f"{SHADOWS}{shadow.pk}/change/").content.decode()

    assert "<del>Nordwind</del>" in html
    assert "<ins>Südwind &lt;b&gt;</ins>" in html
    assert "<del>Ulm</del>" in html
    assert "would be deleted, no longer listed" in html
    assert "would wait until somebody has decided" in html
    assert f"/record/{record.pk}/change/" in html


def test_a_diff_without_changes_says_so(viewer, connection):
    shadow = ShadowDiff.objects.create(
        connection=connection, mode="full", asked_by="jo", state="succeeded"
    )

    assert "Nothing would change." in viewer.get(f"{SHADOWS}{shadow.pk}/change/").content.decode()


def test_a_diff_that_is_open_can_be_stopped(acme_operator, connection):
    shadow = ShadowDiff.objects.create(connection=connection, mode="full", asked_by="jo")

    post(acme_operator, SHADOWS, "cancel", [shadow])

    shadow.refresh_from_db()
    assert shadow.cancel_asked_at is not None


def test_intervals_are_set_for_each_entity_type_and_for_what_vanishes(acme_operator, connection):
    address = f"{CONNECTIONS}{connection.pk}/rhythm/"

    answer = acme_operator.post(
        address, {"every-teams": "86400", "reconcile": str(30 * 86_400)}, follow=True
    )

    assert "2 changed." in answer.content.decode()
    assert EntityTypeStatus.objects.get(entity_type="teams").interval_seconds == 86_400
    connection.refresh_from_db()
    assert connection.reconcile_seconds == 30 * 86_400
    acme_operator.post(address, {"every-teams": "", "reconcile": "0"})
    assert EntityTypeStatus.objects.get(entity_type="teams").interval_seconds is None
    connection.refresh_from_db()
    assert connection.reconcile_seconds == 0


def test_full_reads_are_set_for_each_entity_type(acme_operator, connection):
    address = f"{CONNECTIONS}{connection.pk}/rhythm/"

    answer = acme_operator.post(address, {"in-full-teams": "86400"}, follow=True)

    html = answer.content.decode()
    assert "1 changed." in html
    assert EntityTypeStatus.objects.get(entity_type="teams").reconcile_seconds == 86_400
    assert '<select name="in-full-teams" aria-label="teams in full">' in html
    assert html.count('<option value="86400" selected>') == 1
    refused = acme_operator.post(address, {"in-full-teams": "60"}, follow=True)
    assert "Teams: Choose between one day and 90 days" in refused.content.decode()


def test_an_interval_the_provider_does_not_allow_is_not_offered_and_refused_with_the_reason(
    acme_operator, connection
):
    html = acme_operator.get(page_of(connection)).content.decode()
    why = "allows messages to be read once in 1 day."
    assert why in html
    assert '<option value="60" disabled>' in html

    answer = acme_operator.post(
        f"{CONNECTIONS}{connection.pk}/rhythm/",
        {"every-messages": "60", "reconcile": "7"},
        follow=True,
    )

    html = answer.content.decode()
    assert f"Messages: Microsoft Teams {why}" in html
    assert "Choose between one day and 90 days" in html
    assert not EntityTypeStatus.objects.exclude(interval_seconds=None).exists()


def test_chosen_types_are_read_again_from_a_date_or_from_the_beginning(acme_operator, connection):
    address = f"{CONNECTIONS}{connection.pk}/read-again/"

    acme_operator.post(address, {"entity_type": ["teams"], "not_before": "2026-01-31"})
    run = SyncRun.objects.get()
    assert (run.mode, run.entity_types) == ("backfill", ["teams"])
    assert run.not_before == datetime(2026, 1, 31, tzinfo=UTC)

    again = acme_operator.post(address, {"entity_type": ["*"]}, follow=True)
    assert "ask for the full sync when that run has ended" in again.content.decode()


def test_what_reading_chosen_types_again_would_do_is_shown_before_it_is_done(
    acme_operator, connection
):
    address = f"{CONNECTIONS}{connection.pk}/read-again/"
    html = acme_operator.get(page_of(connection)).content.decode()
    assert ">Shadow diff of these</button>" in html

    answer = acme_operator.post(address, {"entity_type": ["teams"], "look": "yes"})

    shadow = ShadowDiff.objects.get()
    assert answer["Location"] == f"{SHADOWS}{shadow.pk}/change/"
    assert (shadow.mode, shadow.entity_types, shadow.state) == ("full", ["teams"], "queued")
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Choose entity types to read again, or all of them."),
        ({"entity_type": "teams", "not_before": "31.1."}, "Enter the day as 2026-01-31."),
        ({"entity_type": "teams", "not_before": "2999-01-01"}, "A backfill begins in the past."),
        ({"entity_type": "nothing"}, "has no entity type &#x27;nothing&#x27;"),
        (
            {"entity_type": "teams", "not_before": "2026-01-31", "look": "yes"},
            "What only looks takes no date; leave it empty.",
        ),
    ],
)
def test_what_cannot_be_read_again_is_said(acme_operator, connection, sent, said):
    address = f"{CONNECTIONS}{connection.pk}/read-again/"

    assert said in acme_operator.post(address, sent, follow=True).content.decode()
    assert not SyncRun.objects.exists()
    assert not ShadowDiff.objects.exists()


def test_a_run_says_in_words_which_types_wait_and_which_are_read_elsewhere(viewer, connection):
    counts = {"teams": {"state": "waiting"}, "messages": {"state": "backfill"}}
    run = SyncRunFactory(connection=connection, counts=counts, lane="backfill")

    html = viewer.get(f"/t/acme/admin/integrations/syncrun/{run.pk}/change/").content.decode()

    assert "Not due yet" in html
    assert "In the backfill" in html
    assert "Vanished" in html


def test_a_pre_flight_is_asked_for_by_a_button_and_shows_each_type(acme_operator, connection):
    acme_operator.post(f"{CONNECTIONS}{connection.pk}/act/", {"action": "preflight"})
    assert Due.objects.filter(kind="preflight", object_id=connection.pk).exists()
    line = {"outcome": "rejected", "read": 5, "rejected": 2, "calls": 1, "reason": "No name."}
    Preflight.objects.update(
        lines={"teams": line}, checked_at=timezone.now(), made_because="asked", wanted_because=""
    )

    html = acme_operator.get(page_of(connection)).content.decode()

    assert "Some rejected" in html
    assert "No name." in html
