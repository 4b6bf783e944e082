"""Replaying a rejected record: today's connector on the bytes of then."""

import json
from typing import Any

import pytest

from hub.audit.models import AuditEvent
from hub.fleet.models import Due
from integrations.errors import AlreadyRunningError, PermissionRefusedError, RefusedError
from integrations.models import Record, RejectedRecord
from integrations.services.records import replay_rejected
from tenants.actor import Actor
from tenants.roles import Role
from tests.engine.acme_provider import company, person
from tests.engine.conftest import stored, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def rejected(connection, server) -> RejectedRecord:
    server.rows["companies"][4] = {"id": "c4", "changed": 1}
    work(connection)
    return RejectedRecord.objects.get()


def test_what_can_be_read_now_is_stored_and_resolved(rejected, operator):
    RejectedRecord.objects.update(raw=json.dumps(company(4)).encode())
    rejected.refresh_from_db()

    said = replay_rejected(rejected=rejected, actor=operator)

    assert said == "Stored as a record."
    assert Record.objects.get(source_id="c4").data["name"] == "Company 4"
    rejected.refresh_from_db()
    assert rejected.resolved_at is not None
    assert AuditEvent.objects.filter(action="record.replayed").count() == 1


def test_what_is_still_wrong_stays_rejected_with_its_reason(rejected, operator):
    said = replay_rejected(rejected=rejected, actor=operator)

    assert said.startswith("Still rejected: The field 'name' is missing")
    rejected.refresh_from_db()
    assert (rejected.times, rejected.resolved_at) == (2, None)


def test_a_replay_leaves_the_schedule_as_it_was(rejected, operator):
    before = Due.objects.values("due_at", "lease_until", "attempts", "run_id").get()

    replay_rejected(rejected=rejected, actor=operator)

    assert Due.objects.values("due_at", "lease_until", "attempts", "run_id").get() == before


def test_a_replay_waits_for_a_sync_that_is_running(rejected, operator):
    from datetime import timedelta

    from django.utils import timezone

    Due.objects.update(lease_until=timezone.now() + timedelta(minutes=1))

    with pytest.raises(AlreadyRunningError, match="replay when it is done"):
        replay_rejected(rejected=rejected, actor=operator)


def test_a_viewer_may_not_replay(rejected):
    viewer = Actor(kind="user", id="1", label="v@example.com", role=Role.VIEWER)

    with pytest.raises(PermissionRefusedError):
        replay_rejected(rejected=rejected, actor=viewer)


def test_what_has_arrived_since_is_not_set_back_by_a_replay(connection, server, rejected, operator):
    RejectedRecord.objects.update(raw=json.dumps(company(4, name="Of then")).encode())
    rejected.refresh_from_db()
    server.rows["companies"][4] = company(4, name="Of now")
    work(connection)

    with pytest.raises(RefusedError, match="has arrived since"):
        replay_rejected(rejected=rejected, actor=operator)

    assert Record.objects.get(source_id="c4").data["name"] == "Of now"


def test_what_is_deleted_at_the_provider_is_not_set_aside_any_more(connection, server, rejected):
    server.rows["companies"][4] = {"id": "c4", "gone": True}

    work(connection)

    rejected.refresh_from_db()
    assert rejected.resolved_at is not None


def test_a_replay_of_an_older_version_replaces_no_newer_one(connection, server, operator):
    server.rows["people"] = [person(1, name="New", changed=1_760_000_100)]
    work(connection)
    server.rows["people"] = [person(1, name="", changed=1_760_000_000)]
    work(connection)
    rejected = repaired(person(1, name="Old", changed=1_760_000_000))

    said = replay_rejected(rejected=rejected, actor=operator)

    assert said == "A newer version is stored already; nothing was changed."
    assert stored("people") == {"p1": "New"}
    rejected.refresh_from_db()
    assert rejected.resolved_at is not None


def test_what_was_replayed_is_replaced_by_no_older_version(connection, server, operator):
    server.rows["people"] = [person(1, name="", changed=1_760_000_100)]
    work(connection)
    rejected = repaired(person(1, name="New", changed=1_760_000_100))
    assert replay_rejected(rejected=rejected, actor=operator) == "Stored as a record."
    server.rows["people"] = [person(1, name="Old", changed=1_760_000_000)]

    work(connection)

    assert stored("people") == {"p1": "New"}


def repaired(row: dict[str, Any]) -> RejectedRecord:
    """The rejected record, as if a connector of today could read it."""
    RejectedRecord.objects.update(raw=json.dumps(row).encode())
    return RejectedRecord.objects.get()
