"""What rows mean for what is stored: new, changed, the same, outdated, rejected or gone.

Asks, and changes nothing: a destination writes what is found here, a shadow diff shows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection

from integrations.destinations.base import Row

Key = tuple[str, str]  # entity type, source id; the source system is the batch's

_STORED = """
SELECT r.source_id, r.id, r.content_hash, r.scope, r.deleted_at,
    r.source_changed_at
FROM unnest(%s::text[]) AS k(source_id)
JOIN integrations_record r ON r.source_system = %s AND r.entity_type = %s
    AND r.source_id = k.source_id
"""


@dataclass(frozen=True, slots=True)
class Stored:
    id: int
    content_hash: bytes
    scope: str
    deleted_at: datetime | None
    source_changed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The rows of a batch, sorted out. `stored` has what was there before, deleted or not.

    `gone` are deletions as reported, whether or not there is anything to delete.
    """

    rows: Sequence[Row]
    latest: list[Row]
    gone: list[Row]
    records: list[Row]
    rejected: list[Row]
    changed: list[Row]
    late: list[Row]
    stored: dict[Key, Stored]

    @property
    def inserted(self) -> list[Row]:
        return [row for row in self.changed if key_of(row) not in self.stored]

    @property
    def updated(self) -> list[Row]:
        return [row for row in self.changed if key_of(row) in self.stored]

    @property
    def unchanged(self) -> int:
        return len(self.records) - len(self.late) - len(self.changed)

    @property
    def superseded(self) -> int:
        """Rows that a later row of the batch, or what is stored, has overtaken."""
        return len(self.rows) - len(self.latest) - len(self.gone) + len(self.late)


def compare(source_system: str, rows: Sequence[Row], *, with_rejected: bool) -> Compared:
    """Look up what is stored of `rows`, in one statement for each entity type, and sort them out.

    `with_rejected`: look up what is stored of the rejected ones too.
    """
    latest, gone = last_words(rows)
    records = [row for row in latest if row.kind == "record"]
    rejected = [row for row in latest if row.kind == "rejected"]
    stored = _stored(source_system, records + (rejected if with_rejected else []))
    late = [row for row in records if _is_late(row, stored)]
    late_keys = {key_of(row) for row in late}
    changed = [row for row in records if key_of(row) not in late_keys and _differs(row, stored)]
    return Compared(rows, latest, gone, records, rejected, changed, late, stored)


def key_of(row: Row) -> Key:
    return row.entity_type, row.source_id


def in_columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Turn rows into the columns that unnest() takes."""
    return [list(column) for column in zip(*rows, strict=True)]


def last_words(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """What the batch says last of each entity, and from which scopes it is gone.

    An entity that moved is gone from one scope and there in another, in either order: the one
    takes nothing from the other.
    """
    latest: dict[Key, Row] = {}
    gone: dict[tuple[Key, str], Row] = {}
    for row in rows:
        key = key_of(row)
        if row.kind != "gone":
            latest[key] = row
            if gone:
                gone.pop((key, row.scope), None)
                gone.pop((key, ""), None)
            continue
        if key in latest and row.scope in ("", latest[key].scope):
            del latest[key]
            row = replace(row, scope="")  # stored it may still be where it was before
        gone[key, row.scope] = row
    return list(latest.values()), list(gone.values())


def _stored(source_system: str, records: list[Row]) -> dict[Key, Stored]:
    by_type: dict[str, list[str]] = {}
    for row in records:
        by_type.setdefault(row.entity_type, []).append(row.source_id)
    stored: dict[Key, Stored] = {}
    with connection.cursor() as cursor:
        for entity_type, ids in by_type.items():
            cursor.execute(_STORED, [ids, source_system, entity_type])
            for source_id, *columns in cursor.fetchall():
                stored[entity_type, source_id] = Stored(*columns)
    return stored


def _is_late(row: Row, stored: dict[Key, Stored]) -> bool:
    """Whether a newer version is stored already, for types where the newest wins."""
    old = stored.get(key_of(row))
    if not row.newest_wins or old is None or old.source_changed_at is None:
        return False
    return row.source_changed_at is not None and row.source_changed_at < old.source_changed_at


def _differs(row: Row, stored: dict[Key, Stored]) -> bool:
    old = stored.get(key_of(row))
    return (
        old is None
        or old.content_hash != row.content_hash
        or old.scope != row.scope
        or old.deleted_at is not None
    )
