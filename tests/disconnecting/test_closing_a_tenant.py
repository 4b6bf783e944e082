"""Closing a tenant ends its access at every provider first, and is finished after any crash."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection as database

from hub.audit.models import AuditAction, AuditEvent
from integrations.errors import TenantNotActiveError
from integrations.models import Connection
from integrations.services.connect_links import create_connect_session
from integrations.services.connections import connect_with_key
from tenants.actor import Actor
from tenants.bi_access import end_bi_access, open_bi_access
from tenants.context import in_closing_tenant, in_tenant
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.views import has_reader
from tests import warm
from tests.connecting.conftest import Browser, World
from tests.disconnecting.conftest import revocations
from tests.faults.conftest import database_url
from tests.interrupted import Process, cases, interrupt

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.public]

SYSTEM = Actor.system("tests")
POINTS = (
    "after_lock_out",
    "before_revoke",
    "after_revoke_call:1",
    "after_revoke_call:2",
    "after_forget",
    "after_connection:1",
    "after_connection:3",
    "after_revoke_all",
    "after_drop_schema",
)
OTHERS = (("after_connection:1", "STOP"), ("after_forget", "RAISE"))


@pytest.fixture
def initech(transactional_db: None, apps: World, browser: Browser) -> Iterator[Tenant]:
    """A tenant connected to QuickBooks, Slack and Copper, with a login for BI tools."""
    tenant = create_tenant(slug="initech", name="Initech", actor=SYSTEM)
    for provider in ("quickbooks", "slack"):
        _, token = create_connect_session(tenant=tenant, actor=SYSTEM)
        browser.connect(token, provider)
    with in_tenant(tenant):
        connect_with_key(provider="copper", secrets=browser.world.key(), actor=SYSTEM)
        assert Connection.objects.active().count() == 3
    open_bi_access(tenant=tenant, actor=SYSTEM)
    yield tenant
    end_bi_access(tenant=tenant, actor=SYSTEM)
    with database.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {tenant.schema_name} CASCADE")


COMMAND = ("manage.py", "close_tenant", "initech", "--yes")


def closing(world: World, crash: str = "") -> warm.Process:
    return warm.start(*COMMAND, env=_in(world, crash))


def closing_as_a_person_does(world: World) -> "subprocess.Popen[str]":
    """Started cold."""
    command = [sys.executable, *COMMAND]
    return subprocess.Popen(
        command, cwd=warm.ROOT, env=_in(world), stderr=subprocess.PIPE, text=True
    )


def _in(world: World, crash: str = "") -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "hub.settings.test",
        "HUB_PROVIDER_ADDRESSES": json.dumps(world.sandbox.addresses()),
        "HUB_CRASH": crash,
    }


def revoked(tenant: Tenant) -> list[str]:
    """How revoking ended for each connection, as audited."""
    steps = AuditEvent.objects.filter(
        action=AuditAction.CONNECTION_DISCONNECT_STEP, tenant_id=tenant.pk, detail__step="revoke"
    )
    return sorted(event.detail["outcome"] for event in steps)


def test_every_access_is_ended_and_how_that_went_is_in_the_audit(
    initech: Tenant, world: World
) -> None:
    call_command("close_tenant", "initech", "--yes")

    assert revocations(world, "quickbooks") == [200]
    assert revocations(world, "slack") == [200]
    assert revoked(initech) == ["done", "done", "not_possible"]
    assert Tenant.objects.get(pk=initech.pk).state == "closed"


def test_a_provider_that_is_away_is_asked_twice_and_named_in_the_audit(
    initech: Tenant, world: World
) -> None:
    world.control("fault", slug="quickbooks", path="tokens/revoke", status=503, count=None)

    call_command("close_tenant", "initech", "--yes")

    assert revocations(world, "quickbooks") == [503, 503]
    assert revoked(initech) == ["done", "failed", "not_possible"]
    event = AuditEvent.objects.get(detail__step="revoke", outcome="failed")
    assert "QuickBooks" in event.detail["sentence"]
    assert Tenant.objects.get(pk=initech.pk).state == "closed"


@pytest.mark.parametrize(("point", "action"), cases(POINTS, OTHERS))
def test_closing_that_was_killed_is_finished_by_closing_again(
    point: str, action: str, initech: Tenant, world: World
) -> None:
    """Or broke, hung or froze on its way."""

    def go_on() -> Process:
        assert Tenant.objects.get(pk=initech.pk).state == "closing"
        return closing_as_a_person_does(world) if point == POINTS[0] else closing(world)

    code, said = interrupt(lambda order: closing(world, order), point, action, go_on)

    assert code == 0, said
    assert Tenant.objects.get(pk=initech.pk).state == "closed"
    assert revocations(world, "quickbooks").count(200) == 1
    assert revoked(initech) == ["done", "done", "not_possible"]
    assert not has_reader(initech.schema_name)


def test_the_door_for_closing_is_shut_while_a_tenant_is_open(acme: Tenant) -> None:
    with pytest.raises(TenantNotActiveError), in_closing_tenant(acme):
        pass
