"""Filters: which records a route takes, as data. Every condition must hold.

A condition is {"field": "amount", "op": "at_least", "value": 1000}; fields are written as the
`from` of a mapping. Texts are compared without regard to case. What is not there is only "empty"
and "is_not" anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from integrations.destinations.cells import value_at
from integrations.destinations.change import Change
from integrations.destinations.columns import source_kind
from integrations.errors import InvalidInputError
from integrations.records.values import exact_number

MOST_CONDITIONS = 50
OPS = ("is", "is_not", "one_of", "contains", "at_least", "at_most", "empty", "not_empty")
_WITHOUT_VALUE = {"empty", "not_empty"}
_TIMES = ("day", "time")
_ORDERED = {"decimal", "integer", "day", "time", "anything"}


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison. `value` is as the filter has it, `kind` what the field holds."""

    field: str
    op: str
    value: Any
    kind: str

    def holds(self, change: Change) -> bool:
        found = value_at(change, self.field)
        values = found if isinstance(found, list) else [found]
        values = [one for one in values if one not in (None, "", [], {})]
        match self.op:
            case "empty":
                return not values
            case "not_empty":
                return bool(values)
            case "is":
                return any(self._same(one, self.value) for one in values)
            case "is_not":
                return not any(self._same(one, self.value) for one in values)
            case "one_of":
                return any(self._same(one, wanted) for one in values for wanted in self.value)
            case "contains":
                return any(str(self.value).casefold() in str(one).casefold() for one in values)
        return any(self._in_order(one) for one in values)

    def _same(self, found: Any, wanted: Any) -> bool:
        if self.kind in _TIMES:
            return bool(_moment(found) == _moment(wanted))
        numbers = exact_number(found), exact_number(wanted)
        if None not in numbers and self.kind != "text":
            return numbers[0] == numbers[1]
        return bool(_plain(found) == _plain(wanted))

    def _in_order(self, found: Any) -> bool:
        """At least or at most; what cannot be compared is neither."""
        read: Any = _moment if self.kind in _TIMES else exact_number
        here, there = read(found), read(self.value)
        if here is None or there is None:
            here, there = str(found), str(self.value)
            if self.kind != "anything":
                return False
        return bool(here >= there if self.op == "at_least" else here <= there)


def conditions_of(record_type: str, written: Any) -> tuple[Condition, ...]:
    """The conditions of a filter.

    Raises:
        InvalidInputError: one sentence about the first that cannot be used.
    """
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise _wrong("The filter must be a list of conditions.")
    if len(written) > MOST_CONDITIONS:
        raise _wrong(f"The filter may have at most {MOST_CONDITIONS} conditions.")
    return tuple(_condition(record_type, one) for one in written)


def all_hold(conditions: Sequence[Condition], change: Change) -> bool:
    return all(condition.holds(change) for condition in conditions)


def _condition(record_type: str, written: Any) -> Condition:
    if not isinstance(written, Mapping) or not isinstance(written.get("field"), str):
        raise _wrong('A condition is written {"field": "status", "op": "is", "value": "won"}.')
    field, op, value = written["field"], written.get("op", "is"), written.get("value")
    if op not in OPS:
        raise _wrong(f"A condition compares with {', '.join(OPS)}, not with {op!r}.")
    kind = source_kind(record_type, field, name="filter")
    if op in _WITHOUT_VALUE:
        if value is not None:
            raise _wrong(f"The condition {op!r} on {field!r} takes no value.")
        return Condition(field, op, None, kind)
    if kind in ("ref", "refs", "address", "lines", "line"):
        raise _wrong(f"{field!r} cannot be compared as a whole; name a part of it.")
    if op == "one_of":
        if not isinstance(value, list) or not value:
            raise _wrong(f"The condition 'one_of' on {field!r} needs a list of values.")
    elif value is None or isinstance(value, list | dict):
        raise _wrong(f"The condition {op!r} on {field!r} needs one value.")
    if op in ("at_least", "at_most") and kind not in _ORDERED:
        raise _wrong(f"{field!r} is no number, date or time, so {op!r} means nothing there.")
    for one in value if isinstance(value, list) else [value]:
        if problem := _unfit(kind, one):
            raise _wrong(f"{field!r} is {problem}, and {one!r} is none.")
    return Condition(field, op, value, kind)


def _unfit(kind: str, value: Any) -> str:
    """What the field is, if the value cannot be compared with it."""
    if kind in ("decimal", "integer") and exact_number(value) is None:
        return "a number"
    if kind == "flag" and not isinstance(value, bool):
        return "true or false"
    try:
        if kind == "day":
            date.fromisoformat(str(value))
        if kind == "time":
            datetime.fromisoformat(str(value))
    except ValueError:
        return "a date" if kind == "day" else "a time"
    return ""


def _moment(written: Any) -> datetime | None:
    """When that is, in whatever zone or form it is written; a day begins at midnight in UTC."""
    try:
        at = datetime.fromisoformat(str(written))
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool) else str(value).casefold()


def _wrong(sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, {"filter": [sentence]})
