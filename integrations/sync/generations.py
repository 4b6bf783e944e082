"""When a type is read in full again: asked for, to find what has vanished, or because it must be.

A provider that has forgotten where the last read ended is read in full again once a day at most: a
full read costs as much as the first one did. The second time within a day the type waits; its
connection says why and until when, and the other types go on. What a person asks for never waits.
"""

from datetime import datetime, timedelta
from typing import Any

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from integrations.connectors.registry import get_connector
from integrations.models import Connection, EntityTypeStatus, SweepBatch, SyncRun
from integrations.sync import deletions
from integrations.sync.rhythm import wants_full_read
from integrations.types import EntityType
from tenants.actor import Actor

RESYNC_AT_MOST_EVERY = timedelta(hours=24)


def begin(status: EntityTypeStatus, declared: EntityType, run: SyncRun) -> None:
    """Prepare the type's first slice in a run: a new generation if it must be read in full.

    That is so when it was asked for, when the checkpoint is older than the provider accepts, or
    when it is time to look for what has only vanished. Call it with the fence held.
    """
    is_asked_for = run.mode != SyncRun.Mode.INCREMENTAL
    is_begun = status.checkpoint_at is not None or status.not_before != run.not_before
    if is_asked_for and is_begun:
        new_generation(status, not_before=run.not_before)
    elif _has_outlived(status, declared):
        _resync(status, run, because="lifetime")
    elif is_spent(status, declared, run.connection):
        new_generation(status, not_before=status.not_before)


def is_spent(status: EntityTypeStatus, declared: EntityType, connection: Connection) -> bool:
    """Whether the type must be read in full although nobody asks for it."""
    is_time = status.is_complete and wants_full_read(connection, declared, status)
    return is_time or _has_outlived(status, declared)


def read_again(status: EntityTypeStatus, run: SyncRun) -> bool:
    """Read a type in full whose position is forgotten; False if it waits instead.

    Call it with the fence held: the new generation and its one audit event are committed together.
    Until its read is through, nothing is deleted.
    """
    last = status.resynced_at
    free_at = None if last is None else last + RESYNC_AT_MOST_EVERY
    is_asked_for = run.mode != SyncRun.Mode.INCREMENTAL
    if free_at is None or database_now() >= free_at or is_asked_for:
        _resync(status, run, because="forgotten")
        status.resynced_at = database_now()
        status.save(update_fields=["resynced_at"])
        return True
    status.waits_until = free_at
    status.unavailable_reason = (
        f"{get_connector(run.connection.provider).provider.label} has forgotten for the second"
        f" time within 24 hours where the last sync ended. {status.entity_type.capitalize()} are"
        f" read in full again after {free_at:%d %b %H:%M} UTC, or when a full sync is asked for."
    )
    status.save(update_fields=["waits_until", "unavailable_reason"])
    return False


def prospect(
    connection: Connection, declared: EntityType, status: EntityTypeStatus
) -> dict[str, Any]:
    """What a run's line of the type says before it is read: {"from_start": True, "expected": 40}.

    {} if it goes on; a first read knows nothing of how many to expect.
    """
    if status.checkpoint_at is not None:
        return {}
    if status.full_read_at is None:
        return {"from_start": True}
    return {"from_start": True, "expected": deletions.present(connection, declared)}


def new_generation(status: EntityTypeStatus, *, not_before: datetime | None) -> None:
    """Forget the positions: the next walk begins at the beginning, or at a date. Records stay."""
    status.generation += 1
    status.is_complete = False
    status.checkpoint_at = None
    status.not_before = not_before
    if status.waits_until is not None:
        status.waits_until, status.unavailable_reason = None, ""
    status.save(
        update_fields=[
            "generation",
            "is_complete",
            "checkpoint_at",
            "not_before",
            "waits_until",
            "unavailable_reason",
        ]
    )
    swept = SweepBatch.objects.filter(
        connection_id=status.connection_id, entity_type=status.entity_type
    )
    swept.defer("record_ids").delete()


def _has_outlived(status: EntityTypeStatus, declared: EntityType) -> bool:
    age = database_now() - status.checkpoint_at if status.checkpoint_at else timedelta()
    return declared.lifetime is not None and age >= declared.lifetime


def _resync(status: EntityTypeStatus, run: SyncRun, *, because: str) -> None:
    new_generation(status, not_before=status.not_before)
    record_event(
        AuditAction.SYNC_BEGUN_AGAIN,
        actor=Actor.system("engine"),
        target=run.connection,
        detail={
            "entity_type": status.entity_type,
            "because": because,
            "run": str(run.pk),
            "generation": status.generation,
        },
    )
