"""The QuickBooks query language: read a statement, check it, pick the rows.

SELECT * | COUNT(*) | property, … FROM Entity [WHERE condition AND …]
[ORDERBY | ORDER BY property [ASC | DESC], …] [STARTPOSITION n] [MAXRESULTS m]

Entity and property names are case-sensitive, keywords are not. Values stand in single quotes
(with \\' inside) except numbers, true and false. There is no OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.quickbooks_rows import epoch_of
from integrations.sandbox.rows import Row, Table, by_id

DEFAULT_RESULTS = 100
MAX_RESULTS = 1000

CHANGED = "MetaData.LastUpdatedTime"

_HEAD = {"Id": "id", "MetaData.CreateTime": "time", CHANGED: "time"}
_NAME = {"DisplayName": "text", "CompanyName": "text", "GivenName": "text", "FamilyName": "text"}
_CONTACT = {"PrimaryEmailAddr": "text", "PrimaryPhone": "text", "Balance": "number"}
_TXN = {"TxnDate": "date", "TotalAmt": "number", "DocNumber": "text", "CustomerRef": "id"}
_LISTED = {"Name": "text", "FullyQualifiedName": "text", "Active": "flag"}
PROPERTIES: dict[str, dict[str, str]] = {
    "Account": {**_HEAD, **_LISTED, "AccountType": "text", "Classification": "text"},
    "Item": {**_HEAD, **_LISTED, "Type": "text", "UnitPrice": "number"},
    "Customer": {
        **_HEAD, **_NAME, **_CONTACT, "FullyQualifiedName": "text", "Active": "flag", "Job": "flag"
    },
    "Vendor": {**_HEAD, **_NAME, **_CONTACT, "Active": "flag"},
    "Invoice": {**_HEAD, **_TXN, "DueDate": "date", "Balance": "number"},
    "Payment": {**_HEAD, **_TXN, "PaymentRefNum": "text"},
}  # fmt: skip
"""What each entity can be asked for; entities without rows here are known as well."""
EMPTY = ("Bill", "BillPayment", "Class", "CreditMemo", "Department", "Employee", "Estimate")

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z][\w.]*)"
    r"|(?P<sign><=|>=|!=|[<>=(),*]))"
)


class QueryError(Exception):
    """The statement is refused; `code` as in the Fault, 4000 not readable, 4001 not valid."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Condition:
    prop: str
    operator: str
    value: Any


@dataclass(slots=True)
class Query:
    """One statement, read but not yet checked against the entity's properties."""

    entity: str
    select: tuple[str, ...]
    conditions: list[Condition] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    start: int = 1
    limit: int = DEFAULT_RESULTS

    @property
    def counts(self) -> bool:
        return self.select == ("COUNT",)


class _Reader:
    """Tokens of one statement, taken from the left."""

    def __init__(self, statement: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position, end = 0, len(statement.rstrip())
        while position < end:
            match = _TOKEN.match(statement, position)
            if match is None or match.lastgroup is None:
                raise QueryError("4000", f"unexpected character at position {position}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def peek(self) -> str:
        """The next keyword or sign in upper case; empty at the end or before a value."""
        kind, token = self.tokens[0] if self.tokens else ("", "")
        return token.upper() if kind in ("word", "sign") else ""

    def take(self, kind: str, what: str) -> str:
        if not self.tokens or self.tokens[0][0] != kind:
            found = self.tokens[0][1] if self.tokens else "the end"
            raise QueryError("4000", f"expected {what} but found {found}")
        return self.tokens.pop(0)[1]

    def skip(self, *words: str) -> bool:
        """Take the next token if it is one of `words`."""
        if self.peek() in words:
            self.tokens.pop(0)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.skip(word):
            found = self.tokens[0][1] if self.tokens else "the end"
            raise QueryError("4000", f"expected {word} but found {found}")

    def skip_order_by(self) -> bool:
        """Take ORDERBY or ORDER BY; both spellings are in use."""
        if self.skip("ORDER"):
            self.expect("BY")
            return True
        return self.skip("ORDERBY")

    def value(self) -> Any:
        kind, token = self.tokens[0] if self.tokens else ("", "")
        if kind == "text":
            self.tokens.pop(0)
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if kind == "number":
            self.tokens.pop(0)
            return float(token)
        if kind == "word" and token.lower() in ("true", "false"):
            self.tokens.pop(0)
            return token.lower() == "true"
        raise QueryError("4000", f"expected a value but found {token or 'the end'}")

    def whole(self, what: str) -> int:
        text = self.take("number", what)
        if not text.isdecimal():
            raise QueryError("4000", f"{what} must be a whole number")
        return int(text)


def parse(statement: str) -> Query:
    """The statement as a Query, or QueryError."""
    reader = _Reader(statement)
    reader.expect("SELECT")
    select = _select(reader)
    reader.expect("FROM")
    query = Query(reader.take("word", "an entity"), select)
    if reader.skip("WHERE"):
        query.conditions.append(_condition(reader))
        while reader.skip("AND"):
            query.conditions.append(_condition(reader))
    if reader.skip_order_by():
        query.order.append(_order(reader))
        while reader.skip(","):
            query.order.append(_order(reader))
    if reader.skip("STARTPOSITION"):
        query.start = reader.whole("STARTPOSITION")
    if reader.skip("MAXRESULTS"):
        query.limit = reader.whole("MAXRESULTS")
    if reader.tokens:
        raise QueryError("4000", f"unexpected {reader.tokens[0][1]}")
    if query.start < 1:
        raise QueryError("4001", "STARTPOSITION starts at 1")
    if not 1 <= query.limit <= MAX_RESULTS:
        raise QueryError("4001", f"MAXRESULTS must be between 1 and {MAX_RESULTS}")
    return query


def _select(reader: _Reader) -> tuple[str, ...]:
    if reader.skip("*"):
        return ()
    if reader.skip("COUNT"):
        for sign in "(*)":
            reader.expect(sign)
        return ("COUNT",)
    names = [reader.take("word", "a property")]
    while reader.skip(","):
        names.append(reader.take("word", "a property"))
    return tuple(names)


def _condition(reader: _Reader) -> Condition:
    prop = reader.take("word", "a property")
    if reader.skip("IN"):
        reader.expect("(")
        values = [reader.value()]
        while reader.skip(","):
            values.append(reader.value())
        reader.expect(")")
        return Condition(prop, "IN", values)
    for operator in ("LIKE", "<=", ">=", "<", ">", "="):
        if reader.skip(operator):
            return Condition(prop, operator, reader.value())
    raise QueryError("4000", f"expected an operator after {prop}")


def _order(reader: _Reader) -> tuple[str, bool]:
    prop = reader.take("word", "a property")
    descending = reader.skip("DESC")
    if not descending:
        reader.skip("ASC")
    return prop, descending


def matching(query: Query, table: Table, properties: dict[str, str]) -> list[Row]:
    """The rows a checked query means, in its order, not yet cut to a page.

    `properties` says what the entity can be asked for: name → "text", "id", "number", "date",
    "time" or "flag". Inactive rows of list entities are left out unless `Active` is asked for.
    """
    for name in [condition.prop for condition in query.conditions] + [o[0] for o in query.order]:
        if name not in properties:
            raise QueryError("4001", f"property {name} is not known for entity {query.entity}")
    tests = [_test(condition, properties[condition.prop]) for condition in query.conditions]
    if query.order == [(CHANGED, False)]:
        rows = table.changed_between(_earliest(query), None)
    else:
        rows = _ordered(query, table, properties)
    if "Active" in properties and not any(c.prop == "Active" for c in query.conditions):
        rows = [row for row in rows if row.data.get("Active", True)]
    for test in tests:
        rows = [row for row in rows if test(row)]
    return rows


def _earliest(query: Query) -> float | None:
    """The latest lower bound on the time of change, so that old rows need not be looked at."""
    floors = [
        float(_converted(condition.value, "time", condition))
        for condition in query.conditions
        if condition.prop == CHANGED and condition.operator in (">", ">=", "=")
    ]
    return max(floors, default=None)


def _ordered(query: Query, table: Table, properties: dict[str, str]) -> list[Row]:
    if not query.order:
        return table.ordered("id", by_id)
    if len(query.order) == 1:
        name, descending = query.order[0]
        return table.ordered(name, _reading(name, properties[name]), descending=descending)
    rows = table.ordered("id", by_id)
    for name, descending in reversed(query.order):
        rows = sorted(rows, key=_reading(name, properties[name]), reverse=descending)
    return rows


def _reading(name: str, kind: str) -> Callable[[Row], Any]:
    """How a property is read for comparing; absent ones sort first and match nothing."""
    if name == CHANGED:
        return _stamp
    path = name.split(".")

    def read(row: Row) -> Any:
        value: Any = row.data
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, dict):
            value = value.get("value", value.get("Address", value.get("FreeFormNumber")))
        if kind in ("text", "date"):
            return "" if value is None else str(value)
        if kind == "time" and value is not None:
            return epoch_of(value)
        if kind == "id" and str(value).isdecimal():
            return int(value)
        return value if isinstance(value, int | float) else -1

    return read


def _stamp(row: Row) -> float:
    return row.stamp


def _test(condition: Condition, kind: str) -> Callable[[Row], bool]:
    read = _reading(condition.prop, kind)
    if condition.operator == "IN":
        wanted = [_converted(value, kind, condition) for value in condition.value]
        return lambda row: read(row) in wanted
    if condition.operator == "LIKE":
        pattern = ".*".join(map(re.escape, str(condition.value).split("%")))
        like = re.compile(pattern, re.IGNORECASE | re.DOTALL)
        return lambda row: like.fullmatch(str(read(row))) is not None
    value = _converted(condition.value, kind, condition)
    return {
        "=": lambda row: bool(read(row) == value),
        "<": lambda row: bool(read(row) < value),
        ">": lambda row: bool(read(row) > value),
        "<=": lambda row: bool(read(row) <= value),
        ">=": lambda row: bool(read(row) >= value),
    }[condition.operator]


def _converted(value: Any, kind: str, condition: Condition) -> Any:
    try:
        if kind == "time":
            return epoch_of(value)
        if kind == "id":
            return int(value)
        if kind == "number":
            return float(value)
        if kind == "flag" and not isinstance(value, bool):
            return {"true": True, "false": False}[value.lower()]
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise QueryError("4001", f"{value!r} is not a value for {condition.prop}") from exc
    return str(value) if kind in ("text", "date") else value
