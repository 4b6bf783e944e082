"""Asking a worker to look for identities, what it does then, and how it went the last time.

A step of its own: asked for by a person, never part of a sync, and nothing it finds is applied.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from hub.audit.models import AuditAction, AuditEvent
from hub.audit.record import record_event
from hub.fleet.models import Due
from integrations.errors import FencedError
from integrations.services.identities import resolve_identities
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.roles import Role

LANE = "identities"


@dataclass(frozen=True)
class LastLook:
    """How the last step ended, `at` None if there was none; whether one is asked for now.

    `gave_up` says that workers have tried the one asked for too often.
    """

    at: datetime | None
    by: str
    records: int
    candidates: int
    new: int
    is_asked_for: bool
    gave_up: bool


@requires_role(Role.OPERATOR)
@transaction.atomic
def request_identities(*, actor: Actor) -> None:
    """A worker looks for identities now. Asking again before it has ended changes nothing."""
    tenant = current_tenant()
    fresh = {"due_at": Now(), "attempts": 0, "failures": 0, "parked_reason": ""}
    Due.objects.update_or_create(
        tenant=tenant,
        kind=Due.Kind.IDENTITIES,
        object_id=tenant.pk,
        lane=LANE,
        defaults=fresh,
    )
    record_event(AuditAction.IDENTITIES_REQUESTED, actor=actor, target=tenant)


def look_for_identities(*, due_id: UUID, fence: int) -> str:
    """Take the step that was asked for and give the lease back; return a short sentence.

    Raises:
        FencedError: another worker has taken over. What was found stays, and is found again.
    """
    found = resolve_identities(actor=Actor.system("worker"))
    gone, _ = Due.objects.filter(pk=due_id, fence=fence).delete()
    if not gone:
        raise FencedError("Another worker has taken over.")
    waiting = "1 group waits" if found.candidates == 1 else f"{found.candidates} groups wait"
    return f"Compared {found.records} records: {waiting}."


def last_look() -> LastLook:
    """The tenant's last step, from the audit log, and the one that is asked for; two queries."""
    tenant = current_tenant()
    events = AuditEvent.objects.filter(
        tenant_id=tenant.pk, action=AuditAction.IDENTITIES_RESOLVED
    ).order_by("-at")
    event = events.first()
    detail = event.detail if event else {}
    due = Due.objects.filter(tenant=tenant, kind=Due.Kind.IDENTITIES).first()
    return LastLook(
        at=event.at if event else None,
        by=event.actor_label if event else "",
        records=int(detail.get("records", 0)),
        candidates=int(detail.get("candidates", 0)),
        new=int(detail.get("new", 0)),
        is_asked_for=due is not None and due.due_at is not None,
        gave_up=due is not None and due.due_at is None,
    )
