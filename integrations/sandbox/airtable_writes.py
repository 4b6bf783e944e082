"""Writing rows to Airtable: create, update, upsert and delete, ten in a request, all or nothing.

Facts as in `airtable`. Chosen here because no recording was seen: a request with one bad cell
writes nothing (with the switch `partial_writes`, the records before the bad one are written, and
the answer is a refusal all the same); a key that several rows have, or two records of the request,
refuses all of it; an upsert names a value for every field it merges on.

The log (`GET /_log?slug=airtable&since=`) has an entry for every row that was written, in order,
whether or not the answer arrived:

    {"n": 1, "time": 1790000000.0, "account": "usr…", "base": "app…", "table": "tbl…",
     "table_name": "People", "record": "rec…", "kind": "created" | "updated" | "deleted",
     "key": "copper:person:140001", "by": "upsert" | "create" | "update" | "delete" | "typecast",
     "changed": true, "fields": {"Hub ID": "copper:person:140001", "Name": "Ida Petersen"}}

`key` is what the row has in the fields merged on, several joined by "|", or without an upsert in
its primary field. `fields` are the cells that were sent, by name, as they are kept; `changed` is
false if they were there before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from integrations.sandbox.airtable_access import (
    RECORDS,
    WRITE,
    AirtableAccess,
    Asker,
    refuse,
)
from integrations.sandbox.airtable_cells import COMPUTED, MERGEABLE, Cells
from integrations.sandbox.airtable_lists import (
    NOT_UNDERSTOOD,
    body_of,
    known_field,
    shown,
    truth_of,
)
from integrations.sandbox.airtable_rows import is_empty, iso, record
from integrations.sandbox.part import Json, RefusalError, Request, Response, json_response, route
from integrations.sandbox.rows import Row

MOST_RECORDS = 10
MOST_MERGED = 3
WRITERS = ("edit", "create")


@dataclass(slots=True)
class Change:
    """One record of a request, understood but not yet written. `row` is None for a new one, which
    may have been given its `id` already."""

    row: Row | None
    cells: Json
    key: str = ""
    id: str = ""


@dataclass(slots=True)
class Writing:
    """One request on its way. `linked` are rows that links by title make: (table, title) to id;
    `by_key` the table's rows before the request, by the fields merged on."""

    asker: Asker
    base: Row
    table: Row
    by: str
    replaces: bool = False
    merged: list[Json] = field(default_factory=list)
    by_key: dict[str, list[Row]] = field(default_factory=dict)
    linked: dict[tuple[str, str], str] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)


class AirtableWrites(AirtableAccess):
    """Rows, as those with `data.records:write` change them in bases they may edit."""

    @route("POST", RECORDS)
    def create_records(self, request: Request, base: str, table: str) -> Response:
        writing, body = self._begun(request, base, table, "create")
        return self._write(writing, body)

    @route("PATCH", RECORDS)
    @route("PUT", RECORDS)
    def update_records(self, request: Request, base: str, table: str) -> Response:
        """PUT clears what it does not name, PATCH leaves it."""
        writing, body = self._begun(request, base, table, "update")
        writing.replaces = request.method == "PUT"
        if "performUpsert" in body:
            writing.by = "upsert"
            writing.merged = _merged_on(writing.table, body["performUpsert"])
        return self._write(writing, body)

    @route("PATCH", f"{RECORDS}/{{id}}")
    @route("PUT", f"{RECORDS}/{{id}}")
    def update_record(self, request: Request, base: str, table: str, id: str) -> Response:
        writing, body = self._begun(request, base, table, "update")
        writing.replaces = request.method == "PUT"
        return self._write(writing, {**body, "id": id})

    @route("DELETE", RECORDS)
    @route("DELETE", f"{RECORDS}/{{id}}")
    def delete_records(self, request: Request, base: str, table: str, id: str = "") -> Response:
        writing = self._admitted_to_write(request, base, table, "delete")
        asked = parse_qsl(request.query_string)
        ids = [id] if id else [value for name, value in asked if name in ("records[]", "records")]
        if not 1 <= len(ids) <= MOST_RECORDS:
            raise refuse(422, NOT_UNDERSTOOD, f"Between 1 and {MOST_RECORDS} ids are deleted")
        rows = [self._row(writing, one) for one in dict.fromkeys(ids)]
        for row in rows:
            self._log(writing, row, "deleted", {}, _key(row, _primary(writing.table)))
            self.delete(writing.asker.account, "rows", row, self.setting.now())
        gone = [{"id": row.id, "deleted": True} for row in rows]
        return json_response(gone[0] if id else {"records": gone})

    def _admitted_to_write(self, request: Request, base: str, table: str, by: str) -> Writing:
        asker = self.admitted(request, WRITE, base)
        found = self.base(asker, base, WRITERS)
        return Writing(asker, found, self.table_in(asker, found, table), by)

    def _begun(self, request: Request, base: str, table: str, by: str) -> tuple[Writing, Json]:
        return self._admitted_to_write(request, base, table, by), body_of(request)

    def _write(self, writing: Writing, body: Json) -> Response:
        """Understand all records, then write them, then answer. Raises RefusalError."""
        records = body.get("records", [body])
        if not isinstance(records, list) or not 1 <= len(records) <= MOST_RECORDS:
            raise refuse(422, NOT_UNDERSTOOD, f"Between 1 and {MOST_RECORDS} records are written")
        cells = self._cells(writing, truth_of(body, "typecast"))
        changes: list[Change] = []
        try:
            for one in records:
                changes.append(self._understood(writing, cells, one, changes))
        except RefusalError:
            if self.switches.partial_writes:
                self._apply_all(writing, cells, changes)
            raise
        rows = self._apply_all(writing, cells, changes)
        by_id = truth_of(body, "returnFieldsByFieldId")
        sent = [shown(row, writing.table, by_id) for row in rows]
        if "records" not in body:
            return json_response(sent[0])
        answer: Json = {"records": sent}
        if writing.by == "upsert":
            answer |= {"updatedRecords": writing.updated, "createdRecords": writing.created}
        return json_response(answer)

    def _understood(
        self, writing: Writing, cells: Cells, sent: Any, before: list[Change]
    ) -> Change:
        """What one record of the request would do. Raises RefusalError."""
        if not isinstance(sent, dict) or not isinstance(sent.get("fields", {}), dict):
            raise refuse(422, NOT_UNDERSTOOD, "A record is an object with fields")
        read: Json = {}
        for name, value in sent.get("fields", {}).items():
            named = known_field(writing.table, name)
            read[named["id"]] = cells.read(named, value)
        if writing.by == "create":
            return Change(None, read)
        if sent.get("id"):
            return Change(self._row(writing, str(sent["id"])), read)
        if not writing.merged:
            raise refuse(422, NOT_UNDERSTOOD, "Each record to update needs its id")
        key = _merge_key(writing.merged, read)
        if key in [change.key for change in before]:
            raise refuse(422, NOT_UNDERSTOOD, "Two records of the request have the same key")
        if not writing.by_key:
            for row in self.table(writing.asker.account, "rows").in_scope(writing.table.id):
                writing.by_key.setdefault(_key(row, writing.merged), []).append(row)
        matching = writing.by_key.get(key, [])
        if len(matching) > 1:
            raise refuse(422, NOT_UNDERSTOOD, "More than one record matches the fields merged on")
        return Change(matching[0] if matching else None, read, key)

    def _apply_all(self, writing: Writing, cells: Cells, changes: list[Change]) -> list[Row]:
        cells.keep_choices()
        for (table, title), id in writing.linked.items():
            linked = self.table(writing.asker.account, "tables").find(table)
            if linked is not None:
                there = Writing(writing.asker, writing.base, linked, "typecast")
                self._apply(there, Change(None, {linked.data["primaryFieldId"]: title}, id=id))
        return [self._apply(writing, change) for change in changes]

    def _apply(self, writing: Writing, change: Change) -> Row:
        now, account = self.setting.now(), writing.asker.account
        kind = "updated" if change.row else "created"
        row = change.row or record(change.id or self.new_id("rec"), writing.table.id, {}, now, now)
        row.visible = writing.table.visible
        before = dict(row.data["fields"])
        kept = dict(before)
        if writing.replaces and change.row:
            kept = {id: cell for id, cell in before.items() if _is_computed(writing.table, id)}
        kept = {id: cell for id, cell in {**kept, **change.cells}.items() if not is_empty(cell)}
        row.data["fields"] = kept
        is_changed = kind == "created" or kept != before
        if is_changed:
            row.stamp = now
            _stamp(writing.table, row, now)
        self.table(account, "rows").put(row)
        self._keep_links(writing, row, before)
        (writing.updated if change.row else writing.created).append(row.id)
        key = change.key or _key(row, writing.merged or _primary(writing.table))
        self._log(writing, row, kind, change.cells, key, is_changed)
        return row

    def _cells(self, writing: Writing, typecast: bool) -> Cells:
        may_design = writing.base.data["permissionLevel"] == "create"
        return Cells(typecast=typecast, may_design=may_design, link=self._linker(writing))

    def _linker(self, writing: Writing) -> Callable[[Json, str, bool], str]:
        account = writing.asker.account

        def link(field: Json, sent: str, typecast: bool) -> str:
            """The row with this id; with typecast, the one with this title, made if need be."""
            rows = self.table(account, "rows")
            linked = self.table(account, "tables").find(field["options"]["linkedTableId"])
            found = rows.find(sent)
            if found is not None and linked is not None and found.scope == linked.id:
                return found.id
            if not typecast or linked is None:
                raise refuse(422, "ROW_DOES_NOT_EXIST", f"Record ID {sent} does not exist")
            primary = _primary(linked)
            for row in rows.in_scope(linked.id):
                if _key(row, primary) == sent:
                    return row.id
            if (linked.id, sent) not in writing.linked:
                writing.linked[linked.id, sent] = self.new_id("rec")
            return writing.linked[linked.id, sent]

        return link

    def _keep_links(self, writing: Writing, row: Row, before: Json) -> None:
        """The other side of each link that changed points back, or no longer does."""
        rows = self.table(writing.asker.account, "rows")
        for one in writing.table.data["fields"]:
            inverse = one.get("options", {}).get("inverseLinkFieldId")
            if not inverse:
                continue
            was, now = (set(held.get(one["id"], ())) for held in (before, row.data["fields"]))
            for id in sorted(was ^ now):
                other = rows.find(id)
                if other is None:
                    continue
                links = [link for link in other.data["fields"].get(inverse, ()) if link != row.id]
                links += [row.id] if id in now else []
                cells = {**other.data["fields"], inverse: links}
                other.data["fields"] = {at: cell for at, cell in cells.items() if cell}
                rows.put(other)

    def _row(self, writing: Writing, id: str) -> Row:
        row = self.table(writing.asker.account, "rows").find(id)
        if row is None or row.scope != writing.table.id:
            raise refuse(404, "ROW_DOES_NOT_EXIST", f"Record ID {id} does not exist")
        return row

    def _log(
        self, writing: Writing, row: Row, kind: str, cells: Json, key: str, changed: bool = True
    ) -> None:
        names = {one["id"]: one["name"] for one in writing.table.data["fields"]}
        self.log.append(
            {
                "n": len(self.log) + 1,
                "time": self.setting.now(),
                "account": writing.asker.account.id,
                "base": writing.base.id,
                "table": writing.table.id,
                "table_name": writing.table.data["name"],
                "record": row.id,
                "kind": kind,
                "key": key,
                "by": writing.by,
                "changed": changed,
                "fields": {names[id]: cell for id, cell in cells.items()},
            }
        )


def _merged_on(table: Row, asked: Any) -> list[Json]:
    """The fields an upsert merges on. Raises RefusalError."""
    names = asked.get("fieldsToMergeOn") if isinstance(asked, dict) else None
    if not isinstance(names, list) or not 1 <= len(names) <= MOST_MERGED:
        raise refuse(422, NOT_UNDERSTOOD, f"fieldsToMergeOn names 1 to {MOST_MERGED} fields")
    fields = [known_field(table, str(name)) for name in names]
    for one in fields:
        if one["type"] not in MERGEABLE:
            raise refuse(422, NOT_UNDERSTOOD, f'Field "{one["name"]}" cannot be merged on')
    return fields


def _merge_key(merged: list[Json], cells: Json) -> str:
    if any(is_empty(cells.get(one["id"])) for one in merged):
        raise refuse(422, NOT_UNDERSTOOD, "A record has no value for a field merged on")
    return _joined([cells[one["id"]] for one in merged])


def _key(row: Row, fields: list[Json]) -> str:
    return _joined([row.data["fields"].get(one["id"], "") for one in fields])


def _joined(cells: list[Any]) -> str:
    return "|".join(",".join(cell) if isinstance(cell, list) else f"{cell}" for cell in cells)


def _primary(table: Row) -> list[Json]:
    return [known_field(table, table.data["primaryFieldId"])]


def _is_computed(table: Row, id: str) -> bool:
    return any(one["id"] == id and one["type"] in COMPUTED for one in table.data["fields"])


def _stamp(table: Row, row: Row, now: float) -> None:
    for one in table.data["fields"]:
        if one["type"] == "lastModifiedTime":
            row.data["fields"][one["id"]] = iso(now)
