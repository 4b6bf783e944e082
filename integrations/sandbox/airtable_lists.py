"""What can be asked of a table of Airtable's: options, formulas, pages, and how rows are shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qsl

import orjson

from integrations.sandbox.airtable_access import refuse
from integrations.sandbox.part import Json, Request, Response
from integrations.sandbox.rows import Row

MOST_ROWS = 100
NOT_UNDERSTOOD = "INVALID_REQUEST_UNKNOWN"
TRUTHS = {"true": True, "1": True, "false": False, "0": False, True: True, False: False}
_MODIFIED = re.compile(r"IS_AFTER\(\s*LAST_MODIFIED_TIME\(\)\s*,\s*'([^']*)'\s*\)")
_EQUAL = r"\{([^}]+)\}\s*=\s*'((?:[^'\\]|\\.)*)'"
_ONE_OF = re.compile(rf"OR\(\s*{_EQUAL}(?:\s*,\s*{_EQUAL})*\s*\)|{_EQUAL}")

Wanted = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Options:
    """What one request for a list asks."""

    page_size: int = MOST_ROWS
    offset: str = ""
    fields: tuple[str, ...] = ()
    formula: str = ""
    by_id: bool = False
    view: str = ""


def options_of(request: Request) -> Options:
    """From the query, or from the body of a request that was too long for one."""
    asked: Json = {}
    if request.method == "POST":
        asked = body_of(request)
    for name, value in parse_qsl(request.query_string, keep_blank_values=True):
        if name.endswith("[]"):
            asked.setdefault(name[:-2], []).append(value)
        else:
            asked[name] = value
    names = {"pageSize", "offset", "fields", "filterByFormula", "returnFieldsByFieldId", "view"}
    if unknown := sorted(set(asked) - names):
        raise refuse(422, NOT_UNDERSTOOD, f"Not understood: {', '.join(unknown)}")
    size = str(asked.get("pageSize", MOST_ROWS))
    if not size.isdecimal() or not 1 <= int(size) <= MOST_ROWS:
        raise refuse(422, NOT_UNDERSTOOD, f"pageSize must be between 1 and {MOST_ROWS}")
    return Options(
        page_size=int(size),
        offset=str(asked.get("offset", "")),
        fields=tuple(asked.get("fields", ())),
        formula=str(asked.get("filterByFormula", "")),
        by_id=truth_of(asked, "returnFieldsByFieldId"),
        view=str(asked.get("view", "")),
    )


def body_of(request: Request) -> Json:
    """The JSON object sent. Raises RefusalError."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise refuse(422, NOT_UNDERSTOOD, "Invalid request: the body is no JSON object")
    return body


def truth_of(asked: Json, name: str) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, str | bool) or value not in TRUTHS:
        raise refuse(422, NOT_UNDERSTOOD, f"{name} must be true or false")
    return TRUTHS[value]


def field_named(table: Row, name: str) -> Json | None:
    """The field with this id or name, or None."""
    fields: list[Json] = table.data["fields"]
    return next((field for field in fields if name in (field["id"], field["name"])), None)


def known_field(table: Row, name: str) -> Json:
    field = field_named(table, name)
    if field is None:
        raise refuse(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')
    return field


def listed(table: Row, rows: Iterable[Row], options: Options, epoch: int) -> Response:
    """One page in order of id, and where the next begins.

    An iterator holds for the same question only, and until it expires.
    """
    if options.view:
        known = {view[name] for view in table.data["views"] for name in ("id", "name")}
        if options.view not in known:
            raise refuse(422, "VIEW_NAME_NOT_FOUND", f"View {options.view} not found")
    fields = [known_field(table, name)["id"] for name in options.fields]
    question = (table.id, options.formula, options.view, sorted(fields))
    iterator = f"itr{_digest(epoch, *question)}"
    after = ""
    if options.offset:
        known_iterator, _, after = options.offset.partition("/")
        if not after.startswith("rec"):
            raise refuse(422, "INVALID_OFFSET_VALUE", "The value of offset is invalid")
        if known_iterator != iterator:
            said = "The requested list iterator is not available; ask for the list again."
            raise refuse(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", said)
    wanted = wanted_by(options.formula, table)
    left = [row for row in rows if row.id > after and wanted(row)]
    page = left[: options.page_size]
    body = b'{"records":[' + b",".join(sent(row, table, fields, options.by_id) for row in page)
    if len(left) > len(page):
        body += b'],"offset":' + orjson.dumps(f"{iterator}/{page[-1].id}") + b"}"
    else:
        body += b"]}"
    return Response(200, body, rows=len(page))


def sent(row: Row, table: Row, fields: list[str], by_id: bool) -> bytes:
    """A row as it is answered: cells by id or by name, all or some."""
    if by_id and not fields:
        return row.encoded()
    shown = Row(row.id, row.stamp, {**row.data, "fields": _cells(row, table, fields, by_id)})
    shown.poison = row.poison
    return shown.encoded()


def shown(row: Row, table: Row, by_id: bool) -> Json:
    """The same as an object, with all cells."""
    return {**row.data, "fields": _cells(row, table, [], by_id)}


def _cells(row: Row, table: Row, fields: list[str], by_id: bool) -> Json:
    names = {field["id"]: field["id" if by_id else "name"] for field in table.data["fields"]}
    cells = row.data["fields"].items()
    return {names[id]: cell for id, cell in cells if id in (fields or names)}


def wanted_by(formula: str, table: Row) -> Wanted:
    """What a formula lets through. Two kinds are understood here: changed after a time, and text
    fields that equal one of several values."""
    if not formula:
        return lambda row: True
    if changed := _MODIFIED.fullmatch(formula.strip()):
        since = _moment(changed[1])
        return lambda row: row.stamp > since
    if _ONE_OF.fullmatch(formula.strip()):
        pairs = {
            (known_field(table, name)["id"], re.sub(r"\\(.)", r"\1", value))
            for name, value in re.findall(_EQUAL, formula)
        }
        return lambda row: any(str(row.data["fields"].get(id, "")) == to for id, to in pairs)
    raise refuse(422, "INVALID_FILTER_BY_FORMULA", "The formula for filtering is invalid")


def _moment(text: str) -> float:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(422, "INVALID_FILTER_BY_FORMULA", "No date in the formula") from None
    return at.timestamp()


def _digest(*question: Any) -> str:
    return blake2b(repr(question).encode(), digest_size=7).hexdigest()
