"""Attempts that failed: each claim that came to nothing leaves one audit event.

Whoever settles its work says so itself. Of a worker that was killed, hung or overtaken nobody says
anything until the lease is found to have run out; whoever finds it writes the event, with the
fence of the claim that is lost.
"""

from uuid import UUID

from django.db import models, transaction

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_event
from hub.fleet.models import Due
from tenants.actor import Actor

LEASE_RAN_OUT = "lease_ran_out"
WORKER_ENDED = "worker_ended"


def attempt_of(due: Due, fence: int | None = None) -> dict[str, object]:
    """Which attempt an event is about; the present one unless another `fence` is named."""
    return {"due": str(due.pk), "fence": due.fence if fence is None else fence}


def audit_failed(
    due: Due, *, reason: str, fence: int | None = None, target: models.Model | None = None
) -> None:
    """Write that an attempt came to nothing, and why; in the transaction that gives it back."""
    record_event(
        AuditAction.ATTEMPT_FAILED,
        outcome=Outcome.FAILED,
        actor=Actor.system("worker"),
        target=target or due,
        tenant_id=due.tenant_id,
        detail={
            **attempt_of(due, fence),
            "kind": due.kind,
            "object": str(due.object_id),
            "run": str(due.run_id) if due.run_id else None,
            "reason": reason,
        },
    )


def free_lost(worker_id: UUID) -> int:
    """Free what a worker held whose processes are gone; return how many rows that was."""
    held = Due.objects.filter(leased_by=worker_id, lease_until__isnull=False)
    with transaction.atomic():
        for due in held.exclude(started_at=None).select_for_update():
            audit_failed(due, reason=WORKER_ENDED)
        return Due.objects.free_all(worker_id)
