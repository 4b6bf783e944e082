"""Deletions nobody reports: what a full walk no longer finds, and the brake for very many at once.

A walk of a scope that began at its beginning and came to its end has seen everything there is.
Each of its batches leaves a SweepBatch; when the entity type is through, what these scopes hold
and no batch saw is deleted, and with it what lies below a parent that is gone, where that is
declared. Scopes that were not walked to their end lose nothing.

More than 10 % and at least 25, or more than 1,000 at once, are not deleted: a person decides
(DeletionReview). Deletions the provider reports wait only above half of all records.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import QuerySet

from hub.clock import database_now
from integrations.connectors.registry import get_connector
from integrations.destinations.base import Batch, Row
from integrations.destinations.compare import key_of, last_words
from integrations.destinations.postgres import order_changes
from integrations.destinations.wake import wake_destinations
from integrations.models import (
    Checkpoint,
    Connection,
    DeletionReview,
    EntityTypeStatus,
    Record,
    RejectedRecord,
    SweepBatch,
    SyncRun,
)
from integrations.sync import positions, reviews
from integrations.types import Checkpoint as Since
from integrations.types import EntityType

BRAKE_FROM = 25  # fewer are deleted whatever their share
BRAKE_SHARE = 0.10
BRAKE_ABOVE = 1_000  # more are never deleted without asking
SIGNAL_BRAKE_SHARE = 0.50

# What a walk no longer found: of the `scopes` walked from beginning to end what it has not `seen`
# (and, had the walk a floor, what had not changed since then cannot have been seen),
# and what lies below parents that are `gone`; but what a person has kept, or is asked about because
# it was reported, is left to that person, whichever connection to the account it came from. Two
# halves, because beneath an OR what was seen would be looked through anew for every record.
# Lists that run across parents are no record's scope: once all were walked, it is `everywhere`.
ABSENT = """
SELECT r.id FROM (
    SELECT r.id FROM integrations_record r
    WHERE r.source_system = %(system)s AND r.entity_type = ANY(%(types)s) AND r.deleted_at IS NULL
        AND (%(everywhere)s OR r.scope IN ({scopes}))
        AND (%(floor)s::timestamptz IS NULL OR r.source_changed_at >= %(floor)s)
        AND NOT EXISTS (SELECT FROM ({seen}) seen WHERE seen.id = r.id)
    UNION
    SELECT r.id FROM integrations_record r
    WHERE %(orphans)s AND r.source_system = %(system)s AND r.entity_type = ANY(%(types)s)
        AND r.deleted_at IS NULL AND EXISTS (
            SELECT FROM integrations_record p
            WHERE p.source_system = r.source_system AND p.entity_type = %(parent)s
                AND p.source_id = r.scope AND ({gone})
        )
) r
WHERE NOT EXISTS (
    SELECT FROM (
        SELECT unnest(k.record_ids) AS id FROM integrations_deletionreview k
        JOIN integrations_connection c ON c.id = k.connection_id
        WHERE c.source_system = %(system)s AND k.entity_type = %(type)s
            AND (k.state = 'refused' OR k.state = 'pending' AND k.cause = 'signal')
    ) kept WHERE kept.id = r.id
)
"""

# Where a row came whose id nobody can read, it may be of any record: nothing is absent there.
_ABSENT = ABSENT.format(
    scopes="""
        SELECT c.scope FROM integrations_checkpoint c WHERE c.connection_id = %(connection)s
            AND c.entity_type = %(type)s AND c.destination = 'postgres'
            AND c.generation = %(generation)s AND c.done_in_run IS NOT NULL
            AND c.scope IN (
                SELECT unnest(s.scopes) FROM integrations_sweepbatch s
                WHERE s.connection_id = %(connection)s AND s.entity_type = %(type)s
            )
            AND c.scope NOT IN (
                SELECT j.scope FROM integrations_rejectedrecord j
                WHERE j.source_system = %(system)s AND j.entity_type = ANY(%(types)s)
                    AND j.run_id = %(run)s AND j.source_id LIKE 'unreadable-%%'
            )
    """,
    seen="""
        SELECT unnest(s.record_ids) AS id FROM integrations_sweepbatch s
        WHERE s.connection_id = %(connection)s AND s.entity_type = %(type)s
    """,
    gone="p.deleted_at IS NOT NULL",
)

_DELETE = """
UPDATE integrations_record r
SET deleted_at = %(now)s, changed_at = %(now)s, run_id = %(run)s,
    change_seq = nextval('integrations_change_seq')
FROM ({found}) absent WHERE r.id = absent.id AND r.deleted_at IS NULL
"""

_REVIEWED = "SELECT unnest(%(ids)s::bigint[]) AS id"

_REPORTED = """
SELECT r.id FROM unnest(%(types)s::text[], %(ids)s::text[], %(scopes)s::text[])
    AS g(entity_type, source_id, scope)
JOIN integrations_record r ON r.source_system = %(system)s AND r.entity_type = g.entity_type
    AND r.source_id = g.source_id AND r.deleted_at IS NULL AND (g.scope = '' OR r.scope = g.scope)
"""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Which scopes the walk that begins now reads from their beginning, or goes on to read."""

    is_wanted: bool
    since: Since | None
    open_scopes: frozenset[str]
    is_asked: bool = False  # somebody is asked about records of the type

    def covers(self, scope: str) -> bool:
        """Whether what this walk does not find in `scope` is absent."""
        if not self.is_wanted:
            return False
        is_beginning = self.since is None or not self.since.cursors.get(scope)
        return is_beginning or scope in self.open_scopes


def begin_walk(
    connection: Connection, declared: EntityType, status: EntityTypeStatus, since: Since | None
) -> Sweep:
    """Look whether the walk from `since` can show what is absent; two queries at most."""
    is_asked = reviews.is_asked(connection, declared)
    if not can_show_absence(declared, since, is_complete=status.is_complete):
        return Sweep(False, since, frozenset(), is_asked)
    rows = SweepBatch.objects.filter(connection=connection, entity_type=declared.name)
    scopes = {scope for row in rows.values_list("scopes", flat=True) for scope in row}
    return Sweep(True, since, frozenset(scopes), is_asked)


def can_show_absence(declared: EntityType, since: Since | None, *, is_complete: bool) -> bool:
    """Whether a walk from `since` can show what is absent.

    It cannot where nothing is ever said to be gone, or where only a window is listed. Where the
    provider reports deletions, only a full read of a new generation (not `is_complete` yet) shows
    those that were missed. From a backfill date on it can where one knows of each record whether
    it has changed since then and must have come along.
    """
    if declared.deletions == "never" or declared.window:
        return False
    if since is not None and since.not_before is not None:
        return declared.deletions == "absence" and bool(declared.changed_at)
    return declared.deletions == "absence" or not is_complete


def is_too_much(connection: Connection, declared: EntityType, found: int) -> bool:
    """Whether so many absent records of the type are not deleted without asking."""
    if found < BRAKE_FROM or found > BRAKE_ABOVE:
        return found > BRAKE_ABOVE
    return found > BRAKE_SHARE * present(connection, declared)


def is_too_much_to_believe(
    connection: Connection, declared: EntityType, found: int, *, done: int = 0
) -> bool:
    """Whether so many reported deletions of the type, `done` ones included, wait for a person."""
    if found < BRAKE_FROM:
        return False
    return found > SIGNAL_BRAKE_SHARE * (present(connection, declared) + done)


def find_reported(connection: Connection, gone: Sequence[Row]) -> list[int]:
    """The ids of the records that these deletions are about and that are still there."""
    if not gone:
        return []
    values: dict[str, Any] = {"system": connection.source_system, **reviews.columns_of(gone)}
    with database.cursor() as cursor:
        cursor.execute(_REPORTED, values)
        return [pk for (pk,) in cursor.fetchall()]


def end_walk(
    entity_types: Iterable[EntityType],
    declared: EntityType,
    status: EntityTypeStatus,
    run: SyncRun,
) -> int:
    """End the walk of a type: delete what it showed to be absent, or ask; return how many.

    Call it in the transaction of the last batch. `entity_types` are those of the connector: what
    comes along `inside` the type ends with it. What waits for a person is not counted.
    """
    inside = [each.name for each in entity_types if each.inside == declared.name]
    vanished, is_whole = _delete_absent(run.connection, declared, inside, status, run.pk)
    positions.end_walk(status, is_whole=is_whole)
    return vanished


def _delete_absent(
    connection: Connection,
    declared: EntityType,
    inside: list[str],
    status: EntityTypeStatus,
    run_id: UUID,
) -> tuple[int, bool]:
    """Return how many were deleted, and whether the walk saw everything there is."""
    swept = SweepBatch.objects.filter(connection=connection, entity_type=declared.name)
    is_whole = swept.exists() and not _others_than_swept(connection, declared, status)
    is_whole = is_whole and status.not_before is None
    has_orphans = declared.orphans == "delete" and _may_have_orphans(connection, declared, status)
    if not swept.exists() and not has_orphans:
        return 0, False
    values: dict[str, Any] = {
        "system": connection.source_system,
        "connection": connection.pk,
        "type": declared.name,
        "types": [declared.name, *inside],
        "generation": status.generation,
        "floor": status.not_before,
        "everywhere": False,
        "orphans": has_orphans,
        "parent": declared.parent or "",
        "run": run_id,
        "now": database_now(),
    }
    if declared.across and is_whole:
        values["everywhere"] = not _has_unreadable(values)
    with database.cursor() as cursor, joined_by_hash():
        cursor.execute(f"SELECT count(*) FROM ({_ABSENT}) a", values)
        (found,) = cursor.fetchone()
        if is_too_much(connection, declared, found):
            there = present(connection, declared)
            reviews.ask(connection, declared, "absence", values, _ABSENT, there, is_whole=is_whole)
            deleted = 0
        else:
            if is_whole:
                reviews.withdraw(connection, declared)
            if found:
                order_changes()
                cursor.execute(_DELETE.format(found=_ABSENT), values)
                wake_destinations()
            deleted = found
        if has_orphans:
            _forget_orphans(connection, declared)
    swept.defer("record_ids").delete()  # a million ids are not looked at for it
    return deleted, is_whole


@contextmanager
def joined_by_hash() -> Iterator[None]:
    """Within a transaction: statements in the block join by hash.

    The planner knows a tenant's tables as they were a minute ago, before a first sync empty. So it
    would look through all that was seen for each record, which takes hours where there are many.
    """
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL enable_nestloop = off")
        yield
        cursor.execute("SET LOCAL enable_nestloop TO DEFAULT")


def hold_back(
    connection: Connection, declared: EntityType, batch: Batch, line: Mapping[str, Any]
) -> int:
    """Take reported deletions out of the batch if they are too many to be true; return how many.

    Only those count of which there is a record still, and which the batch does not list again,
    there or elsewhere. What waits or was kept already is left out in any case. `line` are the run's
    counts of the type so far.
    """
    is_asked = batch.sweep is not None and batch.sweep.is_asked
    if not (is_asked or line["dropped"] or any(row.kind == "gone" for row in batch.rows)):
        return 0
    latest, gone = last_words(batch.rows)
    listed = {key_of(row): row for row in latest if row.kind == "record"}
    if is_asked or line["dropped"]:  # in this run somebody may have been asked since
        reviews.take_back(connection, declared, list(listed.values()))
    reported = [row for row in gone if key_of(row) not in listed]  # else it has only moved
    if not reported:
        return 0
    found = reviews.decided(connection, declared, reported, batch.run_id)
    left_out = {place for place, is_decided, _ in found if is_decided}
    fresh = {place for place, is_decided, _ in found if not is_decided}
    so_far = len(fresh) + line["deleted"] + (found[0][2] if found else 0)
    if fresh and is_too_much_to_believe(connection, declared, so_far, done=line["deleted"]):
        values = {
            "system": connection.source_system,
            "run": batch.run_id,
            **reviews.columns_of([reported[place] for place in fresh]),
        }
        there = present(connection, declared)
        reviews.ask(connection, declared, "signal", values, _REPORTED, there)
        left_out |= fresh
    waiting = {(key_of(row), row.scope) for row in (reported[place] for place in left_out)}
    read = len(batch.rows)
    batch.rows = [
        row
        for row in batch.rows
        if row.kind != "gone" or not waiting & {(key_of(row), row.scope), (key_of(row), "")}
    ]
    return read - len(batch.rows)


def present(connection: Connection, declared: EntityType) -> int:
    """How many records of the type, and of those that come along inside it, are stored."""
    every = get_connector(connection.provider).entity_types
    names = [each.name for each in every if declared.name in (each.name, each.inside)]
    stored = Record.objects.present().filter(source_system=connection.source_system)
    return int(stored.filter(entity_type__in=names).count())


def apply_review(review: DeletionReview) -> int:
    """Delete what the review holds and nothing has changed since; return how many."""
    values: dict[str, Any] = {"ids": review.record_ids, "run": review.run_id, "now": database_now()}
    with transaction.atomic(), database.cursor() as cursor:
        order_changes()
        cursor.execute(
            _DELETE.format(found=_REVIEWED) + " AND r.changed_at <= %(found_at)s",
            {**values, "found_at": review.found_at},
        )
        deleted = int(cursor.rowcount)
        if deleted:
            wake_destinations()
        return deleted


def _others_than_swept(
    connection: Connection, declared: EntityType, status: EntityTypeStatus
) -> bool:
    """Whether some scope was not walked from beginning to end."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            SELECT EXISTS (
                SELECT FROM integrations_checkpoint c WHERE c.connection_id = %s
                    AND c.entity_type = %s AND c.destination = 'postgres' AND c.generation = %s
                    AND (c.done_in_run IS NULL OR c.scope NOT IN (
                        SELECT unnest(s.scopes) FROM integrations_sweepbatch s
                        WHERE s.connection_id = c.connection_id
                            AND s.entity_type = c.entity_type
                    ))
            )
            """,
            [connection.pk, declared.name, status.generation],
        )
        (others,) = cursor.fetchone()
    return bool(others)


def _has_unreadable(values: Mapping[str, Any]) -> bool:
    """Whether a row came in this run whose id nobody can read."""
    rows = RejectedRecord.objects.filter(
        source_system=values["system"], entity_type__in=values["types"], run_id=values["run"]
    )
    return rows.filter(source_id__startswith="unreadable-").exists()


def _may_have_orphans(
    connection: Connection, declared: EntityType, status: EntityTypeStatus
) -> bool:
    """Whether it is worth looking through all records of the type for those without a parent.

    A parent that was read has a position below it until it is gone and that is dealt with; lists
    across parents have none, so there it went after the last walk. Only a first read, or a question
    that is open, says nothing of that.
    """
    if status.full_read_at is None or reviews.is_asked(connection, declared):
        return True
    if declared.across and status.walked_at is not None:
        return _parents_gone(connection, declared).filter(deleted_at__gt=status.walked_at).exists()
    return _positions_of_orphans(connection, declared).exists()


def _forget_orphans(connection: Connection, declared: EntityType) -> None:
    """A parent that comes back is read from its beginning."""
    _positions_of_orphans(connection, declared).delete()


def _positions_of_orphans(connection: Connection, declared: EntityType) -> QuerySet[Checkpoint]:
    gone = _parents_gone(connection, declared).values("source_id")
    return Checkpoint.objects.filter(
        connection=connection, entity_type=declared.name, scope__in=gone
    )


def _parents_gone(connection: Connection, declared: EntityType) -> QuerySet[Record]:
    return Record.objects.filter(
        source_system=connection.source_system, entity_type=declared.parent
    ).exclude(deleted_at=None)
