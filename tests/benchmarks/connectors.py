"""Connectors to the provider of the benchmarks; HUB_CONNECTOR_MODULES names this module.

There are several, so that one can hang, or be asked for far more than it allows, while another
works.
"""

from collections.abc import Iterator

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import CursorPages
from integrations.records import Address, NormalizedRecord, Person
from integrations.types import (
    ApiKey,
    Checkpoint,
    Entity,
    EntityType,
    Field,
    Identity,
    Limit,
    Provider,
)
from tests.benchmarks.provider import STORM_REQUESTS, STORM_SECONDS

_KEY = (ApiKey(headers={"X-Key": "{key}"}, fields=(Field("key", "Key", secret=True),)),)


@register
class BenchmarkConnector(Declared, Connector):
    """One complete list, read again in every run."""

    provider = Provider(
        slug="benchmark",
        label="Benchmark",
        base_url="https://api.benchmark.example",
        auth=_KEY,
        identity=Identity("/me", "id", "name"),
    )
    entity_types = (EntityType("contacts", becomes=Person, changed_at="changed"),)

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        pages = CursorPages(self.http, "/contacts", "items", cursor="cursor")
        return pages.entities(self.entity_type(entity_type), since.at() if since else {})

    def transform(self, raw: Entity) -> NormalizedRecord:
        item = raw.data
        return Person(
            name=f"{item['first_name']} {item['last_name']}",
            first_name=item["first_name"],
            last_name=item["last_name"],
            emails=tuple(item["emails"]),
            phones=tuple(item["phones"]),
            title=item["title"],
            company_name=item["company"],
            address=Address(
                street=item["address"]["street"],
                city=item["address"]["city"],
                postal_code=item["address"]["postal_code"],
                country=item["address"]["country"],
            ),
            tags=tuple(item["tags"]),
            is_active=item["is_active"],
        )


@register
class HangingConnector(BenchmarkConnector):
    provider = Provider(
        slug="benchmark_hangs",
        label="Benchmark that hangs",
        base_url="https://api.benchmark-hangs.example",
        auth=_KEY,
        identity=Identity("/me", "id", "name"),
    )


@register
class StormConnector(BenchmarkConnector):
    """What all its connections may ask together is a small part of what they would."""

    provider = Provider(
        slug="benchmark_storm",
        label="Benchmark of few requests",
        base_url="https://api.benchmark-storm.example",
        auth=_KEY,
        identity=Identity("/me", "id", "name"),
        limits=(Limit(STORM_REQUESTS, STORM_SECONDS, per="app"),),
    )
