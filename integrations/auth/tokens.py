"""What a token endpoint said: tokens, or the error that names who acts next."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from hub.masked import Masked
from hub.observability.known_secrets import without_secrets
from integrations.errors import (
    AppRefusedError,
    FatalError,
    HubError,
    OperatorRequiredError,
    ProviderUnavailableError,
    RateLimitError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.http.answer import WireAnswer
from integrations.http.error_table import code_in
from integrations.http.json_reader import read_json
from integrations.resilience.retry_after import parse_retry_after
from integrations.types import OAuth2, Provider

ASSUMED_LIFETIME: Final = timedelta(minutes=55)
SHORTEST_LIFETIME: Final = timedelta(seconds=10)
LONGEST_LIFETIME: Final = timedelta(days=90)

# RFC 6749, section 5.2, and what is widely sent besides.
_APP_IS_WRONG: Final = re.compile(r"(?:^|_)client(?:_|$)")  # also bad_client_secret and the like
_TRY_LATER: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_WE_ARE_WRONG: Final = frozenset({"invalid_request", "invalid_scope", "unsupported_grant_type"})

MAX_KEPT_LENGTH: Final = 500


class UndeclaredRefusalError(RetryableError):
    """A refusal nobody has declared: it must not end a connection, so it is asked again."""


@dataclass(frozen=True, repr=False)
class _AppSecrets:
    client_id: str
    client_secret: str


class AppSecrets(Masked, _AppSecrets):
    """The hub's registration at a provider, opened."""


@dataclass(frozen=True, repr=False)
class _TokenAnswer:
    access_token: str
    refresh_token: str = ""
    lifetime_seconds: float | None = None
    scopes: tuple[str, ...] | None = None
    kept: Mapping[str, str] = field(default_factory=dict)


class TokenAnswer(Masked, _TokenAnswer):
    """Tokens as they came. `refresh_token` is '' and the others None where nothing was said.

    `lifetime_seconds` is what the provider claims, however absurd; `expiry` makes sense of it.
    """


def expiry(
    answer: TokenAnswer, auth: OAuth2, *, is_refreshable: bool, now: datetime
) -> datetime | None:
    """When the access token ends; None if it lives until it is refused.

    A lifetime is assumed only when a refresh token is held: without one, renewing by guess would
    end a connection that works. What is stated is taken between 10 seconds and 90 days.
    """
    if answer.lifetime_seconds is None:
        return now + (auth.lifetime or ASSUMED_LIFETIME) if is_refreshable else None
    longest = LONGEST_LIFETIME.total_seconds()
    shortest = SHORTEST_LIFETIME.total_seconds()
    return now + timedelta(seconds=min(max(answer.lifetime_seconds, shortest), longest))


def read_tokens(wire: WireAnswer, provider: Provider, auth: OAuth2, now: datetime) -> TokenAnswer:
    """The tokens in an answer of `provider`'s token endpoint.

    Raises:
        ReauthorizationRequiredError: code or refresh token are of no use any more.
        AppRefusedError: our registration (client id, secret, redirect address) is refused.
        OperatorRequiredError: an operator must settle something else with the provider.
        RetryableError: everything that may pass, also an answer nobody can read.
        FatalError: the request itself was wrong.
    """
    body = _document(wire, provider)
    code = _error_code(body, provider)
    token = body.get("access_token")
    if not code and 200 <= wire.status < 300 and isinstance(token, str) and token:
        refresh_token = body.get("refresh_token")
        return TokenAnswer(
            access_token=token,
            refresh_token=refresh_token if isinstance(refresh_token, str) else "",
            lifetime_seconds=_seconds(body.get("expires_in")),
            scopes=_scopes(body.get("scope"), auth.separator),
            kept=_kept(body, auth.keep),
        )
    wait = parse_retry_after(wire.headers.get("retry-after"), now)
    raise _refusal(wire.status, code, provider, auth, wait)


def _document(wire: WireAnswer, provider: Provider) -> dict[str, Any]:
    if wire.status >= 500:
        return {}
    try:
        body = read_json(wire.body, rows_at=None) if wire.body.strip() else {}
    except ProviderUnavailableError:
        body = None
    if not isinstance(body, dict):
        raise ProviderUnavailableError(
            f"{provider.label} answered the request for a token with something other than JSON."
        )
    return body


def _error_code(body: dict[str, Any], provider: Provider) -> str:
    """The standard `error`, else the provider's own code."""
    said = body.get("error")
    if isinstance(said, str) and said:
        return re.sub(r"[^A-Za-z0-9_.:-]+", "_", without_secrets(said))[:60]
    own = code_in(body, provider.errors) if provider.errors else ""
    return own or ("not_ok" if body.get("ok") is False else "")


def _refusal(
    status: int, code: str, provider: Provider, auth: OAuth2, wait: float | None
) -> HubError:
    errors = provider.errors
    said = f"{provider.label} refused to issue a token ({code or f'status {status}'})"
    if status == 429 or code in ("rate_limited", "ratelimited"):
        return RateLimitError(f"{said}; it will be asked again.", retry_after=wait)
    if status >= 500 or status == 408 or code in _TRY_LATER or (errors and code in errors.retry):
        return ProviderUnavailableError(f"{said}; it will be asked again.", retry_after=wait)
    if code in auth.dead or code == "invalid_grant" or (errors and code in errors.reauthorize):
        return ReauthorizationRequiredError(f"{said}: the account must be connected again.")
    if _APP_IS_WRONG.search(code) is not None or (status == 401 and not code):
        return AppRefusedError(f"{said}: check client id and secret of the {provider.label} app.")
    if errors and code in errors.operator:
        return OperatorRequiredError(f"{said}: settle it with {provider.label}.")
    if code in _WE_ARE_WRONG:
        return FatalError(f"{said}: the request itself was wrong.")
    return UndeclaredRefusalError(f"{said}; it will be asked again.", retry_after=wait)


def _seconds(value: Any) -> float | None:
    """A number of seconds, also when it comes as text; None for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(seconds) else seconds


def _scopes(value: Any, separator: str) -> tuple[str, ...] | None:
    """The scopes granted. Commas and spaces both part them, whatever was used to ask."""
    if isinstance(value, list):
        return tuple(str(scope) for scope in value)
    if not isinstance(value, str) or not value.strip():
        return None
    for mark in {separator, ",", " "} - {" "}:
        value = value.replace(mark, " ")
    return tuple(value.split())


def _kept(body: dict[str, Any], names: tuple[str, ...]) -> dict[str, str]:
    return {
        name: str(body[name])[:MAX_KEPT_LENGTH]
        for name in names
        if isinstance(body.get(name), str | int)
    }
