"""Columns: how the fields of a record map to those of a table, as data, and what is wrong with it.

An entry of a mapping is {"column": "City", "from": "address.city", "as": "text"} or {"column":
"Origin", "value": "CRM"}. `from` is a field of the record type, further into it with dots
("emails.0", "company.title"), into what the provider sent ("raw.custom.code"), or where the record
is from ("provenance.source_id"). `as` may be left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from integrations.errors import InvalidInputError
from integrations.records import RECORD_TYPES, Address, InvoiceLine, shape_of
from integrations.types import Json

KEY_COLUMN = "Hub ID"
PROVENANCE = ("source_system", "entity_type", "source_id", "scope")
RAW, FROM_HUB = "raw", "provenance"
MOST_COLUMNS = 200
LONGEST_NAME = 100
TITLES = ("name", "title", "subject", "number", "text")

LINK = "link"
# What a column can hold, and which of them a field's kind can become; the first is the usual one.
KINDS = ("text", "long_text", "email", "url", "phone", "number", "integer", "flag", "day", "time")
_TEXTS = ("text", "long_text", "email", "url", "phone")
_BECOMES: dict[str, tuple[str, ...]] = {
    "text": _TEXTS,
    "texts": _TEXTS,
    "address": ("text", "long_text"),
    "lines": ("long_text",),
    "decimal": ("number", "text"),
    "integer": ("integer", "number", "text"),
    "flag": ("flag", "text"),
    "day": ("day", "text"),
    "time": ("time", "day", "text"),
    "ref": (LINK,),
    "refs": (LINK,),
    "anything": KINDS,
}
_NAMED_KINDS = {"email": "email", "emails": "email", "url": "url", "phone": "phone"}
_LONG = {"description", "text", "body"}
_TABLES = {"person": "People", "company": "Companies"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table and where its cells come from; `value` is the same for every row."""

    name: str
    source: str = ""
    kind: str = "text"
    value: Json = None

    @property
    def is_link(self) -> bool:
        return self.kind == LINK


def columns_of(record_type: str, mapping: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns a mapping makes; an empty one makes a column of every field.

    Raises:
        InvalidInputError: one sentence about the first entry that cannot be used.
    """
    if record_type not in RECORD_TYPES:
        raise _wrong("record_type", f"There is no record type {record_type!r}.")
    if not mapping:
        return default_columns(record_type)
    if not isinstance(mapping, Sequence) or isinstance(mapping, str):
        raise _wrong("mapping", "The mapping must be a list of entries, one per column.")
    if len(mapping) > MOST_COLUMNS:
        raise _wrong("mapping", f"The mapping may have at most {MOST_COLUMNS} columns.")
    columns = tuple(_column(record_type, entry) for entry in mapping)
    _refuse_doubles(columns)
    return columns


def default_columns(record_type: str) -> tuple[Column, ...]:
    """A column for every field of the record type, under names people read, the title first."""
    shapes = shape_of(RECORD_TYPES[record_type])
    made = [Column(name_for(s.name), s.name, usual_kind(s.name, s.kind)) for s in shapes]
    return tuple(sorted(made, key=lambda column: column.source not in TITLES))


def usual_kind(name: str, kind: str) -> str:
    """What a column of this field holds unless the mapping says otherwise."""
    if kind == "text" and name in _LONG:
        return "long_text"
    if kind == "text":
        return _NAMED_KINDS.get(name, "text")
    return _BECOMES[kind][0]


def name_for(field: str) -> str:
    """ "company_name" → "Company name"."""
    return field.replace("_", " ").capitalize()


def table_for(record_type: str) -> str:
    """ "person" → "People", "deal" → "Deals"."""
    return _TABLES.get(record_type, f"{name_for(record_type)}s")


def source_kind(record_type: str, source: str, *, name: str = "mapping") -> str:
    """The kind of value found at `source`: a field's kind, or "anything".

    Raises:
        InvalidInputError: nothing can be found there.
    """
    first, _, rest = source.partition(".")
    if first == RAW:
        if not rest:
            raise _wrong(name, "Say which part of what the provider sent, as in 'raw.status'.")
        return "anything"
    if first == FROM_HUB:
        if rest not in PROVENANCE:
            raise _wrong(name, f"There is no {source!r}; there are {_listed(PROVENANCE)}.")
        return "text"
    kinds = {shape.name: shape.kind for shape in shape_of(RECORD_TYPES[record_type])}
    if first not in kinds:
        close = get_close_matches(first, kinds, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {_listed(kinds)}."
        raise _wrong(name, f"A {record_type} has no field {first!r}; {hint}")
    return _inside(kinds[first], rest, source, name)


def _inside(kind: str, rest: str, source: str, name: str) -> str:
    """The kind of what lies further inside a field."""
    if not rest:
        return kind
    step, _, deeper = rest.partition(".")
    if kind in ("texts", "lines", "refs") and step.isdecimal():
        return _inside(
            {"texts": "text", "lines": "line", "refs": "ref"}[kind], deeper, source, name
        )
    inside: Mapping[str, str] = {}
    if kind == "address":
        inside = dict.fromkeys((part.name for part in fields(Address)), "text")
    elif kind == "line":
        inside = {part.name: "decimal" for part in fields(InvoiceLine)}
        inside = {**inside, "description": "text", "item": "ref"}
    elif kind == "ref":
        inside = {"title": "text", "source_id": "text", "entity_type": "text"}
    if step not in inside:
        known = f"; there are {_listed(inside)}" if inside else ""
        raise _wrong(name, f"There is nothing at {source!r}{known}.")
    return _inside(inside[step], deeper, source, name)


def _column(record_type: str, entry: Any) -> Column:
    if not isinstance(entry, Mapping):
        raise _wrong("mapping", "Every entry of the mapping needs a column and where it is from.")
    column, source, wanted = entry.get("column"), entry.get("from", ""), entry.get("as", "")
    if odd := set(entry) - {"column", "from", "as", "value"}:
        raise _wrong("mapping", f"An entry of the mapping knows no {_listed(odd)}.")
    if not isinstance(column, str) or not 1 <= len(column.strip()) <= LONGEST_NAME:
        raise _wrong("mapping", f"A column needs a name of 1 to {LONGEST_NAME} characters.")
    column = column.strip()
    if not column.isprintable() or column.lower() == KEY_COLUMN.lower():
        raise _wrong("mapping", f"A column cannot be called {column!r}; choose another name.")
    if not isinstance(source, str) or not isinstance(wanted, str):
        raise _wrong("mapping", f"The column {column!r}: 'from' and 'as' are text.")
    if "value" in entry:
        return _fixed(column, source, wanted, entry["value"])
    if not source:
        raise _wrong("mapping", f"The column {column!r} needs 'from' or 'value'.")
    kind = source_kind(record_type, source)
    if kind == "line":
        raise _wrong("mapping", f"The column {column!r} needs one part of {source!r}.")
    field = source.rpartition(".")[2]
    if not wanted:
        return Column(column, source, "text" if kind == "anything" else usual_kind(field, kind))
    if wanted not in (*KINDS, LINK):
        raise _wrong("mapping", f"A column can be {_listed(KINDS)}, not {wanted!r}.")
    if wanted not in _BECOMES[kind]:
        raise _wrong(
            "mapping",
            f"{source!r} is {_called(kind)} and cannot be written as {wanted}; "
            f"it can be {_listed(_BECOMES[kind])}.",
        )
    return Column(column, source, wanted)


def _fixed(column: str, source: str, wanted: str, value: Any) -> Column:
    if source:
        raise _wrong("mapping", f"The column {column!r} has both 'from' and 'value'; choose one.")
    if isinstance(value, bool):
        kind = "flag"
    elif isinstance(value, int | float):
        kind = "number"
    elif isinstance(value, str) and value:
        kind = "text"
    else:
        raise _wrong("mapping", f"The value of {column!r} must be a text, a number or true/false.")
    if wanted and wanted != kind:
        raise _wrong("mapping", f"The value of {column!r} is {_called(kind)}, not {wanted}.")
    return Column(column, "", kind, value)


def _refuse_doubles(columns: Iterable[Column]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name.lower() in seen:
            raise _wrong("mapping", f"Two entries write the column {column.name!r}; rename one.")
        seen.add(column.name.lower())


def _called(kind: str) -> str:
    return {
        "text": "text",
        "texts": "a list of texts",
        "decimal": "a number",
        "integer": "a whole number",
        "number": "a number",
        "flag": "true or false",
        "day": "a date",
        "time": "a time",
        "ref": "a reference",
        "refs": "a list of references",
        "address": "an address",
        "lines": "a list of lines",
    }.get(kind, kind)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _wrong(field: str, sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, {field: [sentence]})
