"""Airtable (Web API v0) as callers see it: bases, their tables' fields, and rows page by page.

Facts: Airtable's pages, a client's sample objects and connectors of others, as collected in
November 2026. Chosen here because no recording was seen: rows are listed by id; an iterator holds
for the question it came with; an unknown option is refused; creating counts as modifying; and of a
formula only a change after a time, and equality with texts, is understood. A third base is shared
with those only who may write. Rows are written in `airtable_writes`, which keeps a log of them,
tables and fields made in `airtable_schema`. Not offered: sorting, webhooks, comments.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

from integrations.sandbox.airtable_access import (
    API,
    EMAIL,
    READ,
    RECORDS,
    SCHEMA_READ,
)
from integrations.sandbox.airtable_lists import listed, options_of, shown, truth_of
from integrations.sandbox.airtable_rows import NOTHING_YET, iso, record
from integrations.sandbox.airtable_schema import AirtableSchema
from integrations.sandbox.airtable_writes import AirtableWrites
from integrations.sandbox.part import Account, Json, Request, Response, json_response, route
from integrations.sandbox.rows import Row, by_id, joined

BASES_PER_PAGE = 1000
BELOW = {"bases": "tables", "tables": "rows"}
TEXTS = ("singleLineText", "multilineText", "richText")


class Airtable(AirtableSchema, AirtableWrites):
    """Two accounts of one person each, with the same three bases."""

    slug = "airtable"
    origins: ClassVar[dict[str, str]] = {
        "https://api.airtable.com": "/airtable/api",
        "https://airtable.com": "/airtable/web",
    }
    account_ids = ("usrNordlichtGmbH1", "usrHarbourValeLtd")

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        """A row's first text beside its title is written over; bases and tables are described."""
        note = f"Note {rng.randrange(10**6)} ✎"
        row.stamp = stamp
        if entity == "rows":
            table = self._table_of(account, row)
            row.data["fields"] = {**row.data["fields"], _note_field(table): note}
            for field in table.data["fields"]:
                if field["type"] == "lastModifiedTime":
                    row.data["fields"][field["id"]] = iso(stamp)
        else:
            row.data["description" if entity == "tables" else "name"] = note

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        rows, number = self.further_rows(account, rng), rng.randrange(10**6)
        if entity == "bases":
            data = {"id": rows.new_id("app"), "name": f"New {number}", "permissionLevel": "create"}
            return Row(data["id"], stamp, data)
        homes = self.table(account, "bases" if entity == "tables" else "tables")
        home = rng.choice(sorted((row for row in homes if row.visible), key=lambda row: row.id))
        if entity == "tables":
            table = rows.table(rows.new_id("tbl"), f"New {number}", NOTHING_YET)
            return Row(table["id"], stamp, table, scope=home.id)
        return record(rows.new_id("rec"), home.id, {_note_field(home): f"{number}"}, stamp, stamp)

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """A base takes its tables with it, a table its rows."""
        if below := BELOW.get(entity):
            for one in list(self.table(account, below).in_scope(row.id)):
                self.delete(account, below, one, stamp)
        super().delete(account, entity, row, stamp)

    # The API.

    @route("GET", f"{API}/meta/whoami")
    def whoami(self, request: Request) -> Response:
        asker = self.admitted(request)
        said: Json = {"id": asker.account.id}
        if asker.is_oauth:
            said["scopes"] = list(asker.scopes)
        if EMAIL in asker.scopes:
            said["email"] = f"ida@{asker.account.organisation.domain}"
        return json_response(said)

    @route("GET", f"{API}/meta/bases")
    def bases(self, request: Request) -> Response:
        asker = self.admitted(request, SCHEMA_READ)
        after = request.query.get("offset", "itr").removeprefix("itr")
        rows = self.table(asker.account, "bases").ordered("id", by_id)
        left = [row for row in rows if asker.sees(row) and row.id > after]
        page = left[:BASES_PER_PAGE]
        more = f',"offset":"itr{page[-1].id}"' if len(left) > len(page) else ""
        body = b'{"bases":' + joined(page) + more.encode() + b"}"
        return Response(200, body, rows=len(page))

    @route("GET", f"{API}/meta/bases/{{base}}/tables")
    def tables_of(self, request: Request, base: str) -> Response:
        asker = self.admitted(request, SCHEMA_READ, base)
        below = self.base(asker, base)
        rows = self.table(asker.account, "tables").in_scope(below.id)
        return Response(200, b'{"tables":' + joined(rows) + b"}", rows=len(rows))

    @route("GET", f"{RECORDS}")
    @route("POST", f"{RECORDS}/listRecords")
    def records(self, request: Request, base: str, table: str) -> Response:
        asker = self.admitted(request, READ, base)
        found = self.table_in(asker, self.base(asker, base), table)
        rows = self.table(asker.account, "rows").in_scope(found.id)
        return listed(found, rows, options_of(request), self.switches.cursor_epoch)

    @route("GET", f"{RECORDS}/{{id}}")
    def one_record(self, request: Request, base: str, table: str, id: str) -> Response:
        asker = self.admitted(request, READ, base)
        found = self.table_in(asker, self.base(asker, base), table)
        row = self.table(asker.account, "rows").find(id)
        if row is None or row.scope != found.id:
            return self.not_found(request)
        return json_response(shown(row, found, truth_of(request.query, "returnFieldsByFieldId")))

    def _table_of(self, account: Account, row: Row) -> Row:
        table = self.table(account, "tables").find(row.scope)
        if table is None:
            raise ValueError(f"{row.id} has lost its table")
        return table


def _note_field(table: Row) -> str:
    """The first text field beside the primary one; the primary one if there is no other."""
    fields = table.data["fields"]
    texts = [field["id"] for field in fields[1:] if field["type"] in TEXTS]
    return str([*texts, fields[0]["id"]][0])
