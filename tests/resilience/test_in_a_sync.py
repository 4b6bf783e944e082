"""F18 in a whole sync: a provider that fails is left alone, and asked again when it may be back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.limits import Circuit
from hub.fleet.models import Due
from integrations.models import Connection, Record, SyncRun
from integrations.services.connections import connect_with_key
from integrations.services.freshness import freshness_of
from integrations.sync.engine import SliceResult, work_slice
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tests.api.test_freshness import a_minute_later
from tests.connecting.conftest import World, running, world

__all__ = ["running", "world"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def connection(world: World, operator: Actor) -> Connection:
    world.control("set", limits=False)
    return connect_with_key(provider="copper", secrets=world.key(), actor=operator)


def work(connection: Connection) -> SliceResult:
    due = Due.objects.get(object_id=connection.pk, lane="live")
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    return work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())


def asked(world: World) -> list[dict[str, Any]]:
    return [one for one in world.requests() if one["slug"] == "copper"]


def test_a_provider_that_fails_is_left_alone_until_a_trial_shows_it_is_back(
    world: World, connection: Connection
) -> None:
    assert work(connection).state == "succeeded"
    count = Record.objects.present().count()
    world.forget_requests()
    world.control("fault", slug="copper", status=503, count=None)

    begun_at = timezone.now()

    while not Circuit.objects.filter(state="open").exists():
        work(connection)  # up to three tries each, and the fifth failure opens the circuit
        assert len(asked(world)) <= 5
    assert len(asked(world)) == 5
    result = work(connection)

    assert len(asked(world)) == 5
    assert "failed several times in a row" in result.sentence
    assert {row.state for row in Circuit.objects.all()} == {"open"}
    due = Due.objects.get(object_id=connection.pk, lane="live")
    assert due.due_at is not None
    assert begun_at + timedelta(seconds=50) < due.due_at < timezone.now() + timedelta(seconds=61)

    one = Record.objects.present().first()
    assert one is not None
    assert Record.objects.present().count() == count
    assert [age.reason for age in freshness_of([one]).values()] == ["provider_unavailable"]

    world.control("clear_faults")
    a_minute_later()
    assert work(connection).state == "succeeded"

    assert SyncRun.objects.latest("created_at").state == "succeeded"
    assert [age.reason for age in freshness_of([one]).values()] == [""]
    actions = AuditEvent.objects.filter(target_kind="circuit").order_by("at", "seq")
    assert [each.action for each in actions if "connection" in each.target_label] == [
        "circuit.opened",
        "circuit.tried",
        "circuit.closed",
    ]
