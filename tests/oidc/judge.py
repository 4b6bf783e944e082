"""An outside connector for the authorization server of this folder; nothing in it is special."""

from collections.abc import Iterator

from integrations.connectors.base import Connector, Declared
from integrations.http.pages import NumberPages
from integrations.records import NormalizedRecord, Person
from integrations.types import Checkpoint, Entity, EntityType, Identity, OAuth2, Provider


class JudgeConnector(Declared, Connector):
    provider = Provider(
        slug="judge",
        label="Judge",
        base_url="https://judge.example",
        auth=(
            OAuth2(
                authorize_url="https://judge.example/auth",
                token_url="https://judge.example/token",
                scopes=("openid", "email", "contacts"),
                token_auth="basic",
            ),
        ),
        identity=Identity("/me", "sub", "email"),
    )
    entity_types = (EntityType("contacts", becomes=Person),)

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        pages = NumberPages(self.http, "/contacts", items="contacts", param="page", size=10)
        return pages.entities(self.entity_type(entity_type), since and since.at())

    def transform(self, raw: Entity) -> NormalizedRecord:
        return Person(name=raw.data["name"])
