"""The connector of the faulty provider, as somebody outside would write it."""

from collections.abc import Iterator

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.errors import RecordRejectedError
from integrations.http.pages import CursorPages
from integrations.records import Company, NormalizedRecord, Person, ref
from integrations.types import (
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Identity,
    OAuth2,
    Provider,
)
from tests.harness.simulator import ORIGIN, sha256_of

SLUG = "acme_faulty"


@register
class FaultyConnector(Declared, Connector):
    """A complete list once, then changes from the number where the list began."""

    provider = Provider(
        slug=SLUG,
        label="Acme with faults",
        base_url=ORIGIN,
        auth=(
            OAuth2(
                authorize_url=f"{ORIGIN}/authorize",
                token_url=f"{ORIGIN}/token",
                scopes=("read",),
            ),
        ),
        identity=Identity("/account", "id", "name"),
        errors=ErrorCodes(refresh=("token_expired",), expired=("cursor_gone",)),
    )
    entity_types = (
        EntityType("companies", Company, deletions="signal"),
        EntityType("people", Person, after=("companies",), deletions="signal"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        start = since.at() if since else {}
        declared = self.entity_type(entity_type)
        pages = CursorPages(
            self.http,
            f"/{entity_type}",
            "items",
            cursor="next",
            param="page",
            gone=("deleted", True),
        )
        if "feed" in start:
            return pages.feed(declared, start, "since", "last")
        return pages.entities(declared, start, self._now)

    def _now(self) -> Cursor:
        return {"feed": self.http.get("/now", rows_at=None).body["last"]}

    def transform(self, raw: Entity) -> NormalizedRecord:
        """A row that does not fit its own hash has been damaged on the way."""
        item = raw.data
        if item["sha256"] != sha256_of(item):
            raise RecordRejectedError("The row does not fit its hash.")
        if raw.entity_type == "companies":
            return Company(name=item["name"])
        return Person(name=item["name"], company=ref("companies", item["company"]))
