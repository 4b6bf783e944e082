"""Where a walk begins: generations, committed positions, and when to read in full again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from hub.clock import database_now
from integrations.models import Checkpoint as CheckpointRow
from integrations.models import Connection, EntityTypeStatus, SweepBatch, SyncRun
from integrations.sync.rhythm import wants_full_read
from integrations.types import Checkpoint, EntityType


def statuses_of(
    connection: Connection, entity_types: Iterable[EntityType]
) -> dict[str, EntityTypeStatus]:
    """Return where each type stands, by name; made on first sight. Two statements at most."""
    names = [each.name for each in entity_types]
    rows = EntityTypeStatus.objects.filter(connection=connection)
    found = {row.entity_type: row for row in rows}
    if missing := [name for name in names if name not in found]:
        EntityTypeStatus.objects.bulk_create(
            [EntityTypeStatus(connection=connection, entity_type=name) for name in missing],
            ignore_conflicts=True,
        )
        found |= {row.entity_type: row for row in rows.filter(entity_type__in=missing)}
    return found


def find_status(connection: Connection, declared: EntityType) -> EntityTypeStatus | None:
    """Return where the type stands, None before its first run."""
    return EntityTypeStatus.objects.filter(connection=connection, entity_type=declared.name).first()


def begin(status: EntityTypeStatus, declared: EntityType, run: SyncRun) -> None:
    """Prepare the type's first slice in a run: a new generation if it must be read in full.

    That is so when it was asked for, when the checkpoint is older than the provider accepts, or
    when it is time to look for what has only vanished.
    """
    is_asked_for = run.mode != SyncRun.Mode.INCREMENTAL
    is_begun = status.checkpoint_at is not None or status.not_before != run.not_before
    if is_asked_for and is_begun:
        new_generation(status, not_before=run.not_before)
    elif is_spent(status, declared, run.connection):
        new_generation(status, not_before=status.not_before)


def is_spent(status: EntityTypeStatus, declared: EntityType, connection: Connection) -> bool:
    """Whether the type must be read in full although nobody asks for it."""
    age = database_now() - status.checkpoint_at if status.checkpoint_at else timedelta()
    outlived = declared.lifetime is not None and age >= declared.lifetime
    return outlived or (status.is_complete and wants_full_read(connection, declared, status))


def new_generation(status: EntityTypeStatus, *, not_before: datetime | None) -> None:
    """Forget the positions: the next walk begins at the beginning, or at a date. Records stay."""
    status.generation += 1
    status.is_complete = False
    status.checkpoint_at = None
    status.not_before = not_before
    status.save(update_fields=["generation", "is_complete", "checkpoint_at", "not_before"])
    swept = SweepBatch.objects.filter(
        connection_id=status.connection_id, entity_type=status.entity_type
    )
    swept.defer("record_ids").delete()


def save_walk(status: EntityTypeStatus) -> None:
    """Save what a walk says of its type; the interval is people's and may change meanwhile."""
    status.save(
        update_fields=[
            "is_complete",
            "full_read_at",
            "checkpoint_at",
            "unavailable_reason",
            "walked_at",
            "unknown_error",
            "unknown_times",
        ]
    )


def since(status: EntityTypeStatus, run_id: UUID) -> Checkpoint | None:
    """Return what was committed in this generation; None if nothing was."""
    rows = CheckpointRow.objects.filter(
        connection_id=status.connection_id,
        entity_type=status.entity_type,
        destination="postgres",
        generation=status.generation,
    ).values_list("scope", "cursor", "done_in_run")
    cursors = {scope: cursor for scope, cursor, _ in rows}
    if not cursors and status.not_before is None:
        return None
    return Checkpoint(
        cursors=cursors,
        finished=frozenset(scope for scope, _, done_in_run in rows if done_in_run == run_id),
        not_before=status.not_before,
    )
