"""Where a walk begins and what it leaves behind: committed positions, and where a type stands."""

from collections.abc import Iterable
from uuid import UUID

from integrations.models import Checkpoint as CheckpointRow
from integrations.models import Connection, EntityTypeStatus
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


def is_reconnected(connection: Connection) -> bool:
    """Whether there was a connection to the account before: its records may have been kept."""
    earlier = Connection.objects.filter(source_system=connection.source_system)
    return earlier.exclude(pk=connection.pk).exists()


def end_walk(status: EntityTypeStatus, *, is_whole: bool) -> None:
    """Note that the type was read to its end just now; `is_whole`: everything there is was seen.

    A backfill's date is good for one read. The next ones begin where the type is known from: at
    its beginning, unless it has never been read from there.
    """
    if not status.is_complete:
        if status.full_read_at is None or status.not_before is None:
            status.known_from = status.not_before
        elif status.known_from is not None:
            status.known_from = min(status.known_from, status.not_before)
        status.not_before = status.known_from
    if is_whole or not status.is_complete:
        status.full_read_at = status.checkpoint_at
    status.is_complete = True
    status.walked_at = status.checkpoint_at
    status.waits_until = None
    status.unavailable_reason = status.unknown_error = ""
    status.unknown_times = 0


def save_walk(status: EntityTypeStatus) -> None:
    """Save what a walk says of its type; the interval is people's and may change meanwhile."""
    status.save(
        update_fields=[
            "is_complete",
            "not_before",
            "known_from",
            "full_read_at",
            "checkpoint_at",
            "waits_until",
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
