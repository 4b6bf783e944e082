"""A walk inside a walk: the replies below a message, read while the messages are."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from integrations.errors import NotFoundError
from integrations.http.pages.stamps import Stamp
from integrations.types import Cursor, Entity, Position

Children = Callable[[Entity, Stamp, Cursor], Iterator[Entity]]
"""From a row, the high-water of the last complete walk and a cursor to what lies below the row."""

Below = Callable[[Entity, Cursor], Iterator[Entity]]
"""From a row and a cursor to what lies below the row."""


@dataclass
class Nest:
    """Rows of one page, each followed by its children, with a position after each that had some.

    Cursor: {"walk": {"page", "high", "seen": [rows done], "open": row, "child": its cursor}}.
    """

    scope: str
    children: Children
    high: Stamp
    kept: Cursor

    def walk(self, rows: list[Entity], here: Cursor, resumed: Cursor) -> Iterator[Entity]:
        """`here` is the open page; `resumed` may name a row whose children were begun."""
        for row in rows:
            is_open = resumed.get("open") == row.source_id
            if not is_open:
                yield row
            inside = {**here, "open": row.source_id}
            had_some = False
            for child in self._below(row, resumed.get("child", {}) if is_open else {}):
                had_some = True
                yield from self._placed(child, row, inside)
            here = {**here, "seen": [*here["seen"], row.source_id]}
            if had_some:
                yield Entity.rest(self._position(here), row.entity_type)

    def _placed(self, child: Entity, row: Entity, inside: Cursor) -> Iterator[Entity]:
        """The child with its position made the outer walk's; its row itself is left out."""
        position = None
        if child.position is not None and not child.position.done:
            position = self._position({**inside, "child": child.position.cursor})
        if not child.is_rest and child.source_id != row.source_id:
            yield replace(child, position=position)
        elif position is not None:
            yield Entity.rest(position, row.entity_type)

    def _below(self, row: Entity, cursor: Cursor) -> Iterator[Entity]:
        """A row that vanished meanwhile has nothing below it."""
        if row.deleted or not isinstance(row.payload, dict):
            return
        try:
            yield from self.children(row, self.high, cursor)
        except NotFoundError:
            return

    def _position(self, walk: Cursor) -> Position:
        return Position(self.scope, {**self.kept, "walk": walk})


def with_children(
    listed: Iterable[Entity], below: Below, start: Cursor | None = None
) -> Iterator[Entity]:
    """Each row of a complete list or a feed, followed by what `below` finds under it.

    `start` is the cursor that walk was given. Children without positions came along with their
    row. Others cost calls, so their positions are kept, and one follows the row. A row that
    vanished meanwhile has nothing below it.
    """
    page: Cursor = dict(start or {})
    seen = list(page.pop("seen", ()))
    opened, cursor = page.pop("open", ""), page.pop("child", {})
    for row in listed:
        if not row.is_rest:
            is_open = row.source_id == opened
            if not is_open:
                yield replace(row, position=None)
            inside = {**page, "seen": list(seen), "open": row.source_id}
            has_positions = False
            for child in _found(below, row, cursor if is_open else {}):
                has_positions |= child.position is not None
                position = _inside(child, row, inside)
                if position is not None or not child.is_rest:
                    yield replace(child, position=position)
            seen.append(row.source_id)
            if has_positions and row.position is None:
                rest = Position(row.scope, {**page, "seen": list(seen)})
                yield Entity.rest(rest, row.entity_type)
        if row.position is not None:
            yield Entity.rest(row.position, row.entity_type)
            page = dict(row.position.cursor)
            seen = list(page.pop("seen", ()))


def _inside(child: Entity, row: Entity, walk: Cursor) -> Position | None:
    """The child's position made the outer walk's; the end of the children is no position."""
    if child.position is None or child.position.done:
        return None
    return Position(row.scope, {**walk, "child": child.position.cursor})


def _found(below: Below, row: Entity, cursor: Cursor) -> Iterator[Entity]:
    try:
        yield from below(row, cursor)
    except NotFoundError:
        return
