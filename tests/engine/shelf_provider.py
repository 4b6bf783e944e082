"""A provider in memory that reports no deletions: shelves, and the books that stand on each.

Shelves are one list, read whole every time. Books are listed shelf by shelf, oldest change first:
a first read sees all, later ones only what changed. `SERVER` is the provider.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.errors import ParentSkippedError, RecordRejectedError
from integrations.records import Company, Folder, NormalizedRecord
from integrations.types import (
    ApiKey,
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    Field,
    Identity,
    Position,
    Provider,
)

PAGE = 10


@dataclass
class Server:
    shelves: list[str] = field(default_factory=list)
    books: dict[str, list[int]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    pages: int = 0  # that come along in each book, once a type "pages" is declared
    closed: set[str] = field(default_factory=set)
    close_at: tuple[str, int] | None = None
    fails: list[Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


SERVER = Server()


@register
class ShelfConnector(Declared, Connector):
    provider = Provider(
        slug="shelf_memory",
        label="Shelves in memory",
        base_url="https://api.shelf.example",
        auth=(ApiKey(headers={"X-Key": "{key}"}, fields=(Field("key", "Key", secret=True),)),),
        identity=Identity("/account", "id", "name"),
    )
    entity_types = (
        EntityType("shelves", becomes=Folder),
        EntityType("books", becomes=Company, parent="shelves", orphans="delete"),
        EntityType("notes", becomes=Company, min_interval=timedelta(days=1)),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        SERVER.asked.append(entity_type)
        if entity_type == "books":
            return self.per_parent("shelves", since, self._books)
        return self._list(entity_type, SERVER.shelves if entity_type == "shelves" else [])

    def _list(self, entity_type: str, ids: list[str]) -> Iterator[Entity]:
        for source_id in ids:
            yield Entity(entity_type, source_id, {"id": source_id})
        yield Entity.rest(Position("", {}, done=True), entity_type)

    def _books(self, shelf: Entity, start: Cursor) -> Iterator[Entity]:
        name = shelf.source_id
        if name in SERVER.closed:
            raise ParentSkippedError("This shelf is locked.")
        numbers = [n for n in SERVER.books.get(name, []) if n > start.get("after", -1)]
        for index, number in enumerate(numbers):
            if (name, number) == SERVER.close_at:
                raise ParentSkippedError("This shelf was locked meanwhile.")
            if SERVER.fails and number == numbers[-1]:
                raise SERVER.fails.pop(0)
            for page in range(SERVER.pages):
                yield Entity("pages", f"{name}-{number}-{page}", {"n": page}, name)
            is_edge = index % PAGE == PAGE - 1
            position = Position(name, {"after": number}) if is_edge else None
            yield Entity("books", f"{name}-{number}", {"n": number}, name, position=position)
        last = numbers[-1] if numbers else start.get("after", -1)
        yield Entity.rest(Position(name, {"after": last}, done=True), "books")

    def transform(self, raw: Entity) -> NormalizedRecord:
        if raw.entity_type == "shelves":
            return Folder(name=raw.source_id, kind="shelf")
        if raw.source_id in SERVER.broken:
            raise RecordRejectedError("It has no title.")
        return Company(name=SERVER.titles.get(raw.source_id, f"Book {raw.source_id}"))
