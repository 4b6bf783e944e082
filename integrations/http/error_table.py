"""What an answer means: the connector's own word first, then declared codes, then the status."""

import re
from collections.abc import Callable
from typing import Any

from hub.observability.known_secrets import without_secrets
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    FatalError,
    HubError,
    ListRestartError,
    NotFoundError,
    OperatorRequiredError,
    ParentSkippedError,
    ProviderUnavailableError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.http.answer import Answer
from integrations.types import ErrorCodes, Provider

Classify = Callable[[Answer], HubError | None]

_OUTCOMES: tuple[tuple[str, type[HubError]], ...] = (
    ("refresh", AccessTokenRefusedError),
    ("reauthorize", ReauthorizationRequiredError),
    ("retry", RetryableError),
    ("not_found", NotFoundError),
    ("skip_parent", ParentSkippedError),
    ("unavailable", EntityTypeUnavailableError),
    ("expired", CheckpointExpiredError),
    ("restart_list", ListRestartError),
    ("operator", OperatorRequiredError),
)
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:/-]+")


class UnknownCodeError(ProviderUnavailableError):
    """A success with an error code nobody declared: worth two more tries, then fatal."""


def judge(
    answer: Answer, provider: Provider, classify: Classify | None, retry_after: float | None
) -> HubError | None:
    """The error this answer is, or None if it is what was asked for.

    `classify` may overrule everything; where its word names no wait, `retry_after` is the one.
    """
    if classify is not None and (said := classify(answer)) is not None:
        said.message = without_secrets(said.message)
        if isinstance(said, RetryableError) and said.retry_after is None:
            said.retry_after = retry_after
        return said
    code = code_in(answer.body, provider.errors) if provider.errors else ""
    if provider.errors and (declared := _declared(provider.errors, code, answer.status)):
        return _made(declared, provider, answer.status, code, retry_after)
    if answer.is_success:
        if not code:
            return None
        return UnknownCodeError(f"{provider.label} answered the unknown error {code}.")
    return _made(_by_status(answer.status), provider, answer.status, code, retry_after)


def code_in(body: Any, errors: ErrorCodes) -> str:
    """The provider's own code in an answer, without leading zeros; '' if there is none."""
    paths = (errors.code,) if isinstance(errors.code, str) else errors.code
    return next(filter(None, (_code_at(body, path) for path in paths)), "")


def _code_at(body: Any, path: str) -> str:
    for step in path.split("."):
        while isinstance(body, list):
            body = body[0] if body else None
        if not isinstance(body, dict):
            return ""
        body = next((body[key] for key in body if key.lower() == step.lower()), None)
    if isinstance(body, bool) or not isinstance(body, str | int):
        return ""
    code = _UNSAFE.sub("_", without_secrets(str(body)))[:60]
    return (code.lstrip("0") or "0") if code.isdecimal() else code


def _declared(errors: ErrorCodes, code: str, status: int) -> type[HubError] | None:
    for row, outcome in _OUTCOMES:
        codes = getattr(errors, row)
        if (code and code in codes) or f"http:{status}" in codes:
            return outcome
    return None


def _by_status(status: int) -> type[HubError]:
    if status == 401:
        return AccessTokenRefusedError
    if status in (403, 451):
        return EntityTypeUnavailableError
    if status in (404, 410):
        return NotFoundError
    if status == 429:
        return RateLimitError
    if status in (408, 425) or status >= 500:
        return ProviderUnavailableError
    return FatalError


def _made(
    outcome: type[HubError],
    provider: Provider,
    status: int,
    code: str,
    retry_after: float | None,
) -> HubError:
    said = f"{provider.label} answered {code or f'with status {status}'}"
    if issubclass(outcome, RetryableError):
        if status == 429 and outcome is RetryableError:
            outcome = RateLimitError
        return outcome(f"{said}; it will be asked again.", retry_after=retry_after)
    return outcome(f"{said}: {_NEXT[outcome]}.")


_NEXT: dict[type[HubError], str] = {
    AccessTokenRefusedError: "the access token is not accepted",
    ReauthorizationRequiredError: "the account must be connected again",
    NotFoundError: "there is nothing (any more)",
    ParentSkippedError: "this part may not be read",
    EntityTypeUnavailableError: "this kind of data may not be read with the access given",
    CheckpointExpiredError: "the checkpoint is too old, everything is read again",
    ListRestartError: "the list must be read from its beginning",
    OperatorRequiredError: "an operator must settle this with the provider",
    FatalError: "the hub asked for something that is not understood",
}
