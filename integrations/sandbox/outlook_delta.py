"""Delta walks over a mailbox: what changed in which order, and links that remember a place."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import orjson

from integrations.sandbox.part import Json
from integrations.sandbox.rows import Row, Table, by_id

TYPES = {"folders": "mailFolder", "messages": "message", "events": "event", "contacts": "contact"}


@dataclass(frozen=True, slots=True)
class Mark:
    """What a link remembers: the list, its bounds, changes seen up to `since`, and, inside a
    round, where that round ends (`until`) and what came last (`last`)."""

    epoch: int
    entity: str
    scope: str
    low: str = ""
    high: str = ""
    since: int = 0
    until: int = 0
    last: str = ""

    def text(self) -> str:
        return urlsafe_b64encode(orjson.dumps(list(asdict(self).values()))).decode().rstrip("=")

    @classmethod
    def of(cls, text: str) -> Mark:
        """Raises ValueError for what is no mark."""
        try:
            return cls(*orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))))
        except (TypeError, orjson.JSONDecodeError) as exc:
            raise ValueError("no mark") from exc


@dataclass(frozen=True, slots=True)
class Change:
    number: int
    id: str
    fields: tuple[str, ...] = ()
    is_removed: bool = False


class Journal:
    """The last change of everything that changed since the rows were made.

    `fields` names what a changed item shows of itself; empty for all of it.
    """

    def __init__(self) -> None:
        self.number = 1
        self._changes: dict[tuple[str, str], dict[str, Change]] = {}

    def note(
        self, entity: str, row: Row, fields: tuple[str, ...] = (), *, is_removed: bool = False
    ) -> None:
        self.number += 1
        inside = self._changes.setdefault((entity, row.scope), {})
        inside.pop(row.id, None)
        inside[row.id] = Change(self.number, row.id, fields, is_removed)

    def after(self, mark: Mark) -> list[Change]:
        """Changes behind the mark and within its round, oldest first."""
        first = int(mark.last or mark.since)
        inside = self._changes.get((mark.entity, mark.scope), {})
        return [one for one in inside.values() if first < one.number <= mark.until]


@dataclass(frozen=True, slots=True)
class Page:
    """Encoded items, and the mark of the next page or else of the next round."""

    items: list[bytes]
    following: Mark | None
    delta: Mark | None


def page_of(
    mark: Mark, table: Table, journal: Journal, size: int, is_inside: Callable[[Row], bool]
) -> Page:
    """The page a mark leads to; `is_inside` says what the list is bounded to."""
    if not mark.until:
        mark = replace(mark, until=journal.number)
    if not mark.since:
        rows = table.in_scope(mark.scope) if mark.scope else table.ordered("id", by_id)
        rows = [row for row in rows if row.id > mark.last and is_inside(row)]
        items = [_listed(row) for row in rows[:size]]
        return _page(mark, items, rows[size - 1].id if len(rows) > size else "")
    changes = journal.after(mark)
    items = [_changed(one, mark.entity, table, is_inside) for one in changes[:size]]
    return _page(mark, items, str(changes[size - 1].number) if len(changes) > size else "")


def _page(mark: Mark, items: list[bytes], last: str) -> Page:
    if last:
        return Page(items, replace(mark, last=last), None)
    return Page(items, None, replace(mark, since=mark.until, until=0, last=""))


def _listed(row: Row) -> bytes:
    """An occurrence shows only when it is; everything else shows all of itself."""
    if row.data.get("type") != "occurrence":
        return row.encoded()
    kept = ("@odata.etag", "id", "type", "seriesMasterId", "start", "end")
    return orjson.dumps({name: row.data[name] for name in kept})


def _changed(change: Change, entity: str, table: Table, is_inside: Callable[[Row], bool]) -> bytes:
    row = table.find(change.id)
    if row is None or change.is_removed or not is_inside(row):
        kind = f"#microsoft.graph.{TYPES[entity]}"
        gone: Json = {"@odata.type": kind, "id": change.id, "@removed": {"reason": "deleted"}}
        return orjson.dumps(gone)
    if change.fields and row.poison is None:
        shown = {name: row.data[name] for name in ("id", *change.fields)}
        return orjson.dumps(shown)
    return _listed(row)
