"""Where a walk begins: generations, committed positions, and when to read in full again."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from integrations.models import Checkpoint as CheckpointRow
from integrations.models import Connection, EntityTypeStatus
from integrations.types import Checkpoint, EntityType


def status_of(connection: Connection, declared: EntityType) -> EntityTypeStatus:
    """Return where the type stands, made on first sight."""
    status, _ = EntityTypeStatus.objects.get_or_create(
        connection=connection, entity_type=declared.name
    )
    return status


def find_status(connection: Connection, declared: EntityType) -> EntityTypeStatus | None:
    """Return where the type stands, None before its first run."""
    return EntityTypeStatus.objects.filter(connection=connection, entity_type=declared.name).first()


def begin(status: EntityTypeStatus, declared: EntityType, *, full: bool) -> None:
    """Prepare the type's first slice in a run: a new generation if it must be read in full.

    That is so when it was asked for, or when the checkpoint is older than the provider accepts.
    """
    age = timezone.now() - status.checkpoint_at if status.checkpoint_at else timedelta()
    outlived = declared.lifetime is not None and age >= declared.lifetime
    if outlived or (full and status.checkpoint_at is not None):
        new_generation(status)


def new_generation(status: EntityTypeStatus) -> None:
    """Forget the positions: the next walk begins at the beginning. Records stay."""
    status.generation += 1
    status.is_complete = False
    status.checkpoint_at = None
    status.save(update_fields=["generation", "is_complete", "checkpoint_at"])


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
