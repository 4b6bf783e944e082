"""Two connectors from outside whose calls go wrong in the way their provider is told to.

`GET /plan` names the way; see tests/secrets/provider.py. Both are careless with secrets on purpose:
what they raise holds the credentials they were given.
"""

from collections.abc import Iterator

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import NumberPages
from integrations.records import NormalizedRecord, Person
from integrations.types import (
    Checkpoint,
    Entity,
    EntityType,
    ErrorCodes,
    Field,
    Identity,
    OAuth2,
    Provider,
)
from integrations.types.auth import Basic

ORIGIN = "https://canary.example"
TLS_ORIGIN = "https://tls.canary.example"
ELSEWHERE = {
    "no_such_name": "https://no-such-name.canary.example/contacts",
    "private_address": "https://10.0.0.1/contacts",
    "tls": f"{TLS_ORIGIN}/contacts",
}


class Careless(Declared, Connector):
    entity_types = (EntityType("contacts", becomes=Person),)

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        plan = self.http.get("/plan", rows_at=None).body["plan"]
        if plan == "crash_in_fetch":
            raise RuntimeError(f"cannot go on with {dict(self.http.context.auth)}")
        pages = NumberPages(
            self.http, ELSEWHERE.get(plan, "/contacts"), items="contacts", param="page", size=10
        )
        yield from pages.entities(self.entity_type(entity_type), None)

    def transform(self, raw: Entity) -> NormalizedRecord:
        if raw.data.get("crash"):
            raise ValueError(f"{raw.data} came for {dict(self.http.context.auth)}")
        return Person(name=raw.data["name"])


@register
class ByConsent(Careless):
    provider = Provider(
        slug="canary_oauth",
        label="Canary",
        base_url=ORIGIN,
        auth=(
            OAuth2(
                authorize_url=f"{ORIGIN}/authorize", token_url=f"{ORIGIN}/token", scopes=("read",)
            ),
        ),
        identity=Identity("/me", "id", "name"),
        hosts=("*.canary.example", "10.0.0.1"),
        errors=ErrorCodes(code="error"),
    )


@register
class ByPassword(Careless):
    provider = Provider(
        slug="canary_basic",
        label="Canary by password",
        base_url=ORIGIN,
        auth=(Basic(),),
        identity=Identity("/me", "id", "name"),
        fields=(Field("region", "Region", required=False),),
        errors=ErrorCodes(code="error"),
    )
