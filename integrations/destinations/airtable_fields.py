"""Airtable's fields: which type a column becomes, and which fields that are there will do."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from integrations.destinations.columns import Column
from integrations.types import Json

Tables = dict[str, dict[str, Any]]

LINKS = "multipleRecordLinks"
_DATE: Final = {"dateFormat": {"name": "iso"}}
_TIME: Final = {**_DATE, "timeFormat": {"name": "24hour"}, "timeZone": "utc"}

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "singleLineText"},
    "long_text": {"type": "multilineText"},
    "email": {"type": "email"},
    "url": {"type": "url"},
    "phone": {"type": "phoneNumber"},
    "number": {"type": "number", "options": {"precision": 2}},
    "integer": {"type": "number", "options": {"precision": 0}},
    "flag": {"type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
    "day": {"type": "date", "options": _DATE},
    "time": {"type": "dateTime", "options": _TIME},
}
# What Airtable computes or keeps to itself: nobody writes there.
COMPUTED: Final = frozenset(
    {
        "formula",
        "rollup",
        "count",
        "lookup",
        "multipleLookupValues",
        "autoNumber",
        "createdTime",
        "lastModifiedTime",
        "createdBy",
        "lastModifiedBy",
        "button",
        "externalSyncSource",
        "aiText",
        "multipleAttachments",
    }
)
_PRIMARY: Final = ("text", "long_text", "email", "url", "phone", "number", "integer", "day")


def table_of(name: str, key: Column, columns: Sequence[Column]) -> dict[str, Any]:
    """The body that makes a table: the first column is what people see of a row, then the key."""
    first = [column for column in columns[:1] if column.kind in _PRIMARY]
    others = [column for column in columns if column not in first]
    ordered = [*first, key, *others]
    return {"name": name, "fields": [field_of(column.name, column) for column in ordered]}


def field_of(name: str, column: Column, linked_id: str = "") -> dict[str, Any]:
    """The body that makes a field."""
    if column.is_link:
        return {"name": name, "type": LINKS, "options": {"linkedTableId": linked_id}}
    return {"name": name, **_TYPES[column.kind]}


def type_of(column: Column) -> str:
    """The type of field that takes the column's values as they are."""
    return str(_TYPES[column.kind]["type"])


def adopted(table: dict[str, Any], name: str, column: Column, linked_id: str = "") -> str | None:
    """The id of the table's field of this name, if the column can be written to it."""
    for field in table["fields"]:
        if field["name"].lower() != name.lower():
            continue
        if column.is_link:
            fits = is_link_to(field, linked_id)
        else:
            fits = field["type"] not in COMPUTED and field["type"] != LINKS
        return str(field["id"]) if fits else None
    return None


def left_of(known: Tables, there: Mapping[str, Any]) -> Tables:
    """Of the remembered tables those that are there, without fields that do not serve any more."""
    left = {name: table for name, table in known.items() if table["id"] in there}
    for table in left.values():
        fields = {field["id"]: field for field in there[table["id"]]["fields"]}
        table["fields"] = {
            column: id
            for column, id in table["fields"].items()
            if id in fields and fields[id]["type"] not in COMPUTED
        }
        table["links"] = {
            column: {
                other: id
                for other, id in to.items()
                if id in fields and other in left and is_link_to(fields[id], left[other]["id"])
            }
            for column, to in table["links"].items()
        }
    return left


def is_link_to(field: dict[str, Any], linked_id: str) -> bool:
    """Whether the field links to rows of that table."""
    linked = (field.get("options") or {}).get("linkedTableId")
    return bool(field["type"] == LINKS and linked == linked_id)


def written(value: Json) -> Json:
    """A cell as Airtable takes it: an unset checkbox is no value."""
    return None if value is False else value
