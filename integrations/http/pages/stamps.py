"""Stamps: the times and growing numbers by which providers sort lists, kept as they write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from integrations.records import utc

Stamp = Any
"""An int of seconds, digits in a str ("1762419600.000100"), or ISO 8601 text."""


def order(stamp: Stamp) -> datetime | None:
    """The moment a stamp means, for comparing; None if it cannot be read."""
    try:
        return utc(stamp)
    except ValueError:
        return None


def earlier(stamp: Stamp, seconds: float) -> Stamp:
    """The stamp that lies `seconds` before, written in the same way."""
    if not seconds or stamp is None:
        return stamp
    if isinstance(stamp, int | float):
        return max(type(stamp)(0), type(stamp)(stamp - seconds))
    try:
        return f"{max(Decimal(0), Decimal(stamp) - Decimal(str(seconds))):f}"
    except InvalidOperation:
        pass
    at = datetime.fromisoformat(stamp) - timedelta(seconds=seconds)
    return at.isoformat(timespec="seconds").replace(
        "+00:00", "Z" if stamp.endswith("Z") else "+00:00"
    )


def like(example: Stamp, moment: str) -> Stamp:
    """An ISO moment written in the way of `example`: {int} 1767225600, {digits} or ISO text."""
    at = utc(moment) or datetime.fromtimestamp(0, UTC)
    if isinstance(example, int | float):
        return int(at.timestamp())
    if isinstance(example, str) and example.replace(".", "", 1).isdecimal():
        return f"{int(at.timestamp())}.000000"
    return moment
