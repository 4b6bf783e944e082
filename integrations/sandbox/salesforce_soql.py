"""The part of SOQL that callers need to read lists: read a statement, check it, pick the rows.

SELECT field, … FROM Object [WHERE condition AND …] [ORDER BY field [ASC | DESC], …]
[LIMIT n] [OFFSET n]

Names and keywords are not case-sensitive. Texts stand in single quotes; times, numbers, true,
false and null do not. There is no OR, no function and no relationship here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.sandbox.rows import Row
from integrations.sandbox.salesforce_rows import epoch_of

MAX_OFFSET = 2000

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z]\w*)|(?P<sign><=|>=|!=|[<>=,]))"
)


class SoqlError(Exception):
    """The statement is refused with this errorCode."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Query:
    """One statement, names as they were written."""

    fields: list[str]
    entity: str
    conditions: list[tuple[str, str, Any]] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def parse(statement: str) -> Query:
    """The statement as a Query. Raises SoqlError."""
    tokens = _Tokens(statement)
    tokens.expect("SELECT")
    fields = [tokens.word()]
    while tokens.skip(","):
        fields.append(tokens.word())
    tokens.expect("FROM")
    query = Query(fields, tokens.word())
    if tokens.skip("WHERE"):
        query.conditions.append(tokens.condition())
        while tokens.skip("AND"):
            query.conditions.append(tokens.condition())
    if tokens.skip("ORDER"):
        tokens.expect("BY")
        query.order.append(tokens.direction())
        while tokens.skip(","):
            query.order.append(tokens.direction())
    if tokens.skip("LIMIT"):
        query.limit = tokens.whole()
    if tokens.skip("OFFSET"):
        query.offset = tokens.whole()
    if tokens.left:
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{tokens.left[0][1]}'")
    if query.offset > MAX_OFFSET:
        raise SoqlError(
            "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {MAX_OFFSET}"
        )
    return query


class _Tokens:
    """Tokens of one statement, taken from the left."""

    def __init__(self, statement: str) -> None:
        self.left: list[tuple[str, str]] = []
        position, end = 0, len(statement.rstrip())
        while position < end:
            match = _TOKEN.match(statement, position)
            if match is None or match.lastgroup is None:
                said = f"unexpected char at position {position}"
                raise SoqlError("MALFORMED_QUERY", said)
            self.left.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()

    def skip(self, wanted: str) -> bool:
        """Take the next token if it is this keyword or sign."""
        if self.left and self.left[0][0] in ("word", "sign") and self.left[0][1].upper() == wanted:
            del self.left[0]
            return True
        return False

    def expect(self, wanted: str) -> None:
        if not self.skip(wanted):
            raise SoqlError("MALFORMED_QUERY", f"expecting '{wanted}', found '{self._found()}'")

    def word(self) -> str:
        if not self.left or self.left[0][0] != "word":
            raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self._found()}'")
        return self.left.pop(0)[1]

    def whole(self) -> int:
        if not self.left or not self.left[0][1].isdecimal():
            raise SoqlError("MALFORMED_QUERY", f"expecting a number, found '{self._found()}'")
        return int(self.left.pop(0)[1])

    def direction(self) -> tuple[str, bool]:
        name = self.word()
        if self.skip("DESC"):
            return name, True
        self.skip("ASC")
        return name, False

    def condition(self) -> tuple[str, str, Any]:
        name = self.word()
        for sign in ("<=", ">=", "!=", "<", ">", "="):
            if self.skip(sign):
                return name, sign, self._value()
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{self._found()}'")

    def _value(self) -> Any:
        kind, token = self.left.pop(0) if self.left else ("", "")
        if kind == "text":
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if kind == "time":
            return epoch_of(token)
        if kind == "number":
            return float(token)
        if kind == "word" and token.lower() in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token.lower()]
        raise SoqlError("MALFORMED_QUERY", f"unexpected token: '{token or 'EOF'}'")

    def _found(self) -> str:
        return self.left[0][1] if self.left else "EOF"


def matching(query: Query, rows: Iterable[Row], kinds: Mapping[str, str]) -> list[Row]:
    """The rows that a query means, in its order; `kinds` are the object's fields with their types.

    Raises:
        SoqlError: a field is not known, or compared with a value of another kind.
    """
    known = {name.lower(): name for name in kinds}
    for name in (*query.fields, *(c[0] for c in query.conditions), *(o[0] for o in query.order)):
        if name.lower() not in known:
            said = f"No such column '{name}' on entity '{query.entity}'."
            raise SoqlError("INVALID_FIELD", said)
    found = list(rows)
    for name, sign, value in query.conditions:
        test = _test(known[name.lower()], sign, value, kinds)
        found = [row for row in found if test(row)]
    for name, descending in reversed(query.order):
        read = _reader(known[name.lower()], kinds)
        found.sort(key=read, reverse=descending)
    return found[query.offset : None if query.limit is None else query.offset + query.limit]


def picked(row: Row, entity: str, fields: Iterable[str], kinds: Mapping[str, str], url: str) -> Row:
    """The row as it is sent: the fields asked for, with what it is in front."""
    known = {name.lower(): name for name in kinds}
    data: dict[str, Any] = {"attributes": {"type": entity, "url": f"{url}/{row.data['Id']}"}}
    data |= {known[name.lower()]: row.data.get(known[name.lower()]) for name in fields}
    sent = Row(row.id, row.stamp, data)
    sent.poison = row.poison
    return sent


def _reader(name: str, kinds: Mapping[str, str]) -> Callable[[Row], Any]:
    """How a field is read for comparing; one without a value comes first."""

    def read(row: Row) -> tuple[bool, Any]:
        value = row.data.get(name)
        if value is None:
            return False, ""
        if kinds[name] == "datetime":
            return True, row.stamp if name == "SystemModstamp" else epoch_of(value)
        return True, value

    return read


def _test(name: str, sign: str, value: Any, kinds: Mapping[str, str]) -> Callable[[Row], bool]:
    wanted = {"datetime": float, "double": float, "int": float, "boolean": bool}
    if value is not None and type(value) is not wanted.get(kinds[name], str):
        said = f"value of filter criterion for field '{name}' must be of type {kinds[name]}"
        raise SoqlError("INVALID_QUERY_FILTER_OPERATOR", said)
    read, bound = _reader(name, kinds), (value is not None, "" if value is None else value)
    return {
        "=": lambda row: bool(read(row) == bound),
        "!=": lambda row: bool(read(row) != bound),
        "<": lambda row: bool(read(row) < bound),
        ">": lambda row: bool(read(row) > bound),
        "<=": lambda row: bool(read(row) <= bound),
        ">=": lambda row: bool(read(row) >= bound),
    }[sign]
