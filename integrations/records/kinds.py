"""The kinds of value a record's field can hold: how each is stored, and when it is refused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from integrations.types import Json, Ref


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address; `country` as the provider writes it."""

    street: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None

    @classmethod
    def of(cls, told: Any, parts: Sequence[str]) -> "Address | None":
        """From an object whose keys `parts` are, in the order above; None if all are empty."""
        values = [told.get(part) for part in parts] if told else []
        return cls(*values) if any(values) else None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line of an invoice; `amount` is in the invoice's currency."""

    description: str | None = None
    amount: Decimal | None = None
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    item: Ref | None = None


MOST_DIGITS = 1_000
_PARTS = tuple(part.name for part in fields(Address))

KINDS: dict[Any, str] = {
    str: "text",
    bool: "flag",
    int: "integer",
    Decimal: "decimal",
    datetime: "time",
    date: "day",
    Ref: "ref",
    Address: "address",
    tuple[Ref, ...]: "refs",
    tuple[str, ...]: "texts",
    tuple[InvoiceLine, ...]: "lines",
}
"""The annotation of a field (without `| None`) and the name of its kind."""


def _dump_time(value: datetime | None) -> Json:
    if value is None:
        return None
    text = value.astimezone(UTC).isoformat()
    return text.removesuffix("+00:00") + "Z"


def _dump_ref(value: Ref | None) -> Json:
    if value is None:
        return None
    return {"entity_type": value.entity_type, "source_id": value.source_id}


def _dump_decimal(value: Decimal | None) -> Json:
    return None if value is None else f"{value:f}"


def _dump_address(value: Address | None) -> Json:
    return None if value is None else {part: getattr(value, part) for part in _PARTS}


def _dump_lines(value: tuple[InvoiceLine, ...]) -> Json:
    return [
        {
            "description": line.description,
            "amount": _dump_decimal(line.amount),
            "quantity": _dump_decimal(line.quantity),
            "unit_price": _dump_decimal(line.unit_price),
            "item": _dump_ref(line.item),
        }
        for line in value
    ]


DUMPS: dict[str, Callable[[Any], Json]] = {
    "decimal": _dump_decimal,
    "time": _dump_time,
    "day": lambda value: value and value.isoformat(),
    "ref": _dump_ref,
    "refs": lambda value: [_dump_ref(ref) for ref in value],
    "texts": list,
    "address": _dump_address,
    "lines": _dump_lines,
}
"""How values become JSON; a kind that is not named is stored as it is."""


def _check_text(value: Any) -> str:
    if not isinstance(value, str):
        return f"should be text, not {type(value).__name__}"
    return "" if value.isprintable() or _is_storable(value) else "holds what no database stores"


def _is_storable(text: str) -> bool:
    """False with NUL or half a surrogate pair in it."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        return f"should be Decimal, not {type(value).__name__}"
    is_usable = value.is_finite() and abs(value.adjusted()) < 40
    # With very many digits the column of the view would refuse it, and with it the whole view.
    is_usable = is_usable and len(value.as_tuple().digits) <= MOST_DIGITS
    return "" if is_usable else "is no usable number"


def _check_time(value: Any) -> str:
    if not isinstance(value, datetime):
        return f"should be a time, not {type(value).__name__}"
    return "" if value.tzinfo else "has no time zone"


def _check_day(value: Any) -> str:
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return "" if is_day else f"should be a date, not {type(value).__name__}"


def _check_integer(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        return f"should be a whole number, not {type(value).__name__}"
    return "" if -(2**63) <= value < 2**63 else "is too large"


def _check_ref(value: Any) -> str:
    if not isinstance(value, Ref):
        return f"should be a Ref, not {type(value).__name__}"
    return _check_text(value.source_id) if value.source_id else "points to nothing"


def _check_address(value: Any) -> str:
    if not isinstance(value, Address):
        return f"should be an Address, not {type(value).__name__}"
    for name in _PARTS:
        part = getattr(value, name)
        if part is not None and (said := _check_text(part)):
            return said
    return ""


def _check_line(line: Any) -> str:
    if not isinstance(line, InvoiceLine):
        return f"should hold InvoiceLine, not {type(line).__name__}"
    amounts = (line.amount, line.quantity, line.unit_price)
    said = [_check_decimal(amount) for amount in amounts if amount is not None]
    said += [_check_text(line.description)] if line.description is not None else []
    said += [_check_ref(line.item)] if line.item is not None else []
    return next(filter(None, said), "")


def _each(check: Callable[[Any], str]) -> Callable[[Any], str]:
    def check_all(value: Any) -> str:
        if not isinstance(value, tuple):
            return f"should be a tuple, not {type(value).__name__}"
        for part in value:
            if said := check(part):
                return said
        return ""

    return check_all


CHECKS: dict[str, Callable[[Any], str]] = {
    "text": _check_text,
    "flag": lambda value: "" if isinstance(value, bool) else "should be true or false",
    "integer": _check_integer,
    "decimal": _check_decimal,
    "time": _check_time,
    "day": _check_day,
    "ref": _check_ref,
    "refs": _each(_check_ref),
    "texts": _each(_check_text),
    "address": _check_address,
    "lines": _each(_check_line),
}
