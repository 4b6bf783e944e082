"""A walk inside a walk: the replies below a message, read while the messages are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from integrations.errors import NotFoundError
from integrations.http.pages.stamps import Stamp
from integrations.types import Cursor, Entity, Position

Children = Callable[[Entity, Stamp, Cursor], Iterator[Entity]]
"""From a row, the high-water of the last complete walk and a cursor to what lies below the row."""


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
