"""What time it is at a provider, by the Date of its last answer (RFC 9110, section 6.6.1).

Carried on by a clock that never jumps, so that our own calendar has no part in it: what a provider
stamps and lets expire goes by its clock, and ours may be wrong.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

BELIEVED: Final = timedelta(days=1)  # a Date that far from our time is a mistake of theirs

_heard: dict[str, tuple[datetime, float]] = {}  # provider → its time, and when by our stopwatch


def answered_at(headers: Mapping[str, str]) -> datetime | None:
    """The Date of an answer, names in lower case; None if it has none that can be read."""
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def hear(provider: str, headers: Mapping[str, str]) -> None:
    """Remember what time it is at the provider, if its answer tells."""
    if (at := answered_at(headers)) is not None:
        _heard[provider] = at, time.monotonic()


def provider_now(provider: str, *, ours: datetime) -> datetime | None:
    """What time it is at the provider; None while this process does not know.

    So it is too when its time is more than a day from `ours`.
    """
    if provider not in _heard:
        return None
    at, heard_at = _heard[provider]
    now = at + timedelta(seconds=time.monotonic() - heard_at)
    return now if abs(now - ours) < BELIEVED else None


def forget() -> None:
    """Know nothing of any provider's time."""
    _heard.clear()
