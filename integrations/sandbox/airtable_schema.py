"""Tables and fields of Airtable, made and renamed by those who may.

Facts as in `airtable`. Chosen here because no recording was seen: the codes of what is refused
here, and that a new link field is given its other side in the table it links to, under this
table's name. Types cannot be changed, and nothing is deleted through this interface.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox.airtable_access import (
    API,
    SCHEMA_WRITE,
    AirtableAccess,
    Asker,
    refuse,
)
from integrations.sandbox.airtable_cells import COMPUTED, NUMBERS, TEXTS
from integrations.sandbox.airtable_lists import NOT_UNDERSTOOD, body_of, field_named
from integrations.sandbox.part import Json, Request, Response, json_response, route
from integrations.sandbox.rows import Row

TABLES = f"{API}/meta/bases/{{base}}/tables"
DESIGNERS = ("create",)
MOST_FIELDS = 500
PRIMARY = (*TEXTS, "number", "currency", "percent", "date", "dateTime", "barcode")
NEEDED: dict[str, tuple[str, ...]] = {
    "number": ("precision",),
    "currency": ("precision", "symbol"),
    "percent": ("precision",),
    "rating": ("icon", "max", "color"),
    "duration": ("durationFormat",),
    "checkbox": ("icon", "color"),
    "date": ("dateFormat",),
    "dateTime": ("dateFormat", "timeFormat", "timeZone"),
    "singleSelect": ("choices",),
    "multipleSelects": ("choices",),
    "multipleRecordLinks": ("linkedTableId",),
}
"""Options a field of the type cannot be made without; other types take none."""

OPTIONAL = {"multipleRecordLinks": ("viewIdForRecordSelection",)}
PLAIN = (*TEXTS, "multipleAttachments", "singleCollaborator", "multipleCollaborators", "barcode")
FORMATS = ("local", "friendly", "us", "european", "iso")
BAD_NAME = "DUPLICATE_OR_EMPTY_FIELD_NAME"
BAD_OPTIONS = "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE"
BAD_TYPE = "UNSUPPORTED_FIELD_TYPE_FOR_CREATE"


class AirtableSchema(AirtableAccess):
    """What those with `schema.bases:write` make in bases they created."""

    @route("POST", TABLES)
    def create_table(self, request: Request, base: str) -> Response:
        """The first of the fields becomes the primary one."""
        asker, home = self._designer(request, base)
        body = body_of(request)
        name, sent = body.get("name"), body.get("fields")
        tables = self.table(asker.account, "tables")
        there = {row.data["name"].lower() for row in tables.in_scope(home.id)}
        if not isinstance(name, str) or not name.strip() or name.lower() in there:
            raise refuse(422, "DUPLICATE_TABLE_NAME", "A table needs a name of its own")
        if not isinstance(sent, list) or not 1 <= len(sent) <= MOST_FIELDS:
            raise refuse(422, NOT_UNDERSTOOD, f"A table has between 1 and {MOST_FIELDS} fields")
        fields: list[Json] = []
        for one in sent:
            fields.append(self._field(asker, home, one, fields))
        if fields[0]["type"] not in PRIMARY:
            raise refuse(422, BAD_TYPE, f"{fields[0]['type']} cannot be the primary field")
        data: Json = {
            "id": self.new_id("tbl"),
            "name": name,
            "primaryFieldId": fields[0]["id"],
            "fields": fields,
            "views": [{"id": self.new_id("viw"), "name": "Grid view", "type": "grid"}],
        }
        if body.get("description"):
            data["description"] = str(body["description"])
        table = Row(data["id"], self.setting.now(), data, scope=home.id, visible=home.visible)
        tables.put(table)
        for field in fields:
            self._give_other_side(asker, table, field)
        return json_response(data)

    @route("PATCH", f"{TABLES}/{{table}}")
    def rename_table(self, request: Request, base: str, table: str) -> Response:
        asker, home = self._designer(request, base)
        found = self.table_in(asker, home, table)
        self._renamed(asker, found, found.data, body_of(request))
        return json_response(found.data)

    @route("POST", f"{TABLES}/{{table}}/fields")
    def create_field(self, request: Request, base: str, table: str) -> Response:
        asker, home = self._designer(request, base)
        found = self.table_in(asker, home, table)
        fields = found.data["fields"]
        if len(fields) >= MOST_FIELDS:
            raise refuse(422, NOT_UNDERSTOOD, f"A table has at most {MOST_FIELDS} fields")
        made = self._field(asker, home, body_of(request), fields)
        fields.append(made)
        self.table(asker.account, "tables").put(found)
        self._give_other_side(asker, found, made)
        return json_response(made)

    @route("PATCH", f"{TABLES}/{{table}}/fields/{{field}}")
    def rename_field(self, request: Request, base: str, table: str, field: str) -> Response:
        """Name and description only."""
        asker, home = self._designer(request, base)
        found = self.table_in(asker, home, table)
        made = field_named(found, field)
        if made is None:
            return self.not_found(request)
        body = body_of(request)
        others = [one for one in found.data["fields"] if one is not made]
        if "name" in body:
            _own_name(body["name"], others)
        self._renamed(asker, found, made, body)
        return json_response(made)

    def _designer(self, request: Request, base: str) -> tuple[Asker, Row]:
        asker = self.admitted(request, SCHEMA_WRITE, base)
        return asker, self.base(asker, base, DESIGNERS)

    def _renamed(self, asker: Asker, table: Row, what: Json, body: Json) -> None:
        if not body or not set(body) <= {"name", "description"}:
            raise refuse(422, NOT_UNDERSTOOD, "Only name and description can be changed")
        what.update(body)
        self.table(asker.account, "tables").put(table)

    def _field(self, asker: Asker, base: Row, sent: Any, others: list[Json]) -> Json:
        """The field as it is kept. Raises RefusalError."""
        if not isinstance(sent, dict):
            raise refuse(422, NOT_UNDERSTOOD, "A field is an object")
        type, options = str(sent.get("type")), sent.get("options")
        _own_name(sent.get("name"), others)
        if type in COMPUTED or type not in (*PLAIN, *NEEDED):
            raise refuse(422, BAD_TYPE, f"Fields of type {type} cannot be created")
        made: Json = {"id": self.new_id("fld"), "name": sent["name"], "type": type}
        if sent.get("description"):
            made["description"] = str(sent["description"])
        if complete := _checked(type, options):
            made["options"] = self._options(asker, base, type, complete)
        return made

    def _options(self, asker: Asker, base: Row, type: str, options: Json) -> Json:
        if type == "multipleRecordLinks":
            linked = self.table(asker.account, "tables").find(str(options["linkedTableId"]))
            if linked is None or linked.scope != base.id:
                raise refuse(422, BAD_OPTIONS, "The linked table is not in this base")
            return {**options, "isReversed": False, "prefersSingleRecordLink": False}
        if "choices" in options:
            choices = [
                {"id": self.new_id("sel"), "name": str(one["name"]), "color": "grayLight2"}
                for one in options["choices"]
            ]
            return {**options, "choices": choices}
        return options

    def _give_other_side(self, asker: Asker, table: Row, field: Json) -> None:
        """A link's field in the other table, which points back; none within one table."""
        options = field.get("options", {})
        linked = self.table(asker.account, "tables").find(options.get("linkedTableId", ""))
        if linked is None or linked.id == table.id or "inverseLinkFieldId" in options:
            return
        taken = {one["name"].lower() for one in linked.data["fields"]}
        names = [table.data["name"], *(f"{table.data['name']} {n}" for n in range(2, 99))]
        other = {
            "id": self.new_id("fld"),
            "name": next(name for name in names if name.lower() not in taken),
            "type": "multipleRecordLinks",
            "options": {
                "linkedTableId": table.id,
                "isReversed": False,
                "prefersSingleRecordLink": False,
                "inverseLinkFieldId": field["id"],
            },
        }
        options["inverseLinkFieldId"] = other["id"]
        linked.data["fields"].append(other)
        tables = self.table(asker.account, "tables")
        tables.put(linked)
        tables.put(table)


def _own_name(name: Any, others: list[Json]) -> None:
    """Field names differ, upper and lower case being the same."""
    taken = {one["name"].lower() for one in others}
    if not isinstance(name, str) or not name.strip() or name.lower() in taken:
        raise refuse(422, BAD_NAME, "A field needs a name of its own")


def _checked(type: str, options: Any) -> Json:
    """The options of a type that has some, complete; {} for others. Raises RefusalError."""
    needed = NEEDED.get(type)
    if needed is None:
        if options:
            raise refuse(422, BAD_OPTIONS, f"Fields of type {type} have no options")
        return {}
    known = {*needed, *OPTIONAL.get(type, ())}
    if not isinstance(options, dict) or not set(needed) <= set(options) <= known:
        raise refuse(422, BAD_OPTIONS, f"Fields of type {type} need {', '.join(needed)} as options")
    precision = options.get("precision", 0)
    if type in NUMBERS and (not isinstance(precision, int) or not 0 <= precision <= 8):
        raise refuse(422, BAD_OPTIONS, "precision is between 0 and 8")
    date_format = options.get("dateFormat", {"name": "iso"})
    if not isinstance(date_format, dict) or date_format.get("name") not in FORMATS:
        raise refuse(422, BAD_OPTIONS, "dateFormat is not known")
    choices = options.get("choices", [])
    if not isinstance(choices, list) or not all(
        isinstance(one, dict) and one.get("name") for one in choices
    ):
        raise refuse(422, BAD_OPTIONS, "Every choice has a name")
    return dict(options)
