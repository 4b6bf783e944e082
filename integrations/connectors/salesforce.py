"""Salesforce: users, opportunity stages, accounts, contacts and opportunities, through SOQL.

Source: developer.salesforce.com, REST API v62.0, read in November 2026. One `queryAll` by
SystemModstamp, newest first, brings changes and, for about 15 days, what lies in the recycle bin.
The provider keeps the rows a query found, so a long walk loses none; SystemModstamp counts whole
seconds and late commits are read again by the overlap. Organizations differ in their fields:
`describe` says which there are, and hidden ones are left out. Users and stages are only ever made
inactive. A currency is told by organizations with several only.

Unverified: how long a query's next page stays valid (about two days; then the walk begins anew),
that OpportunityStage and Organization may be queried by every user with access to the API, and
the names of the codes under `operator`.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.errors import HubError, RateLimitError
from integrations.http.answer import Answer
from integrations.http.pages import SinglePage, UrlPages
from integrations.http.pages.stamps import earlier
from integrations.records import (
    Address,
    Company,
    Deal,
    NormalizedRecord,
    Option,
    Person,
    User,
    dig,
    found,
    mapped,
)
from integrations.types import (
    Checkpoint,
    Entity,
    EntityType,
    ErrorCodes,
    Field,
    Identity,
    Limit,
    OAuth2,
    Position,
    Provider,
    Quota,
)

LOGIN = "https://{login_host}/services/oauth2"
DATA = "/services/data/v62.0"
ORGANIZATION = f"{DATA}/query?q=SELECT+Id,+Name+FROM+Organization"
CHANGED = "SystemModstamp"
BEGINNING = "1970-01-01T00:00:00Z"
OVERLAP_SECONDS = 300
QUERY = f"SELECT {{}} FROM {{}} WHERE {CHANGED} >= {{}} ORDER BY {CHANGED} DESC"
HOST = re.compile(r"(?:https?://)?(?:www\.)?([^/?#:@\s]+)", re.IGNORECASE)
PARTS = ("Street", "City", "State", "PostalCode", "Country")
BILLING, MAILING = ([kind + part for part in PARTS] for kind in ("Billing", "Mailing"))
PARTY = {"name": "Name", "phones": "Phone", "owner": "users:OwnerId"}
NAMES = {"first_name": "FirstName", "last_name": "LastName", "title": "Title", "emails": "Email"}
WORTH = {"amount": "Amount", "currency": "CurrencyIsoCode", "probability": "Probability"}
SALE = {"stage": "stages:StageName", "closes_on": "CloseDate", "company": "accounts:AccountId"}
TABLES = {
    "users": {"name": "Name", "email": "Email", "title": "Title", "phone": "Phone"},
    "stages": {"name": "MasterLabel", "rank": "SortOrder", "is_active": "IsActive"},
    "accounts": PARTY | {"parent": "accounts:ParentId"},
    "contacts": PARTY | NAMES | {"company": "accounts:AccountId"},
    "opportunities": {"name": "Name", "owner": "users:OwnerId"} | WORTH | SALE,
}
PATHS = [path.rpartition(":")[2] for table in TABLES.values() for path in table.values()]
OTHERS = ("Id", "ApiName", CHANGED, "IsDeleted", "IsClosed", "IsWon", "Website", "MobilePhone")
Listed = partial(EntityType, key="Id", changed_at=CHANGED, lifetime=timedelta(days=14))


@register
class SalesforceConnector(Declared, Connector):
    provider = Provider(
        slug="salesforce",
        label="Salesforce",
        base_url="{instance_url}",
        hosts=("*.my.salesforce.com", "login.salesforce.com", "test.salesforce.com"),
        fields=(Field("login_host", "Login host", pattern=r"([a-z0-9-]+\.)+salesforce\.com"),),
        auth=(
            OAuth2(
                authorize_url=f"{LOGIN}/authorize",
                token_url=f"{LOGIN}/token",
                revoke_url=f"{LOGIN}/revoke",
                scopes=("api", "refresh_token"),
                keep=("instance_url",),
                dead=("invalid_grant", "inactive_user", "inactive_org"),
            ),
        ),
        identity=Identity(ORGANIZATION, "records.0.Id", "records.0.Name"),
        limits=(Limit(100_000, 86_400, per="account"),),
        quotas=(Quota("Sforce-Limit-Info", r"api-usage=(?P<used>\d+)/(?P<limit>\d+)", 0.8),),
        errors=ErrorCodes(
            code="errorCode",
            retry=("SERVER_UNAVAILABLE", "QUERY_TIMEOUT", "http:406", "http:420"),
            unavailable=("INVALID_TYPE", "NOT_FOUND", "INSUFFICIENT_ACCESS"),
            restart_list=("INVALID_QUERY_LOCATOR", "INVALID_FIELD"),
            operator=("API_DISABLED_FOR_ORG", "TXN_SECURITY_METERING_ERROR", "http:410"),
        ),
    )
    entity_types = (
        Listed("users", User, path="User", deletions="never"),
        Listed("stages", Option, path="OpportunityStage", key="ApiName", deletions="never"),
        Listed("accounts", Company, ("users",), path="Account", deletions="signal"),
        Listed("contacts", Person, ("accounts",), path="Contact", deletions="signal"),
        Listed("opportunities", Deal, ("accounts",), path="Opportunity", deletions="signal"),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"done": false, "nextRecordsUrl": "/services/…-2000", "records": [{"Id": …}]}.

        Only fields that the organization has and shows are asked for.
        """
        declared, start = self.entity_type(entity_type), since.at() if since else {}
        if "fields" not in start:
            shape = SinglePage(self.http, f"{DATA}/sobjects/{declared.path}/describe", "fields")
            shown = {dig(field, "name") for field in shape.raw_rows(shape.send({}))}
            wanted = dict.fromkeys((*OTHERS, *PATHS, *BILLING, *MAILING))
            start["fields"] = ", ".join(name for name in wanted if name in shown)
            yield Entity.rest(Position("", dict(start)), entity_type)
        floor = earlier(start.get("high"), OVERLAP_SECONDS) or start.get("not_before", BEGINNING)
        asked = {"q": QUERY.format(start["fields"], declared.path, floor)}
        path, gone, following = f"{DATA}/queryAll", ("IsDeleted", True), "nextRecordsUrl"
        pages = UrlPages(self.http, path, "records", declared.key, asked, gone=gone, next=following)
        yield from pages.newest_first(declared, start, CHANGED, overlap=OVERLAP_SECONDS)

    def classify_error(self, answer: Answer) -> HubError | None:
        """403 without Retry-After: the calls of a day are used up, or too many run at once."""
        if dig(answer.body, "0.errorCode") != "REQUEST_LIMIT_EXCEEDED":
            return None
        return RateLimitError("Salesforce answered REQUEST_LIMIT_EXCEEDED; it will be asked later.")

    def transform(self, raw: Entity) -> NormalizedRecord:
        """A website is free text, of which the host is the domain."""
        item, table = raw.data, TABLES[raw.entity_type]
        match raw.entity_type:
            case "users":
                return User(is_active=item["IsActive"], **mapped(User, item, table))
            case "stages":
                return Option(kind="stages", **mapped(Option, item, table))
            case "accounts":
                host, address = HOST.match(item.get("Website") or ""), Address.of(item, BILLING)
                domain = host[1].lower() if host else None
                return Company(domain=domain, address=address, **mapped(Company, item, table))
            case "contacts":
                phones = found(item.get("Phone"), item.get("MobilePhone"))
                person = mapped(Person, item, table) | {"phones": phones}
                return Person(address=Address.of(item, MAILING), **person)
        status = "won" if item.get("IsWon") else "lost" if item.get("IsClosed") else "open"
        return Deal(status=status, **mapped(Deal, item, table))
