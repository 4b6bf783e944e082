"""Deciding about deletions that were held back."""

from django.db import transaction
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from integrations.errors import RefusedError
from integrations.models import DeletionReview
from integrations.sync.deletions import apply_review
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role


@requires_role(Role.OPERATOR)
@transaction.atomic
def decide_deletions(*, review: DeletionReview, approve: bool, actor: Actor) -> int:
    """Delete the records of the review, or keep them for good; return how many were deleted.

    What has changed since it was found is there again and stays.

    Raises:
        RefusedError: somebody has decided already, or the records came back.
    """
    row = DeletionReview.objects.select_for_update().get(pk=review.pk)
    if row.state != DeletionReview.State.PENDING:
        raise RefusedError(f"This was decided already: {row.get_state_display().lower()}.")
    deleted = apply_review(row) if approve else 0
    row.state = DeletionReview.State.APPROVED if approve else DeletionReview.State.REFUSED
    row.decided_at, row.decided_by = timezone.now(), actor.label[:200]
    row.save(update_fields=["state", "decided_at", "decided_by"])
    review.state, review.decided_at, review.decided_by = row.state, row.decided_at, row.decided_by
    record_event(
        AuditAction.DELETIONS_APPROVED if approve else AuditAction.DELETIONS_REFUSED,
        actor=actor,
        target=row.connection,
        detail={"review": str(row.pk), "entity_type": row.entity_type, "deleted": deleted},
    )
    return deleted
