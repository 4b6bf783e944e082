"""F29: a provider has forgotten where we were. All is read again, but not again and again."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fleet.models import Due
from integrations.errors import CheckpointExpiredError, ProviderUnavailableError
from integrations.models import Connection, EntityTypeStatus, Record
from integrations.services.syncs import request_sync
from tenants.actor import Actor
from tests.engine.acme_provider import AcmeConnector, company
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db

SYSTEM = Actor.system("tests")


@pytest.fixture
def synced(connection, server) -> Connection:
    work(connection)
    server.asked.clear()
    return connection


def forget(server, times: int = 1) -> None:
    """The provider knows nothing of our position the next `times` it is asked."""
    server.fail_at[("companies", 0)] = [CheckpointExpiredError("gone") for _ in range(times)]


def companies() -> EntityTypeStatus:
    return EntityTypeStatus.objects.get(entity_type="companies")


def begun_again() -> int:
    return AuditEvent.objects.filter(action="sync.begun_again").count()


def pass_hours(hours: float) -> None:
    """As if that much time had passed since the provider forgot."""
    status, by = companies(), timedelta(hours=hours)
    status.resynced_at -= by
    status.waits_until = status.waits_until and status.waits_until - by
    status.save()


def test_a_forgotten_position_begins_one_full_read_and_says_so_once(synced, server):
    forget(server)

    work(synced)
    work(synced)

    assert companies().generation == 2
    event = AuditEvent.objects.get(action="sync.begun_again")
    assert event.target_id == str(synced.pk)
    assert event.detail["entity_type"] == "companies"


def test_what_is_gone_goes_only_when_the_whole_list_has_been_read_again(synced, server):
    server.rows["companies"] = [company(n) for n in range(2, 25)]
    forget(server)
    server.fail_at[("companies", 1)] = [ProviderUnavailableError("down")]

    assert work(synced).state == "running"
    assert Record.objects.present().filter(entity_type="companies").count() == 25
    work(synced)

    assert Record.objects.present().filter(entity_type="companies").count() == 23
    assert begun_again() == 1


def test_forgotten_twice_in_a_day_the_type_waits_and_its_connection_says_why_and_when(
    synced, server
):
    forget(server, 2)
    work(synced)

    assert work(synced).state == "succeeded"

    assert run_of(synced).counts["companies"]["state"] == "waiting"
    assert run_of(synced).counts["people"]["state"] == "done"
    synced.refresh_from_db()
    assert synced.status == Connection.Status.LIMITED
    until = companies().waits_until
    assert "Without companies: Acme in memory has forgotten" in synced.error
    assert f"{until:%d %b %H:%M} UTC" in synced.error
    assert timedelta(hours=23) < until - timezone.now() <= timedelta(hours=24)
    assert begun_again() == 1


def test_a_type_that_waits_is_not_asked_for_and_does_not_hurry_the_schedule(synced, server):
    forget(server, 2)
    work(synced)
    work(synced)
    server.asked.clear()

    work(synced)

    assert {kind for kind, _ in server.asked} == {"people"}
    wait = Due.objects.get(object_id=synced.pk).due_at - timezone.now()
    assert timedelta(minutes=55) < wait < timedelta(minutes=65)


def test_after_a_day_a_type_that_waited_is_read_and_its_connection_whole_again(synced, server):
    forget(server, 3)
    work(synced)
    work(synced)
    pass_hours(25)

    work(synced)

    assert companies().generation == 3
    assert begun_again() == 2
    synced.refresh_from_db()
    assert (synced.status, synced.error) == (Connection.Status.ACTIVE, "")


def test_a_full_sync_somebody_asks_for_does_not_wait(synced, server):
    forget(server, 2)
    work(synced)
    work(synced)
    request_sync(connection=synced, actor=SYSTEM, trigger="manual", mode="full")

    work(synced)

    assert run_of(synced).counts["companies"]["state"] == "done"
    synced.refresh_from_db()
    assert synced.status == Connection.Status.ACTIVE
    assert companies().waits_until is None


def test_a_position_older_than_the_provider_keeps_it_leaves_the_same_event(synced, monkeypatch):
    first, second = AcmeConnector.entity_types
    kept = replace(first, lifetime=timedelta(days=7))
    monkeypatch.setattr(AcmeConnector, "entity_types", (kept, second))
    EntityTypeStatus.objects.update(checkpoint_at=timezone.now() - timedelta(days=8))

    work(synced)

    assert AuditEvent.objects.get(action="sync.begun_again").detail["because"] == "lifetime"


def test_a_position_that_was_too_old_is_not_taken_for_the_first_one_forgotten_that_day(
    synced, server, monkeypatch
):
    first, second = AcmeConnector.entity_types
    kept = replace(first, lifetime=timedelta(days=7))
    monkeypatch.setattr(AcmeConnector, "entity_types", (kept, second))
    EntityTypeStatus.objects.update(checkpoint_at=timezone.now() - timedelta(days=8))
    work(synced)
    forget(server)

    work(synced)

    assert run_of(synced).counts["companies"]["state"] == "done"
    assert (begun_again(), companies().waits_until) == (2, None)
