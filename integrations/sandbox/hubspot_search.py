"""HubSpot's search: which bodies it takes, and what they find."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from integrations.sandbox.part import RefusalError, Request, Response, json_response
from integrations.sandbox.rows import Row

Json = dict[str, Any]

MOST_ROWS = 200
REACH = 10_000
MOST_GROUPS = 5
KEYS = {
    "filterGroups": list,
    "sorts": list,
    "properties": list,
    "limit": int,
    "after": str,
    "query": str,
}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "EQ": operator.eq,
    "NEQ": operator.ne,
    "LT": operator.lt,
    "LTE": operator.le,
    "GT": operator.gt,
    "GTE": operator.ge,
}
CORRELATION = "019cd9fe-d093-7d4f-99bc-45975fdc0001"


def error(status: int, category: str, message: str) -> Response:
    said = {"status": "error", "message": message, "correlationId": CORRELATION}
    return json_response({**said, "category": category}, status)


def refuse(message: str, status: int = 400, category: str = "VALIDATION_ERROR") -> RefusalError:
    return RefusalError(error(status, category, message))


def body_of(request: Request, known: dict[str, type]) -> Json:
    """The JSON body, if all its keys are known and of their kind."""
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError:
        raise refuse("Invalid input JSON") from None
    if request.media_type != "application/json":
        raise refuse("Unsupported media type", 415, "VALIDATION_ERROR")
    if not isinstance(body, dict):
        raise refuse("Invalid input JSON: an object is expected")
    for name, value in body.items():
        if name not in known or not isinstance(value, known[name]) or isinstance(value, bool):
            raise refuse(f"Invalid input JSON: {name} is not known or of another kind")
    return body


def found(rows: Iterable[Row], body: Json) -> list[Row]:
    """The rows (which come by id) that the body asks for, in its order. Raises RefusalError."""
    groups = body.get("filterGroups", [])
    if len(groups) > MOST_GROUPS:
        raise refuse(f"Maximum of {MOST_GROUPS} filter groups")
    tests = [[_test(one) for one in group.get("filters", ())] for group in groups]
    kept = list(rows)
    if len(tests) == 1:
        for test in tests[0]:
            kept = [row for row in kept if test(row)]
    elif tests:
        kept = [row for row in kept if any(all(test(row) for test in group) for group in tests)]
    for order in reversed(body.get("sorts", [])):
        direction = order.get("direction") if isinstance(order, dict) else None
        if direction not in ("ASCENDING", "DESCENDING") or "propertyName" not in order:
            raise refuse("sorts: propertyName and direction are needed")
        name = order["propertyName"]
        kept.sort(key=lambda row: _read(row, name), reverse=direction == "DESCENDING")
    return kept


def page_of(rows: list[Row], body: Json) -> tuple[list[Row], Json]:
    """The rows of this page, and `paging` if more can be asked for. Raises RefusalError."""
    limit, after = body.get("limit", 10), body.get("after", "0")
    if not 1 <= limit <= MOST_ROWS:
        raise refuse(f"limit must be between 1 and {MOST_ROWS}")
    if not after.isdecimal() or int(after) >= REACH:
        raise refuse(f"There is a limit of {REACH} results for a search")
    end = int(after) + limit
    paging = {"paging": {"next": {"after": str(end)}}} if end < len(rows) else {}
    return rows[int(after) : end], paging


def _test(asked: Any) -> Callable[[Row], bool]:
    name, sign = asked.get("propertyName"), asked.get("operator")
    if not name or sign not in OPERATORS or not isinstance(asked.get("value"), str):
        raise refuse("filters: propertyName, operator and value are needed")
    compare, wanted = OPERATORS[sign], _comparable(asked["value"])
    kind = type(wanted)

    def test(row: Row) -> bool:
        held = _comparable(row.data["properties"].get(name) or "")
        return type(held) is kind and bool(compare(held, wanted))

    return test


def _read(row: Row, name: str) -> Any:
    return _comparable(row.data["properties"].get(name) or "")


@lru_cache(maxsize=100_000)
def _comparable(text: str) -> Any:
    """Milliseconds of a time or of digits, else the text."""
    if text.isdecimal():
        return int(text)
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return text
