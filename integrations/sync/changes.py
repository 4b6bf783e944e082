"""The change feed: what changed in a tenant's records, in the order of commits, from a cursor on.

A cursor is a `change_seq`. Writers of one tenant commit in the order of these numbers, so a reader
that goes on behind the last one it saw misses none. Each record appears once, at its last change:
whoever reads later sees what is now, not how it came about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils import timezone

from integrations.destinations.change import Change
from integrations.managers import RecordQuerySet
from integrations.models import Record

COUNTED_AT_MOST = 100_000  # changes behind; more are "100,000 or more"

_FIELDS = (
    "change_seq",
    "id",
    "source_system",
    "entity_type",
    "source_id",
    "scope",
    "record_type",
    "title",
    "connection_id",
    "changed_at",
    "deleted_at",
    "data",
)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a reader is behind: `changes` (COUNTED_AT_MOST or more), and since when."""

    changes: int
    since: datetime | None

    @property
    def seconds(self) -> int:
        if self.since is None:
            return 0
        return max(0, int((timezone.now() - self.since).total_seconds()))


def changes_after(
    cursor: int,
    limit: int,
    *,
    with_raw: bool = False,
    until: int | None = None,
    among: RecordQuerySet | None = None,
) -> list[Change]:
    """The next changes behind `cursor`, oldest first; fewer than `limit` only at the end.

    The last one's `seq` is the next cursor. `raw` is left empty unless asked for. `until` ends the
    feed early, `among` narrows it.
    """
    records = Record.objects.all() if among is None else among
    later = records.filter(change_seq__gt=cursor).order_by("change_seq")
    if until is not None:
        later = later.filter(change_seq__lte=until)
    return [_change(row) for row in later.values_list(*_fields(with_raw))[:limit]]


def changes_of(record_ids: Sequence[int], *, with_raw: bool = False) -> list[Change]:
    """These records as changes, oldest change first; those that are purged are left out."""
    rows = Record.objects.filter(pk__in=record_ids).order_by("change_seq")
    return [_change(row) for row in rows.values_list(*_fields(with_raw))]


def last_change() -> int:
    """The number of the newest change; 0 if nothing was ever stored."""
    return Record.objects.aggregate(last=Max("change_seq"))["last"] or 0


def lag_behind(cursor: int) -> Lag:
    """How many changes lie behind `cursor`, and when the oldest of them was made."""
    later = Record.objects.filter(change_seq__gt=cursor).order_by("change_seq")
    first = later.values_list("changed_at", flat=True).first()
    if first is None:
        return Lag(0, None)
    return Lag(later[:COUNTED_AT_MOST].values("pk").count(), first)


def _fields(with_raw: bool) -> tuple[str, ...]:
    return (*_FIELDS, "raw") if with_raw else _FIELDS


def _change(row: tuple[Any, ...]) -> Change:
    named = dict(zip((*_FIELDS, "raw"), row, strict=False))
    return Change(
        seq=named["change_seq"],
        record_id=named["id"],
        source_system=named["source_system"],
        entity_type=named["entity_type"],
        source_id=named["source_id"],
        scope=named["scope"],
        record_type=named["record_type"],
        title=named["title"],
        connection_id=named["connection_id"],
        changed_at=named["changed_at"],
        is_deleted=named["deleted_at"] is not None,
        data=named["data"],
        raw=named.get("raw", {}),
    )
