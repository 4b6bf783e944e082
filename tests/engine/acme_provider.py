"""An outside connector over a list in memory, as somebody else's module would register it.

`SERVER` is the provider: change its rows, let it fail at a page. Two entity types, companies and
people, people after companies. Pages have `page_size` rows, oldest first; the cursor is the number
of the next page, so what is asked again is visible in `SERVER.asked`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.records import Company, NormalizedRecord, Person, ref
from integrations.types import (
    ApiKey,
    Checkpoint,
    Entity,
    EntityType,
    Field,
    Identity,
    Position,
    Provider,
    Unreadable,
)


@dataclass
class Server:
    rows: dict[str, list[dict[str, Any] | Unreadable]] = field(default_factory=dict)
    page_size: int = 10
    asked: list[tuple[str, int]] = field(default_factory=list)
    fail_at: dict[tuple[str, int], list[Exception]] = field(default_factory=dict)

    def page(self, entity_type: str, number: int) -> list[dict[str, Any] | Unreadable]:
        self.asked.append((entity_type, number))
        if failures := self.fail_at.get((entity_type, number)):
            raise failures.pop(0)
        start = number * self.page_size
        return self.rows.get(entity_type, [])[start : start + self.page_size]


SERVER = Server()


def company(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "name": f"Company {number}", "changed": 1_760_000_000} | changes


def person(number: int, **changes: Any) -> dict[str, Any]:
    row = {"id": f"p{number}", "name": f"Person {number}", "company": f"c{number}"}
    return row | {"changed": 1_760_000_000} | changes


@register
class AcmeConnector(Declared, Connector):
    provider = Provider(
        slug="acme_memory",
        label="Acme in memory",
        base_url="https://api.acme.example",
        auth=(ApiKey(headers={"X-Key": "{key}"}, fields=(Field("key", "Key", secret=True),)),),
        identity=Identity("/account", "id", "name"),
    )
    entity_types = (
        EntityType("companies", becomes=Company, deletions="signal", free_names=("labels",)),
        EntityType("people", becomes=Person, after=("companies",), newest_wins=True),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        start = since.at().get("page", 0) if since else 0
        number = start
        while rows := self._page(entity_type, number):
            number += 1
            for index, row in enumerate(rows):
                last = index == len(rows) - 1
                yield self._entity(entity_type, row, number if last else None)
            if len(rows) < SERVER.page_size:
                break
        yield Entity.rest(Position("", {}, done=True), entity_type)

    def _page(self, entity_type: str, number: int) -> list[dict[str, Any] | Unreadable]:
        self.http.calls += 1  # as the client counts them, had it been asked
        return SERVER.page(entity_type, number)

    def _entity(
        self, entity_type: str, row: dict[str, Any] | Unreadable, number: int | None
    ) -> Entity:
        position = None if number is None else Position("", {"page": number})
        if isinstance(row, Unreadable):
            return Entity(entity_type, "unreadable", row, position=position)
        if row.get("gone"):
            return Entity.gone(entity_type, row["id"], row.get("shelf", ""), position=position)
        changed_at = datetime.fromtimestamp(row["changed"], UTC)
        return Entity(
            entity_type,
            row["id"],
            row,
            row.get("shelf", ""),
            changed_at=changed_at,
            position=position,
        )

    def transform(self, raw: Entity) -> NormalizedRecord:
        item = raw.data
        if raw.entity_type == "companies":
            return Company(name=item["name"])
        return Person(name=item["name"], company=ref("companies", item["company"]))
