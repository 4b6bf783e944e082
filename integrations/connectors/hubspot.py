"""HubSpot: owners, deal pipelines with their stages, companies, contacts and deals.

Source: developers.hubspot.com, API version 2026-03, read in November 2026. Objects are searched
oldest change first and by key set, since a search counts to 10,000 only. Its answers lack
associations, which are read for each of its pages at once. Archived objects are told by a list of
their own that knows no changes and is read every time; what was deleted for privacy just vanishes.
Objects may lack a name, and then go by what else there is.

Unverified: whether the consent page heeds a PKCE challenge, `/account-info`, `hs_is_closed`, how
long archived objects are listed (90 days), that an association comes with its primary company
first, that properties an object does not have are passed over, and that no millisecond changed
more than 10,000 objects. Pipelines exist as v3 only.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import CursorPages, SinglePage, in_pages
from integrations.records import (
    Address,
    Company,
    Deal,
    NormalizedRecord,
    Option,
    Person,
    User,
    dig,
    dig_all,
    found,
    mapped,
)
from integrations.types import (
    Checkpoint,
    Cursor,
    Entity,
    EntityType,
    ErrorCodes,
    Identity,
    Limit,
    OAuth2,
    Payload,
    Provider,
)

VERSION = "2026-03"
TOKEN = f"https://api.hubapi.com/oauth/{VERSION}/token"
OBJECTS = f"/crm/objects/{VERSION}"
ASSOCIATIONS = f"/crm/associations/{VERSION}"
PIPELINES = "/crm/v3/pipelines/deals"
PAGE_SIZE = 200
BEGINNING = "1970-01-01T00:00:00Z"
ARCHIVED = "archived"
READ = [f"crm.objects.{kind}.read" for kind in ("contacts", "companies", "deals", "owners")]
Listed = partial(CursorPages, items="results", cursor="paging.next.after", param="after")
IN_BIN = {"limit": 100, ARCHIVED: "true"}
Bin = partial(Listed, params=IN_BIN, scope=ARCHIVED, gone=(ARCHIVED, True))
Found = partial(SinglePage, items="results", method="post")
Crm = partial(EntityType, deletions="signal", lifetime=timedelta(days=89))
LINKED = {"companies": (), "contacts": ("companies",), "deals": ("companies", "contacts")}
PLACE = ("address", "city", "state", "zip", "country")
NAMES = ("name", "firstname", "lastname", "firstName", "lastName")
ENDS = ("hs_is_closed", "hs_is_closed_won")
OTHERS = (*NAMES[:3], "phone", "mobilephone", *PLACE, *ENDS)
OWNER = {"owner": "owners:hubspot_owner_id"}
BOTH = OWNER | {"company": "companies:companies.toObjectId"}
CONTACT = {"first_name": "firstname", "last_name": "lastname", "company_name": "company"}
WORTH = {"amount": "amount", "currency": "deal_currency_code", "closes_on": "closedate"}
STAGE = {"stage": "stages:dealstage", "pipeline": "pipelines:pipeline", "name": "dealname"}
TABLES = {
    "companies": OWNER | {"domain": "domain"},
    "contacts": CONTACT | BOTH | {"emails": "email", "title": "jobtitle"},
    "deals": WORTH | STAGE | BOTH | {"person": "contacts:contacts.toObjectId"},
}
PATHS = [path.rpartition(":")[2] for table in TABLES.values() for path in table.values()]
WANTED = sorted({*OTHERS, *(path for path in PATHS if "." not in path)})


@register
class HubSpotConnector(Declared, Connector):
    provider = Provider(
        slug="hubspot",
        label="HubSpot",
        base_url="https://api.hubapi.com",
        auth=(
            OAuth2(
                authorize_url="https://app.hubspot.com/oauth/authorize",
                token_url=TOKEN,
                revoke_url=f"{TOKEN}/revoke",
                scopes=("oauth", *READ),
                keep=("hub_id",),
                remove_at="Settings → Integrations → Connected apps",
                dead=("invalid_grant", "BAD_REFRESH_TOKEN", "VALIDATION_ERROR"),
            ),
        ),
        identity=Identity("/account-info/v3/details", id="portalId", label="portalId"),
        limits=(Limit(5, 1, "account", "*/search"), Limit(110, 10, "account")),
        errors=ErrorCodes(code="category", retry=("RATE_LIMITS", "http:423", "http:477")),
    )
    entity_types = (
        EntityType("owners", User, path=f"/crm/owners/{VERSION}?limit=100", items="results"),
        EntityType("pipelines", Option, path=PIPELINES, items="results"),
        EntityType("stages", Option, path=PIPELINES, items="results.stages"),
        Crm("companies", Company, changed_at="properties.hs_lastmodifieddate"),
        Crm("contacts", Person, changed_at="properties.lastmodifieddate"),
        Crm("deals", Deal, changed_at="properties.hs_lastmodifieddate"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"results": [{"id": "430001", "properties": {…}, …}], "paging": {"next": {…}}}.

        Archived objects are read in a scope of their own, which they do not belong to.
        """
        declared, since = self.entity_type(entity_type), since or Checkpoint()
        if declared.path:
            pages = Listed(self.http, declared.path, items=declared.items)
            yield from pages.entities(declared, since.at())
            return
        if "" not in since.finished:
            for page in in_pages(self._changed(declared, since.at())):
                yield from self._linked(entity_type, page)
        if ARCHIVED not in since.finished:
            archived = Bin(self.http, f"{OBJECTS}/{entity_type}")
            for entity in archived.entities(declared, since.at(ARCHIVED)):
                yield replace(entity, scope="")

    def _changed(self, declared: EntityType, start: Cursor) -> Iterator[Entity]:
        """Page: {"total": 2, "results": [{"id": "430001", "properties": {…}, …}]}."""
        stamp = declared.changed_at.removeprefix("properties.")

        def ask(since: str, page: int) -> Payload:
            changed = {"propertyName": stamp, "operator": "GTE", "value": since}
            return {"filterGroups": [{"filters": [changed]}], "after": str((page - 1) * PAGE_SIZE)}

        order = {"propertyName": stamp, "direction": "ASCENDING"}
        asked = {"sorts": [order], "properties": [stamp, *WANTED], "limit": PAGE_SIZE}
        search = Found(self.http, f"{OBJECTS}/{declared.name}/search", params=asked)
        return search.keyset(declared, start, ask, declared.changed_at, PAGE_SIZE, BEGINNING)

    def _linked(self, name: str, page: list[Entity]) -> list[Entity]:
        """The page, each of its rows with its associations, which searches leave out."""
        rows = {one.source_id: one.payload for one in page if isinstance(one.payload, dict)}
        for to in LINKED[name] if any(rows) else ():
            batch = Found(self.http, f"{ASSOCIATIONS}/{name}/{to}/batch/read")
            asked = {"inputs": [{"id": source_id} for source_id in rows if source_id]}
            for row in batch.raw_rows(batch.send(asked)):
                rows.get(dig(row, "from.id"), {})[to] = dig_all(row, "to")
        return page

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Properties are texts or null, also numbers and flags."""
        item, table = raw.data, TABLES.get(raw.entity_type, {})
        item = {**item, **item["properties"]} if raw.entity_type in TABLES else item
        name = " ".join(found(*map(item.get, NAMES)))
        name = name or found(item.get("domain"), item.get("email"), raw.source_id)[0]
        phones, place = found(item.get("phone"), item.get("mobilephone")), Address.of(item, PLACE)
        match raw.entity_type:
            case "owners":
                return User(name, item.get("email"))
            case "companies":
                return Company(name, phones=phones, address=place, **mapped(Company, item, table))
            case "contacts":
                return Person(name, phones=phones, address=place, **mapped(Person, item, table))
            case "deals":
                closed, won = (item.get(end) == "true" for end in ENDS)
                status = "won" if won else "lost" if closed else "open"
                return Deal(status=status, **mapped(Deal, item, table))
        return Option(item["label"], kind=raw.entity_type, rank=item.get("displayOrder"))
