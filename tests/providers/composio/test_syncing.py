"""The same records, whoever holds the access; and an outage that stays where it is."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import Due
from integrations.models import Connection, SyncRun
from integrations.sandbox.composio import Composio
from integrations.services.provider_apps import save_provider_app
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant
from tests.connecting.conftest import World
from tests.providers.composio.conftest import (
    SHOWN,
    connected,
    natively,
    records,
    sync,
    use_key,
)

pytestmark = pytest.mark.django_db

OPERATOR_OF_ALL = Actor.system("tests")


def calls(world: World, slug: str) -> list[dict[str, Any]]:
    return [one for one in world.requests() if one["slug"] == slug]


@pytest.mark.parametrize("provider", SHOWN)
def test_a_full_and_an_incremental_sync_store_what_own_oauth_stores(
    provider: str, composio: Composio, world: World, globex: Tenant
) -> None:
    own = natively(world, provider)
    assert sync(own).state == "succeeded"
    by_own = records(own)
    with in_tenant(globex):
        through = connected(world, provider)
        world.forget_requests()
        assert sync(through).state == "succeeded"
        by_composio = records(through)

        assert through.source_system == own.source_system
        assert by_composio == by_own
        assert len({entity_type for entity_type, _ in by_composio}) >= 2

        # Every call to the provider was Composio's, and counted as one of ours.
        asked, handed_on = calls(world, "composio"), calls(world, provider)
        assert len(asked) == len(handed_on) == SyncRun.objects.get(connection=through).calls

        entity = {"gmail": "messages", "slack": "users", "hubspot": "contacts"}[provider]
        world.control("add", slug=provider, entity=entity, count=2)
        assert sync(through).state == "succeeded"
        assert len(records(through)) == len(by_composio) + 2


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"reset": "before"}, {"html": True}, {"truncate": 20}]
)
def test_when_composio_is_down_its_calls_fail_at_once_and_other_connections_go_on(
    fault: dict[str, Any], composio: Composio, world: World
) -> None:
    through, own = connected(world, "slack"), natively(world, "slack", number=1)
    world.control("fault", slug="composio", count=None, **fault)
    world.forget_requests()

    result = sync(through)

    assert len(calls(world, "composio")) == 1, "it is not asked again and again"
    run = SyncRun.objects.get(connection=through)
    assert run.is_open
    assert run.error_code == "gateway_unavailable"
    assert "Composio" in run.error
    assert result.sentence.startswith("Waits 60 s: Composio ")
    through.refresh_from_db()
    assert through.status == Connection.Status.ACTIVE

    assert sync(own).state == "succeeded"
    assert records(own)

    world.control("clear_faults")
    assert sync(through).state == "succeeded"
    assert records(through)


def test_a_provider_that_throttles_is_waited_for_as_it_asks(
    composio: Composio, world: World
) -> None:
    through = connected(world, "slack")
    headers = {"Retry-After": "47"}
    body = '{"ok": false, "error": "ratelimited"}'
    world.control("fault", slug="slack", count=None, status=429, headers=headers, body=body)

    result = sync(through)

    assert "Slack" in result.sentence and "47 s" in result.sentence


def test_an_access_that_has_ended_at_the_provider_asks_for_a_person(
    composio: Composio, world: World
) -> None:
    through = connected(world, "hubspot")
    world.control("revoke", slug="hubspot", account=through.account_id)

    sync(through)

    through.refresh_from_db()
    assert through.status == Connection.Status.NEEDS_REAUTH
    assert "reconnect" in through.customer_message
    assert Due.objects.get(object_id=through.pk).due_at is None


@pytest.mark.parametrize("provider", SHOWN)
def test_an_account_that_expires_at_composio_asks_for_a_person(
    provider: str, composio: Composio, world: World
) -> None:
    through = connected(world, provider)
    world.control("revoke", slug="composio", account="nordlicht")

    sync(through)

    through.refresh_from_db()
    assert through.status == Connection.Status.NEEDS_REAUTH


def test_an_account_deleted_at_composio_asks_for_a_person(composio: Composio, world: World) -> None:
    through = connected(world, "slack")
    composio.held.clear()

    sync(through)

    through.refresh_from_db()
    assert through.status == Connection.Status.NEEDS_REAUTH


def test_a_key_that_is_not_accepted_is_an_operators_matter_until_it_is_replaced(
    composio: Composio, world: World
) -> None:
    through = connected(world, "slack")
    use_key("ak_replaced_by_somebody")

    for _ in range(2):
        result = sync(through)
        assert "API key" in result.sentence
        assert "ak_replaced" not in result.sentence

    through.refresh_from_db()
    assert (through.status, through.error_code) == (Connection.Status.BROKEN, "app_refused")
    assert "ak_replaced" not in through.error
    alarms = AuditEvent.objects.filter(action=AuditAction.PROVIDER_APP_REFUSED)
    assert alarms.count() == 1

    save_provider_app(
        provider="composio", client_id="hub", client_secret=composio.key, actor=OPERATOR_OF_ALL
    )

    due = Due.objects.get(object_id=through.pk)
    assert due.due_at is not None and due.due_at <= timezone.now()
    assert sync(through).state == "succeeded"
    through.refresh_from_db()
    assert through.status == Connection.Status.ACTIVE


def test_after_five_failures_nobody_asks_composio_and_own_oauth_is_not_held_up(
    composio: Composio, world: World
) -> None:
    through, own = connected(world, "slack"), natively(world, "slack", number=1)
    world.control("fault", slug="composio", count=None, status=502)
    for _ in range(5):
        sync(through)
    world.forget_requests()

    result = sync(through)

    assert calls(world, "composio") == []
    assert "Slack through Composio" in result.sentence
    assert sync(own).state == "succeeded"
