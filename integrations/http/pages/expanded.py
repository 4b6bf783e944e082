"""Lists whose rows bring the rows below them along: a post in a channel with its replies."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from integrations.errors import ProviderUnavailableError
from integrations.http.json_reader import read_json
from integrations.http.pages.nested import with_children
from integrations.http.pages.rows import entity_of, rows_in
from integrations.http.pages.styles import UrlPages
from integrations.types import Cursor, Entity, EntityType, Payload, Unreadable


@dataclass(kw_only=True)
class ExpandedPages(UrlPages):
    """Rows hold the rows below them at `below`, which become entities of the same type.

    Where those are too many, {below}{next} is the address of the others, for example
    "replies@odata.nextLink". Every row is shown without what lies below it. A row that cannot be
    read, or is deleted, does not take along what lies below it. Complete lists and feeds only.
    """

    below: str

    def entities(
        self,
        entity_type: EntityType,
        start: Cursor | None = None,
        then: Callable[[], Cursor] | None = None,
    ) -> Iterator[Entity]:
        return self._unfolded(entity_type, super().entities(entity_type, start, then), start)

    def feed(
        self,
        entity_type: EntityType,
        start: Cursor,
        asks: str = "",
        answers: str = "",
        overlap: float = 0,
    ) -> Iterator[Entity]:
        listed = super().feed(entity_type, start, asks, answers, overlap)
        return self._unfolded(entity_type, listed, start)

    def entities_of(self, rows: list[Any], entity_type: EntityType) -> list[Entity]:
        """With all that lies below them; which are deleted is told when they are unfolded."""
        return [entity_of(row, entity_type, self.key, self.scope, None) for row in rows]

    def _unfolded(
        self, entity_type: EntityType, listed: Iterator[Entity], start: Cursor | None
    ) -> Iterator[Entity]:
        below = partial(self._below, entity_type)
        for entity in with_children(listed, below, start):
            yield entity if entity.is_rest else self._alone(entity_type, entity)

    def _below(self, entity_type: EntityType, row: Entity, cursor: Cursor) -> Iterator[Entity]:
        item = _item(row, self.below)
        if not cursor:
            yield from self.entities_of(rows_in(item, self.below), entity_type)
        more = item.get(f"{self.below}{self.next}")
        if isinstance(more, str) and more:
            others = UrlPages(
                self.http, more, self.items, self.key, scope=self.scope, next=self.next
            )
            yield from others.entities(entity_type, cursor)

    def _alone(self, entity_type: EntityType, entity: Entity) -> Entity:
        """The entity without what lies below it; readable again if only that was not."""
        item = _item(entity, self.below)
        own = {name: value for name, value in item.items() if not name.startswith(self.below)}
        if not own or _holds_unreadable(own):
            return entity
        told = entity_of(own, entity_type, self.key, self.scope, self.gone)
        return replace(told, position=entity.position)


def _item(entity: Entity, below: str) -> Payload:
    """The row as an object; of one that could not be read, its parts read one by one."""
    if not isinstance(entity.payload, Unreadable):
        return entity.payload
    try:
        item = read_json(entity.payload.raw, below)
    except ProviderUnavailableError:
        return {}
    return item if isinstance(item, dict) else {}


def _holds_unreadable(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_unreadable, value.values()))
    if isinstance(value, list):
        return any(map(_holds_unreadable, value))
    return isinstance(value, Unreadable)
