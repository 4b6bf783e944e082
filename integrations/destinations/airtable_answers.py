"""What Airtable's answers mean for somebody who writes.

Unverified: the nesting of a 429's code, and what type of error a plan's row limit gives.
"""

from datetime import UTC, datetime
from typing import Any

from integrations.errors import DestinationBlockedError, HubError, RateLimitError
from integrations.http.answer import Answer
from integrations.records import dig
from integrations.resilience.provider_clock import answered_at
from integrations.resilience.retry_after import parse_retry_after

LOCKOUT_SECONDS = 30.0
ROW_GONE = "ROW_DOES_NOT_EXIST"
BILLING = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"


class RefusedByAirtableError(HubError):
    """What was sent is not accepted; `type` is Airtable's code. Raised and caught here."""

    def __init__(self, type: str, message: str = "", *, status: int = 422) -> None:
        super().__init__(f"{type}: {message}"[:400] if message else type or f"status {status}")
        self.status = status
        self.type = type


def classify(answer: Answer) -> HubError | None:
    """What an answer of Airtable means for somebody who writes."""
    if answer.is_success or answer.status in (401, 408, 425) or answer.status >= 500:
        return None
    type, message = error_in(answer.body)
    if answer.status == 429:
        if type == BILLING:
            return DestinationBlockedError(
                "The workspace has used up the API calls of its plan for this month. Raise the "
                "plan, or wait for the next month."
            )
        now = answered_at(answer.headers) or datetime.now(UTC)
        asked = parse_retry_after(answer.header("retry-after"), now) or 0.0
        wait = max(asked, LOCKOUT_SECONDS)
        return RateLimitError("Airtable asks for a pause.", retry_after=wait)
    return RefusedByAirtableError(type, message, status=answer.status)


def error_in(body: Any) -> tuple[str, str]:
    """Type and message of an error: {"error": {"type", "message"}}, {"error": "NOT_FOUND"} or
    {"errors": [{"error", "message"}]}."""
    for inside in (dig(body, "error"), dig(body, "errors.0")):
        if isinstance(inside, str):
            return inside, ""
        if isinstance(inside, dict):
            type = inside.get("type") or inside.get("error") or ""
            return str(type), str(inside.get("message") or "")
    return "", ""
