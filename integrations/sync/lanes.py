"""The two lanes of a connection: what reads something in full goes on beside the schedule."""

from integrations.connectors.registry import get_connector
from integrations.models import Connection, EntityTypeStatus, SyncRun
from integrations.sync import failures
from integrations.sync.counts import note
from integrations.sync.generations import is_spent
from integrations.sync.order import ENDED, in_order
from integrations.types import EntityType


def types_in_backfill(connection: Connection, run: SyncRun) -> set[str]:
    """The entity types that another run is reading, or will read, in the lane "backfill"."""
    if run.lane == SyncRun.Lane.BACKFILL:
        return set()
    other = _backfill_of(connection)
    return _unfinished(connection, other) if other is not None else set()


def moves_to_backfill(connection: Connection, run: SyncRun) -> bool:
    """Whether the run still reads something in full, and no other one does."""
    unfinished = _unfinished(connection, run)
    in_full = EntityTypeStatus.objects.filter(connection=connection, is_complete=False)
    unfinished -= set(failures.failed_types(run))
    is_reading_in_full = in_full.filter(entity_type__in=unfinished).exists()
    is_asked_for = bool(unfinished) and run.mode != SyncRun.Mode.INCREMENTAL
    return (is_reading_in_full or is_asked_for) and _backfill_of(connection) is None


def leave_to_live(connection: Connection, run: SyncRun) -> bool:
    """Take out of the run what it has not begun and would not read in full; whether that is any."""
    if run.mode != SyncRun.Mode.INCREMENTAL:
        return False
    rows = EntityTypeStatus.objects.filter(connection=connection, is_complete=True)
    complete = {row.entity_type: row for row in rows}
    left = [
        each.name
        for each in in_order(types_of(connection), run.entity_types)
        if each.name in complete.keys() - run.counts.keys()
        and not is_spent(complete[each.name], each, connection)
    ]
    for name in left:
        note(run, name, "live")
    return bool(left)


def types_of(connection: Connection) -> tuple[EntityType, ...]:
    """The entity types of the connection's provider, as declared."""
    return get_connector(connection.provider).entity_types


def _unfinished(connection: Connection, run: SyncRun) -> set[str]:
    names = run.entity_types or [each.name for each in types_of(connection)]
    return {name for name in names if run.counts.get(name, {}).get("state") not in ENDED}


def _backfill_of(connection: Connection) -> SyncRun | None:
    open_runs = SyncRun.objects.open().filter(connection=connection)
    return open_runs.filter(lane=SyncRun.Lane.BACKFILL).first()
