"""Connections that are to end: connected at the sandbox, synced, then disconnected by a worker."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection as database

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.models import Connection, Disconnection, Record
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.roles import Role
from tests.admin.conftest import make_record
from tests.connecting.conftest import (
    Browser,
    World,
    apps,
    browser,
    copper,
    link,
    quickbooks,
    running,
    world,
)

__all__ = ["apps", "browser", "copper", "link", "quickbooks", "running", "world"]

REVOKE = {"quickbooks": "tokens/revoke", "slack": "auth.revoke"}


@pytest.fixture
def admin() -> Actor:
    return Actor(kind="user", id="1", label="admin@example.com", role=Role.ADMIN)


@pytest.fixture
def slack(browser: Browser, link: str, inside_acme: None) -> Connection:
    browser.connect(link, "slack")
    return Connection.objects.get(provider="slack")


@pytest.fixture
def connected(request: pytest.FixtureRequest) -> Callable[[str], Connection]:
    """The connection to a provider by its slug."""
    return request.getfixturevalue


def sync(connection: Connection) -> None:
    """Run one slice, which reads all there is."""
    due = Due.objects.get(object_id=connection.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    result = work_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())
    assert result.state == "succeeded", result.sentence


def work(asked: Disconnection) -> str:
    """Let a worker take what is left, as the queue would call it; return its sentence."""
    due = Due.objects.get(kind=Due.Kind.DISCONNECT, object_id=asked.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=settings.HUB_LEASE_SECONDS)
    assert claim is not None
    return tasks.work(str(claim.tenant_id), str(claim.due_id), claim.fence)


def revocations(world: World, slug: str = "quickbooks") -> list[int]:
    """The status of every call that asked the provider to end an access."""
    return [one["status"] for one in world.requests() if REVOKE[slug] in one["path"]]


def steps_audited() -> list[tuple[str, str]]:
    """(step, outcome) as audited, in order of arrival."""
    events = AuditEvent.objects.filter(action=AuditAction.CONNECTION_DISCONNECT_STEP)
    return [(one.detail["step"], one.detail["outcome"]) for one in events.order_by("id")]


def make_many_records(connection: Connection) -> Record:
    """12,000 records of the connection's account; the first is returned."""
    first = make_record(connection, 20_000)
    with database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO integrations_record (source_system, entity_type, source_id, scope,"
            " connection_id, run_id, generation, record_type, title, data, raw, content_hash,"
            " first_seen_at, changed_at, change_seq) SELECT source_system, entity_type, n::text,"
            " scope, connection_id, run_id, generation, record_type, title, data, raw,"
            " content_hash, first_seen_at, changed_at, n FROM integrations_record,"
            " generate_series(1, 11999) n"
        )
    return first


def opens_something(world: World, connection: Connection, token: str) -> bool:
    addresses = world.sandbox.addresses()
    bearer = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if connection.provider == "slack":
        answer = world.http.post(f"{addresses['https://slack.com']}/api/auth.test", headers=bearer)
        return bool(answer.json()["ok"])
    base, account = addresses["https://quickbooks.api.intuit.com"], connection.account_id
    path = f"{base}/v3/company/{account}/companyinfo/{account}"
    return world.http.get(path, headers=bearer).status_code == 200
