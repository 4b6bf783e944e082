"""Deciding about deletions that were held back."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from integrations.connectors.registry import get_connector
from integrations.destinations.postgres import order_changes
from integrations.errors import RefusedError
from integrations.models import Connection, DeletionReview, Record
from integrations.sync.deletions import apply_review
from integrations.sync.status import publish_reviews
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
    order_changes()  # before the review is held, as the engine does
    row = DeletionReview.objects.select_for_update(of=("self",)).get(pk=review.pk)
    if row.state != DeletionReview.State.PENDING:
        raise RefusedError(f"This was decided already: {row.get_state_display().lower()}.")
    deleted = apply_review(row) if approve else 0
    row.state = DeletionReview.State.APPROVED if approve else DeletionReview.State.REFUSED
    row.decided_at, row.decided_by = timezone.now(), actor.label[:200]
    row.save(update_fields=["state", "decided_at", "decided_by"])
    review.state, review.decided_at, review.decided_by = row.state, row.decided_at, row.decided_by
    publish_reviews(row.connection)
    record_event(
        AuditAction.DELETIONS_APPROVED if approve else AuditAction.DELETIONS_REFUSED,
        actor=actor,
        target=row.connection,
        detail={"review": str(row.pk), "entity_type": row.entity_type, "deleted": deleted},
    )
    return deleted


def doomed(review: DeletionReview, *, at_most: int) -> list[Record]:
    """The first records of the review, without their data; those deleted meanwhile too."""
    found = DeletionReview.objects.filter(pk=review.pk)
    ids = found.values_list(f"record_ids__0_{at_most}", flat=True).first() or []
    return list(Record.objects.filter(pk__in=ids).defer("data", "raw").order_by("pk"))


def titles_of_parents(connection: Connection, records: Sequence[Record]) -> dict[str, str]:
    """What the parents are called that `records` were listed under, by scope; one query at most."""
    types = get_connector(connection.provider).entity_types
    parent_of = {each.name: each.parent for each in types}
    scopes = {record.scope for record in records if record.scope}
    if not scopes:
        return {}
    parents = Record.objects.filter(
        source_system=connection.source_system,
        entity_type__in={parent_of.get(record.entity_type) or "" for record in records},
        source_id__in=scopes,
    )
    return dict(parents.values_list("source_id", "title"))
