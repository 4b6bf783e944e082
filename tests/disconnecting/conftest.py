"""Connections that are to end: connected at the sandbox, synced, then disconnected by a worker."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.conf import settings

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import tasks
from integrations.models import Connection, Disconnection
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.roles import Role
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
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claim is not None
    result = work_slice(claim.due_id, claim.fence, seconds=60, watch=LeaseWatch())
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
