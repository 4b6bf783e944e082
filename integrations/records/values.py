"""Values as providers write them, made ours: times, days, money, references.

Missing (None or '') stays None. What is there but cannot be understood raises ValueError, so
that the engine sets that one record aside.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.types import Ref

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 10**11
"""A number from here on counts milliseconds: as seconds it would be past the year 5138."""


def utc(value: Any) -> datetime | None:
    """An aware time in UTC from Unix seconds or milliseconds (number or text) or ISO 8601.

    ISO text without an offset is taken as UTC. "1762419600.000100" keeps its microseconds.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    number = None if _begins_with_a_year(value) else exact_number(value)
    if number is not None:
        seconds = number / 1000 if abs(number) >= _MILLISECONDS_FROM else number
        try:
            return _EPOCH + timedelta(microseconds=int(seconds * 1_000_000))
        except OverflowError:
            raise ValueError("a time beyond the calendar") from None
    if not isinstance(value, str):
        raise ValueError(f"no time: {type(value).__name__}")
    parsed = datetime.fromisoformat(value)
    return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def day(value: Any) -> date | None:
    """A date from "2026-05-31", month/day/year "5/31/2026", or anything `utc` takes."""
    if isinstance(value, str) and value.count("/") == 2:
        month, of_month, year = value.split("/")
        return date(int(year), int(month), int(of_month))
    if isinstance(value, str) and len(value) == 10 and value.count("-") == 2:
        return date.fromisoformat(value)
    at = utc(value)
    return at.date() if at else None


def exact_number(value: Any) -> Decimal | None:
    """The exact number, as its shortest decimal form writes it; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def money(value: Any, exponent: int | None = None) -> Decimal | None:
    """An exact amount; with `exponent` the value counts minor units: (1250, 2) is 12.50."""
    if value is None or value == "":
        return None
    amount = exact_number(value)
    if amount is None or not amount.is_finite():
        raise ValueError("no amount of money")
    return amount if exponent is None else amount.scaleb(-exponent)


def ref(entity_type: str, source_id: Any) -> Ref | None:
    """A reference by id, which may come as number or text; None without an id."""
    if source_id is None or source_id == "":
        return None
    if isinstance(source_id, bool) or not isinstance(source_id, int | str):
        raise ValueError(f"no id of {entity_type}: {type(source_id).__name__}")
    return Ref(entity_type, str(source_id))


def found(*values: Any) -> tuple[str, ...]:
    """The texts that are there, each once, in order."""
    return tuple(dict.fromkeys(str(value) for value in values if value not in (None, "")))


def dig(item: Any, path: str) -> Any:
    """The value at "a.b.0.c", or None where the way ends."""
    for step in path.split(".") if path else ():
        if isinstance(item, dict) or isinstance(item, Mapping):  # noqa: SIM101  dict is quicker
            item = item.get(step)
        elif isinstance(item, list) and step.isdecimal() and int(step) < len(item):
            item = item[int(step)]
        else:
            return None
    return item


def dig_all(item: Any, path: str) -> list[Any]:
    """All values at "a.b", through every element of the arrays on the way and at its end."""
    reached = [item]
    for step in path.split(".") if path else ():
        reached = [
            part[step]
            for one in reached
            for part in (one if isinstance(one, list) else [one])
            if isinstance(part, Mapping) and step in part
        ]
    return [part for one in reached for part in (one if isinstance(one, list) else [one])]


def _begins_with_a_year(value: Any) -> bool:
    """Whether it is "2026-…", which no number is: most times are, and trying costs the most."""
    return isinstance(value, str) and value[4:5] == "-" and value[:4].isdecimal()
