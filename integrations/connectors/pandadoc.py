"""PandaDoc: members, contacts, templates and documents of one workspace.

Source: PandaDoc's own API description 8.8.0 and developer pages, read in November 2026. Documents
are listed oldest change first and then asked for one by one; one still being processed has no
details yet and is taken as listed until it changes. Contacts and members have no time of change.
Deleted documents and templates have a list of their own. That list is read in full each time,
because nobody says whether deleting counts as a change, nor whether restoring does: a restored
document is seen when it next changes, or by a full read.

Unverified: that refreshing keeps the refresh token, how an unusable one is refused, that contacts
come in one answer however many they are, and the hosts of accounts in the European Union. PKCE and
revoking are not documented. The scope is written "read write", which a form sends as
"read+write"; the answer spells it with the plus.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import NumberPages, SinglePage
from integrations.records import (
    Address,
    Document,
    NormalizedRecord,
    Person,
    Template,
    User,
    dig,
    dig_all,
    found,
    mapped,
)
from integrations.types import (
    ApiKey,
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Field,
    Identity,
    Limit,
    OAuth2,
    Payload,
    Provider,
)

KEY = Field("key", "API key", secret=True, pattern=r"[0-9a-f]{40}")
PAGE_SIZE = 100
BEGINNING = "1970-01-01T00:00:00Z"
CHANGED = "date_modified"
OVERLAP_SECONDS = 60
OLDEST_FIRST: dict[str, Any] = {"stamp": CHANGED, "size": PAGE_SIZE, "first": BEGINNING}
SCOPE = "read write"
DELETED = "deleted"
UNREADY = ("document.uploaded", "document.error")
Listed = partial(NumberPages, items="results", size=PAGE_SIZE, size_param="count")
ADDRESS = ("street_address", "city", "state", "postal_code", "country")
USER = {"email": "email", "title": "role", "is_active": "is_active"}
NAMES = {"first_name": "first_name", "last_name": "last_name", "company_name": "company"}
PERSON = {**NAMES, "emails": "email", "phones": "phone", "title": "job_title"}
TIMES = {"sent_at": "date_sent", "completed_at": "date_completed", "expires_at": "expiration_date"}
DOCUMENT = {
    **TIMES,
    "name": "name",
    "amount": "grand_total.amount",
    "currency": "grand_total.currency",
    "template": "templates:template.id",
    "owner": "members:created_by.id",
}
BINNED: dict[str, Any] = {"changed_at": CHANGED, "deletions": "signal", "free_names": ("metadata",)}


@register
class PandaDocConnector(Declared, Connector):
    provider = Provider(
        slug="pandadoc",
        label="PandaDoc",
        base_url="https://api.pandadoc.com/public/v1",
        auth=(
            OAuth2(
                authorize_url="https://app.pandadoc.com/oauth2/authorize",
                token_url="https://api.pandadoc.com/oauth2/access_token",
                scopes=(SCOPE,),
                scope_aliases={"read+write": SCOPE},
                pkce=False,
                remove_at="Settings → Integrations",
            ),
            ApiKey({"Authorization": "API-Key {key}"}, (KEY,), "Developer dashboard"),
        ),
        identity=Identity("/members/current", id="workspace", label="workspace_name"),
        limits=(Limit(250, 60, path="/documents/*/details"), Limit(1000, 60)),
        errors=ErrorCodes(code="type", retry=("throttled", "http:409", "http:423")),
    )
    entity_types = (
        EntityType("members", User, key="user_id", changed_at=CHANGED),
        EntityType("contacts", Person),
        EntityType("templates", Template, **BINNED),
        EntityType("documents", Document, ("members", "contacts", "templates"), **BINNED),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"results": [{"id": "Nq3bVxYk7ZsW2mTrPd8LhA", "date_modified": "…", …}]}."""
        declared, since = self.entity_type(entity_type), since or Checkpoint()
        if "" not in since.finished:
            yield from self._present(declared, since.at())
        if declared.deletions == "signal" and DELETED not in since.finished:
            gone = Listed(self.http, f"/{entity_type}", params={"deleted": "true"}, scope=DELETED)
            for entity in gone.entities(declared, since.at(DELETED)):
                # It was stored under no scope, so it is deleted from none.
                yield replace(entity, scope="", deleted=not entity.is_rest)

    def _present(self, declared: EntityType, start: Cursor) -> Iterator[Entity]:
        path = f"/{declared.name}"
        if declared.name == "templates":
            return Listed(self.http, path).entities(declared, start)
        pages = SinglePage(self.http, path, "results", declared.key)
        if declared.name != "documents":
            return pages.entities(declared, start)
        how = {**OLDEST_FIRST, "overlap": OVERLAP_SECONDS, "detailed": True}
        changed = pages.keyset(declared, start, _changed_since, **how)
        return self.details(changed, f"{path}/{{id}}/details", only_if=_is_ready)

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Whoever has neither name nor address goes by the id. Groups of recipients are opened."""
        item = raw.data
        match raw.entity_type:
            case "documents":
                to = dig_all(item, "recipients.email") + dig_all(item, "recipients.members.email")
                status = item["status"].removeprefix("document.")
                document = mapped(Document, item, DOCUMENT)
                return Document(status=status, recipients=found(*to), **document)
            case "templates":
                return Template(name=item["name"])
        names = found(item.get("first_name"), item.get("last_name"))
        name = " ".join(names) or item.get("email") or raw.source_id
        if raw.entity_type == "members":
            return User(name=name, **mapped(User, item, USER))
        return Person(name=name, address=Address.of(item, ADDRESS), **mapped(Person, item, PERSON))


def _changed_since(stamp: str, page: int) -> Payload:
    return {"order_by": CHANGED, "modified_from": stamp, "count": PAGE_SIZE, "page": page}


def _is_ready(entity: Entity) -> bool:
    return dig(entity.payload, "status") not in UNREADY
