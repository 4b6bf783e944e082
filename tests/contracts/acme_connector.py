"""Acme's connector, as somebody else would write it."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.connectors.base import Connector, Declared
from integrations.http.pages import CursorPages
from integrations.records import Company, Message, NormalizedRecord, utc
from integrations.types import (
    ApiKey,
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Identity,
    Limit,
    Provider,
    Ref,
)


class AcmeConnector(Declared, Connector):
    """Complete lists with the server's time beforehand, then what changed since."""

    provider = Provider(
        slug="acme_outside",
        label="Acme",
        base_url="https://api.acme-outside.example",
        auth=(ApiKey(headers={"X-Key": "{key}"}),),
        identity=Identity("/me", "id", "name"),
        limits=(Limit(100, 60),),
        errors=ErrorCodes(refresh=("bad_key",)),
    )
    entity_types = (
        EntityType("companies", Company, changed_at="changed"),
        EntityType("notes", Message, parent="companies", changed_at="changed"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        if entity_type == "notes":
            return self.per_parent("companies", since, self._notes)
        return self._changes("/companies", "", since.at() if since else {}, entity_type)

    def _notes(self, company: Entity, start: Cursor) -> Iterator[Entity]:
        path = f"/companies/{company.source_id}/notes"
        return self._changes(path, company.source_id, start, "notes")

    def _changes(self, path: str, scope: str, start: Cursor, entity_type: str) -> Iterator[Entity]:
        pages = CursorPages(self.http, path, "items", scope=scope, cursor="cursor")
        declared = self.entity_type(entity_type)
        if "feed" in start:
            return pages.feed(declared, start, "since", "now", 5)
        return pages.entities(declared, start, self._now)

    def _now(self) -> Cursor:
        return {"feed": int(self.run.started_at.timestamp()) - 5}

    def transform(self, raw: Entity) -> NormalizedRecord:
        item = raw.data
        if raw.entity_type == "companies":
            return Company(name=item["name"])
        return Message(
            text=item["text"], channel=Ref("companies", raw.scope), sent_at=utc(item["changed"])
        )
