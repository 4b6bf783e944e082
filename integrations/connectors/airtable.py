"""Airtable: bases, their tables, and the rows of each table.

Source: airtable.com/developers, Web API v0, read in November 2026. Cells go by field ids, which
outlive renaming, and each row is given the id of its table's primary field, whose cell is its
title. Rows carry no time of change. Once a table has been read, only what its formula calls
modified is asked for; that leaves out deletions, and often what changed through links and
formulas, so these show in a full read only. A base counts the requests of all its callers; a
connection keeps to that number for its bases together.

Unverified: the code of a formula that is not understood, that clocks differ by less than the
overlap, how the primary cell of every field type looks, and where people remove access.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

from integrations.connectors.base import Connector, Declared
from integrations.connectors.registry import register
from integrations.http.pages import CursorPages, SinglePage
from integrations.records import Folder, NormalizedRecord, Row, dig, dig_all, found, utc
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
    Provider,
    Ref,
)

SITE = "https://airtable.com/oauth2/v1"
KEY = Field("key", "Personal access token", secret=True, pattern=r"pat\w+\.\w+")
REMOVE_AT = "Account → Integrations"
OVERLAP = timedelta(minutes=10)
CHANGED = "IS_AFTER(LAST_MODIFIED_TIME(),'{:%Y-%m-%dT%H:%M:%S}.000Z')"
ASKED = {"pageSize": 100, "returnFieldsByFieldId": "true"}
PRIMARY = "primaryFieldId"
Listed = partial(CursorPages, cursor="offset", param="offset")
Below = partial(EntityType, orphans="delete")


@register
class AirtableConnector(Declared, Connector):
    provider = Provider(
        slug="airtable",
        label="Airtable",
        base_url="https://api.airtable.com/v0",
        auth=(
            OAuth2(
                authorize_url=f"{SITE}/authorize",
                token_url=f"{SITE}/token",
                scopes=("data.records:read", "schema.bases:read"),
                optional_scopes=("user.email:read",),
                token_auth="basic",
                remove_at=REMOVE_AT,
            ),
            ApiKey({"Authorization": "Bearer {key}"}, (KEY,), "Account → Developer hub"),
        ),
        identity=Identity("/meta/whoami", id="id", label="email"),
        limits=(Limit(5, 1, path="*/app*", lockout=30), Limit(50, 1, "account")),
        errors=ErrorCodes(
            code=("error.type", "error", "errors.error"),
            retry=("RATE_LIMIT_REACHED",),
            not_found=("NOT_FOUND", "ROW_DOES_NOT_EXIST"),
            skip_parent=("INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "MODEL_ID_NOT_FOUND"),
            unavailable=("INVALID_PERMISSIONS",),
            expired=("INVALID_FILTER_BY_FORMULA",),
            restart_list=("LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "INVALID_OFFSET_VALUE"),
            operator=("PUBLIC_API_BILLING_LIMIT_EXCEEDED",),
        ),
    )
    entity_types = (
        EntityType("bases", Folder, path="/meta/bases", items="bases"),
        Below("tables", Folder, parent="bases"),
        Below("rows", Row, parent="tables", free_names=("fields",)),
    )

    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """Page: {"bases": [{"id": "app…", "name": "Workshop", …}], "offset": "itr…"}."""
        if entity_type == "rows":
            return self.per_parent("tables", since, self._rows)
        if entity_type == "tables":
            return self.per_parent("bases", since, self._tables)
        declared = self.entity_type(entity_type)
        pages = Listed(self.http, declared.path, declared.items)
        return pages.entities(declared, since.at() if since else None)

    def _tables(self, base: Entity, start: Cursor) -> Iterator[Entity]:
        """Page: {"tables": [{"id": "tbl…", "primaryFieldId": "fld…", "fields": […], …}]}."""
        path, scope = f"/meta/bases/{base.source_id}/tables", base.source_id
        pages = SinglePage(self.http, path, "tables", scope=scope)
        return pages.entities(self.entity_type("tables"), start)

    def _rows(self, table: Entity, start: Cursor) -> Iterator[Entity]:
        """Page: {"records": [{"id": "rec…", "fields": {"fld…": "Ida", …}}], "offset": "itr…/rec…"}.

        All of them once (or those changed since the backfill date), then those changed since
        shortly before the last run began.
        """
        declared, scope = self.entity_type("rows"), table.source_id
        pages = Listed(self.http, f"/{table.scope}/{scope}", "records", params=ASKED, scope=scope)
        later = {"feed": CHANGED.format(self.run.started_at - OVERLAP)}
        if "not_before" in start:
            start = {"feed": CHANGED.format(utc(start["not_before"]))}
        if "feed" in start:
            walk = pages.feed(declared, {"until": later, **start}, asks="filterByFormula")
        else:
            walk = pages.entities(declared, start, then=partial(dict, later))
        named = {PRIMARY: dig(table.payload, PRIMARY)}
        for row in walk:
            is_read = isinstance(row.payload, dict) and not row.is_rest
            yield replace(row, payload={**row.data, **named}) if is_read else row

    def transform(self, raw: Entity) -> NormalizedRecord:
        """Cells stay in the payload. A title is the primary cell as text, parts with commas."""
        item = raw.data
        if raw.entity_type == "rows":
            cell = dig_all(item["fields"], str(item[PRIMARY]))
            title = ", ".join(found(*(dig(part, "text") or part for part in cell)))
            return Row(title=title or None, table=Ref("tables", raw.scope))
        if raw.entity_type == "tables":
            return Folder(item["name"], parent=Ref("bases", raw.scope), kind="table")
        return Folder(item["name"], kind="base")
