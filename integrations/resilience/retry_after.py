"""What a Retry-After header asks for (RFC 9110, section 10.2.3)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 3600.0

_SECONDS = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, between 1 and 3600; None if the header is missing or means nothing.

    Seconds (also with a fraction, which providers do send) or an HTTP date relative to `now`.
    Of several headers, which arrive joined by commas, the longest wait counts.
    """
    text = (value or "").strip()
    parts = [part.strip() for part in text.split(",")]
    if all(_SECONDS.fullmatch(part) for part in parts):
        return _clamp(max(float(part) for part in parts))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return _clamp((until - now).total_seconds())


def _clamp(seconds: float) -> float:
    return min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
