"""Asking for a shadow diff, and ending one."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fleet.models import Due
from integrations.errors import InvalidInputError
from integrations.models import Connection, ShadowDiff, SyncRun
from integrations.services.rhythm import refuse_too_soon
from integrations.services.syncs import check_entity_types
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.roles import Role

KEPT = 10  # of a connection, the newest; they hold what its records say


@requires_role(Role.OPERATOR)
@transaction.atomic
def request_shadow(
    *, connection: Connection, mode: str, actor: Actor, entity_types: Sequence[str] = ()
) -> ShadowDiff:
    """Return a new shadow diff of `connection` that a worker begins now, or the one that is open.

    Raises:
        ConnectionNotActiveError: it is paused, or waits for a person to reconnect it.
        InvalidInputError: the provider has no such entity type, or there is no such mode.
        ReadTooSoonError: a full sync is not allowed yet either, see `request_sync`.
    """
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    row.check_can("be read")
    if mode not in ShadowDiff.MODES:
        problem = f"There is no shadow diff {mode!r}; use {' or '.join(ShadowDiff.MODES)}."
        raise InvalidInputError(problem, {"mode": [problem]})
    check_entity_types(row, entity_types)
    open_one: ShadowDiff | None = ShadowDiff.objects.open().filter(connection=row).first()
    if open_one is not None:
        return open_one
    if mode == SyncRun.Mode.FULL:
        refuse_too_soon(row, entity_types)
    newest = ShadowDiff.objects.filter(connection=row).values_list("pk", flat=True)
    ShadowDiff.objects.filter(connection=row).exclude(pk__in=list(newest[: KEPT - 1])).delete()
    shadow = ShadowDiff.objects.create(
        connection=row, mode=mode, entity_types=list(entity_types), asked_by=actor.label[:200]
    )
    Due.objects.create(
        kind=Due.Kind.SHADOW,
        tenant=current_tenant(),
        object_id=shadow.pk,
        provider=row.provider,
        due_at=Now(),
    )
    record_event(
        AuditAction.SYNC_REQUESTED,
        actor=actor,
        target=row,
        detail={"shadow": str(shadow.pk), "mode": mode, "entity_types": shadow.entity_types},
    )
    return shadow


@requires_role(Role.OPERATOR)
@transaction.atomic
def cancel_shadow(*, shadow: ShadowDiff, actor: Actor) -> ShadowDiff:
    """Return the diff ended, or asked to end if a worker is at it. What it has found stays.

    Safe to call twice, and for one that has ended already.
    """
    row = ShadowDiff.objects.select_for_update(of=("self",)).get(pk=shadow.pk)
    if not row.is_open:
        return row
    row.cancel_asked_at = row.cancel_asked_at or database_now()
    if Due.objects.for_object(row).free().delete()[0]:
        row.state, row.ended_at, row.positions = row.State.CANCELLED, database_now(), {}
        row.batches.all().delete()
    row.save(update_fields=["cancel_asked_at", "state", "ended_at", "positions"])
    return row


@transaction.atomic
def end_parked_shadow(*, due: Due) -> None:
    """End the diff of work that was parked after too many claims without progress."""
    ShadowDiff.objects.open().filter(pk=due.object_id).update(
        state=ShadowDiff.State.FAILED,
        ended_at=database_now(),
        error_code=due.parked_reason,
        error="The worker ended again and again without progress. Look for memory or time limits.",
    )
    Due.objects.filter(pk=due.pk, fence=due.fence).delete()
