"""Copper CRM: companies, people, deals, leads and tasks, read oldest change first.

Source: developer.copper.com, developer API v1, read in November 2026. Searches answer a bare
array and reach no further than 100,000 rows, so lists are asked for by modified date. Deleted
records just stop appearing: only a full read shows them. Ids are unique within their type and
have been both numbers and texts.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import NumberPages, SinglePage
from integrations.records import (
    Address,
    Company,
    Deal,
    NormalizedRecord,
    Option,
    Person,
    Task,
    User,
    dig_all,
    found,
    mapped,
    ref,
)
from integrations.types import (
    ApiKey,
    Checkpoint,
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

APP = "https://app.copper.com/oauth"
OWNER = Field("user_email", "E-mail of the key's owner", pattern=r"[^@\s]+@[^@\s]+")
PAGE_SIZE = 200
SearchPages = partial(NumberPages, method="post", param="page_number", size_param="page_size")
MODIFIED = "date_modified"
DEAL = {
    "name": "name",
    "amount": "monetary_value",
    "currency": "monetary_unit",
    "stage": "stages:pipeline_stage_id",
    "pipeline": "pipelines:pipeline_id",
    "probability": "win_probability",
    "closes_on": "close_date",
    "company": "companies:company_id",
    "person": "people:primary_contact_id",
    "owner": "users:assignee_id",
    "tags": "tags",
}
TASK = {
    "name": "name",
    "description": "details",
    "status": "status",
    "priority": "priority",
    "assignees": "users:assignee_id",
    "due_on": "due_date",
    "completed_at": "completed_date",
    "tags": "tags",
}
LISTS = {"person": "people", "company": "companies", "opportunity": "opportunities"}


@register
class CopperConnector(Declared, Connector):
    provider = Provider(
        slug="copper",
        label="Copper",
        base_url="https://api.copper.com/developer_api/v1",
        auth=(
            ApiKey(
                headers={"X-PW-AccessToken": "{key}", "X-PW-UserEmail": "{user_email}"},
                fields=(Field("key", "API key", secret=True), OWNER),
                remove_at="System settings → API Keys",
            ),
            OAuth2("", f"{APP}/authorize", f"{APP}/token", ("developer/v1/all",), pkce=False),
        ),
        headers={"X-PW-Application": "developer_api", "Content-Type": "application/json"},
        identity=Identity("/account", id="id", label="name"),
        limits=(Limit(requests=150, per_seconds=60),),
        errors=ErrorCodes(not_found=("not_found",)),
    )
    entity_types = (
        EntityType("users", User),
        EntityType("pipelines", Option, path="/pipelines"),
        EntityType("stages", Option, path="/pipeline_stages", after=("pipelines",)),
        EntityType("custom_fields", Option, path="/custom_field_definitions"),
        EntityType("companies", Company, after=("users",), changed_at=MODIFIED),
        EntityType("people", Person, after=("companies",), changed_at=MODIFIED),
        EntityType("opportunities", Deal, after=("people", "stages"), changed_at=MODIFIED),
        EntityType("leads", Person, after=("users",), changed_at=MODIFIED),
        EntityType("tasks", Task, after=("people",), changed_at=MODIFIED),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: [{"id": 73001, …}, …]. Small reference lists have a path and come whole."""
        declared = self.entity_type(entity_type)
        start = since.at() if since else None
        if declared.path:
            return SinglePage(self.http, declared.path).entities(declared, start)
        search = SearchPages(self.http, f"/{entity_type}/search", size=PAGE_SIZE)
        if not declared.changed_at:
            return search.entities(declared, start)
        return search.keyset(declared, start, _changed_since, MODIFIED, PAGE_SIZE, first=0)

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Unknown keys are ignored; custom fields stay in the raw payload."""
        item = raw.data
        match raw.entity_type:
            case "users":
                return User(name=item["name"], email=item.get("email"))
            case "pipelines" | "stages" | "custom_fields":
                pipeline = ref("pipelines", item.get("pipeline_id"))
                return Option(name=item["name"], kind=raw.entity_type, parent=pipeline)
            case "companies":
                contact = ref("people", item.get("primary_contact_id"))
                shared = _shared(item)
                return Company(domain=item.get("email_domain"), primary_contact=contact, **shared)
            case "opportunities":
                return Deal(status=item["status"].lower(), **mapped(Deal, item, DEAL))
            case "tasks":
                about = item.get("related_resource") or {"type": ""}
                related = ref(LISTS.get(about["type"], about["type"]), about.get("id"))
                return Task(related=related, **mapped(Task, item, TASK))
        return Person(
            first_name=item.get("first_name"),
            last_name=item.get("last_name"),
            emails=found(*dig_all(item, "emails.email"), *dig_all(item, "email.email")),
            title=item.get("title"),
            role="lead" if raw.entity_type == "leads" else "",
            company=ref("companies", item.get("company_id")),
            company_name=item.get("company_name"),
            **_shared(item),
        )


def _changed_since(stamp: int, page: int) -> Payload:
    order = {"sort_by": MODIFIED, "sort_direction": "asc"}
    return {**order, "minimum_modified_date": stamp, "page_number": page, "page_size": PAGE_SIZE}


def _shared(item: Payload) -> dict[str, Any]:
    """What companies, people and leads have in common."""
    at = item.get("address") or {}
    where = (at.get(part) for part in ("street", "city", "state", "postal_code", "country"))
    return {
        "name": item["name"],
        "phones": found(*dig_all(item, "phone_numbers.number")),
        "owner": ref("users", item.get("assignee_id")),
        "address": Address(*where) if at else None,
        "tags": found(*item.get("tags") or ()),
    }
