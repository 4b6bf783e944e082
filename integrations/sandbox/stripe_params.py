"""What Stripe's list calls may be asked for, and how it refuses the rest."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NoReturn
from urllib.parse import parse_qsl

from integrations.sandbox.part import RefusalError, Response, json_response
from integrations.sandbox.rows import Row

PAGING = {"limit", "starting_after", "ending_before"}
CREATED = {f"created[{bound}]" for bound in ("gt", "gte", "lt", "lte")} | {"created"}
FILTERS = {
    "products": {"active", "type"},
    "customers": {"email"},
    "invoices": {"customer", "status", "collection_method"},
    "charges": {"customer", "payment_intent"},
    "events": {"type", "types[]"},
}
DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_EVENT_TYPES = 20

Asked = dict[str, list[str]]


def error(
    status: int, message: str, code: str | None = None, param: str | None = None, **headers: str
) -> Response:
    """An API error; `code` and `param` are left out where Stripe says nothing."""
    said = {"message": message, "type": "invalid_request_error", "code": code, "param": param}
    kept = {name: value for name, value in said.items() if value is not None}
    return json_response({"error": kept}, status, **headers)


def refuse(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> NoReturn:
    raise RefusalError(error(status, message, code, param))


def asked_of(query_string: str, kind: str) -> Asked:
    """The parameters of a list of `kind`, each with all its values; unknown ones are refused."""
    asked: Asked = {}
    for name, value in parse_qsl(query_string, keep_blank_values=True):
        asked.setdefault(name, []).append(value)
    for name in asked:
        if name not in PAGING | CREATED | FILTERS[kind]:
            refuse(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
    types = asked.get("types[]", [])
    if len(types) > MAX_EVENT_TYPES:
        refuse(400, "You can filter by at most 20 types.", "parameter_invalid", "types")
    if types and "type" in asked:
        refuse(400, "You may pass only one of these: type, types.", "parameter_invalid", "types")
    return asked


def limit_of(asked: Asked) -> int:
    limit = _whole(asked, "limit", DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_LIMIT:
        refuse(400, f"Invalid integer: {limit}", "parameter_invalid_integer", "limit")
    return limit


def matching(rows: list[Row], asked: Asked) -> list[Row]:
    """The rows the filters leave, in the order they came."""
    for name in asked:
        if name.startswith("created"):
            bound = name.partition("[")[2].rstrip("]")
            moment = _whole(asked, name, 0)
            rows = [row for row in rows if _is_within(row.data["created"], bound, moment)]
        elif name == "types[]":
            rows = [row for row in rows if row.data["type"] in asked[name]]
        elif name == "type" and rows and rows[0].data["object"] == "event":
            rows = [row for row in rows if fnmatchcase(row.data["type"], asked[name][-1])]
        elif name not in PAGING:
            rows = [row for row in rows if _text(row.data.get(name)) == asked[name][-1]]
    return rows


def page_of(rows: list[Row], asked: Asked, limit: int) -> tuple[list[Row], bool]:
    """One page of rows, newest first, and whether more follow in the direction asked for."""
    places = {row.id: place for place, row in enumerate(rows)}
    for name in ("starting_after", "ending_before"):
        if name in asked and asked[name][-1] not in places:
            id = asked[name][-1]
            refuse(400, f"No such object: '{id}'", "resource_missing", name)
    if "ending_before" in asked:
        end = places[asked["ending_before"][-1]]
        return rows[max(0, end - limit) : end], end > limit
    start = places[asked["starting_after"][-1]] + 1 if "starting_after" in asked else 0
    return rows[start : start + limit], start + limit < len(rows)


def _is_within(created: int, bound: str, moment: int) -> bool:
    tests = {"gt": created > moment, "lt": created < moment, "": created == moment}
    return tests.get(bound, created >= moment if bound == "gte" else created <= moment)


def _whole(asked: Asked, name: str, default: int) -> int:
    text = asked.get(name, [str(default)])[-1]
    if not text.isdecimal():
        refuse(400, f"Invalid integer: {text}", "parameter_invalid_integer", name)
    return int(text)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
