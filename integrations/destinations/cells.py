"""Cells: what a record puts into the columns of a table. Pure: the same record, the same cells.

A cell is JSON as any table keeps it: text, number, true or false, "2026-05-31",
"2026-05-31T08:00:00Z", or None. References to other records are kept apart, because what a
destination writes for them depends on which of those it already has.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from integrations.destinations.change import Change
from integrations.destinations.columns import FROM_HUB, RAW, Column
from integrations.errors import RecordRejectedError
from integrations.records import dig
from integrations.types import Json, Ref

LONGEST_TEXT = 100_000
MOST_DIGITS = 18  # of a whole number that is written as one; JSON here knows 64 bits

TitleOf = Callable[[Ref], str]


@dataclass(frozen=True, slots=True)
class Cells:
    """The values of one row by column, and by link column what it refers to."""

    values: dict[str, Json] = field(default_factory=dict)
    refs: dict[str, tuple[Ref, ...]] = field(default_factory=dict)


def cells_of(change: Change, columns: tuple[Column, ...], title_of: TitleOf) -> Cells:
    """The row that a record makes; `title_of` names what it refers to, '' if that is unknown.

    Raises:
        RecordRejectedError: a value does not fit its column; the sentence says which.
    """
    made = Cells()
    for column in columns:
        if not column.source:
            made.values[column.name] = column.value
        elif column.is_link:
            made.refs[column.name] = refs_at(change, column.source)
        else:
            found = _found(change, column.source, title_of)
            made.values[column.name] = _cell(column, found)
    return made


def value_at(change: Change, source: str) -> Any:
    """What lies at "address.city", "raw.code" or "provenance.source_id"; None if nothing."""
    first, _, rest = source.partition(".")
    if first == RAW:
        return dig(change.raw, rest)
    if first == FROM_HUB:
        return change.provenance.get(rest)
    return dig(change.data, source)


def refs_at(change: Change, source: str) -> tuple[Ref, ...]:
    """What the record refers to there, each once, in order."""
    found = value_at(change, source)
    several = found if isinstance(found, list) else [found]
    return tuple(dict.fromkeys(change.ref(one) for one in several if isinstance(one, Mapping)))


def titled_refs(change: Change, columns: tuple[Column, ...]) -> list[Ref]:
    """What must be known by title before the cells can be made."""
    return [
        ref
        for column in columns
        if column.source.endswith(".title") and not column.source.startswith((RAW, FROM_HUB))
        for ref in refs_at(change, column.source.removesuffix(".title"))
    ]


def _found(change: Change, source: str, title_of: TitleOf) -> Any:
    if source.endswith(".title") and not source.startswith((RAW, FROM_HUB)):
        named = [title_of(ref) for ref in refs_at(change, source.removesuffix(".title"))]
        return ", ".join(filter(None, named)) or None
    return value_at(change, source)


def _cell(column: Column, found: Any) -> Json:
    if found is None or found in ("", [], {}):
        return None
    try:
        return _MAKE[column.kind](found)
    except (ValueError, ArithmeticError, TypeError) as exc:
        raise RecordRejectedError(
            f"{column.name}: {_short(found)} cannot be written as {column.kind.replace('_', ' ')}."
        ) from exc


def _text(found: Any) -> str:
    if isinstance(found, str):
        return found[:LONGEST_TEXT]
    if isinstance(found, bool):
        return "yes" if found else "no"
    if isinstance(found, Mapping):
        parts = [part for part in found.values() if part not in (None, "", [], {})]
        parts = [part for part in parts if not isinstance(part, Mapping)]  # a reference
        return ", ".join(map(_text, parts))[:LONGEST_TEXT]
    if isinstance(found, list):
        is_long = any(isinstance(part, Mapping) for part in found)
        return ("\n" if is_long else ", ").join(map(_text, found))[:LONGEST_TEXT]
    return str(found)


def _first_text(found: Any) -> str:
    """Of several addresses or numbers the first: such columns hold one."""
    return _text(found[0] if isinstance(found, list) else found)


def _number(found: Any) -> float | int:
    if isinstance(found, bool | list | Mapping):
        raise ValueError("no number")
    number = Decimal(str(found))
    about = float(number)
    if not isfinite(about):
        raise ValueError("no number")
    is_whole = number.adjusted() < MOST_DIGITS and number == number.to_integral_value()
    return int(number) if is_whole else about


def _integer(found: Any) -> int:
    number = _number(found)
    if not isinstance(number, int):
        raise ValueError("no whole number")
    return number


def _flag(found: Any) -> bool:
    if not isinstance(found, bool):
        raise ValueError("neither true nor false")
    return found


def _day(found: Any) -> str:
    text = str(found)
    if len(text) > 10:
        return _moment(text).date().isoformat()
    return date.fromisoformat(text).isoformat()


def _time(found: Any) -> str:
    return _moment(str(found)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _short(found: Any) -> str:
    text = _text(found)
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


_MAKE: dict[str, Callable[[Any], Json]] = {
    "text": _text,
    "long_text": _text,
    "email": _first_text,
    "url": _first_text,
    "phone": _first_text,
    "number": _number,
    "integer": _integer,
    "flag": _flag,
    "day": _day,
    "time": _time,
}
