"""Ending a grant at its provider, as the provider declares it (RFC 7009, or a way of its own)."""

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from integrations.auth.tokens import AppSecrets
from integrations.errors import (
    AppRefusedError,
    FatalError,
    HubError,
    ProviderUnavailableError,
    RateLimitError,
)
from integrations.http.answer import WireAnswer
from integrations.http.egress import Egress
from integrations.http.error_table import code_in
from integrations.http.json_reader import read_json
from integrations.resilience.deadline import Deadline
from integrations.resilience.provider_clock import answered_at
from integrations.resilience.retry_after import parse_retry_after
from integrations.types import OAuth2, Provider

_ENDED: Final = frozenset({"invalid_token", "invalid_grant", "token_revoked"})
_TRY_LATER: Final = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_APP_IS_WRONG: Final = re.compile(r"(?:^|_)client(?:_|$)")


def revoke(
    provider: Provider,
    declared: OAuth2,
    app: AppSecrets,
    token: str,
    *,
    address: str,
    egress: Egress,
    deadline: Deadline,
) -> bool:
    """End the grant behind `token`; False if it had ended before. One call, safe to repeat.

    `address` is `declared.revoke_url` with its names filled in. The token is a refresh token where
    there is one, but an access token for the style "bearer", which is the token itself speaking.

    Raises:
        RetryableError: no usable answer; whether the grant has ended is not known.
        AppRefusedError: client id or secret are refused.
        FatalError: the provider refuses for a reason that asking again does not change.
    """
    headers, form, document = _request(declared, app, token)
    with egress.open() as session:
        wire = session.send(
            "POST", address, deadline=deadline, headers=headers, form=form, json=document
        )
    body = _document(wire, provider)
    code = _code(body, provider)
    if 200 <= wire.status < 300 and not code:
        return True
    is_own_token_refused = declared.revoke_style == "bearer" and wire.status == 401 and not code
    if code in _dead_codes(provider, declared) or is_own_token_refused:
        return False
    raise _refusal(wire, code, provider)


def _request(
    declared: OAuth2, app: AppSecrets, token: str
) -> tuple[dict[str, str], dict[str, str] | None, dict[str, str] | None]:
    """Headers, form and JSON of the call, of which one body is None."""
    if declared.revoke_style == "bearer":
        return {"Authorization": f"Bearer {token}"}, {}, None
    pair = base64.b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()
    basic = {"Authorization": f"Basic {pair}"}
    if declared.revoke_style == "json":
        return basic, None, {"token": token}
    if declared.token_auth == "basic":
        return basic, {"token": token}, None
    named = {"client_id": app.client_id, "client_secret": app.client_secret}
    return {}, {"token": token, **named}, None


def _document(wire: WireAnswer, provider: Provider) -> Mapping[str, Any]:
    """The JSON object in the answer; nothing where there is no body, or an error says no more."""
    if not wire.body.strip() or wire.status >= 500:
        return {}
    try:
        body = read_json(wire.body, rows_at=None)
    except ProviderUnavailableError:
        body = None
    if isinstance(body, dict):
        return body
    raise ProviderUnavailableError(
        f"{provider.label} answered the request to end the access with something other than JSON."
    )


def _code(body: Mapping[str, Any], provider: Provider) -> str:
    said = body.get("error")
    if isinstance(said, str) and said:
        return re.sub(r"[^A-Za-z0-9_.:-]+", "_", said)[:60]
    own = code_in(body, provider.errors) if provider.errors else ""
    return own or ("not_ok" if body.get("ok") is False else "")


def _dead_codes(provider: Provider, declared: OAuth2) -> set[str]:
    own = provider.errors.reauthorize if provider.errors else ()
    return {*_ENDED, *declared.dead, *own}


def _refusal(wire: WireAnswer, code: str, provider: Provider) -> HubError:
    said = f"{provider.label} did not end the access ({code or f'status {wire.status}'})"
    wait = parse_retry_after(
        wire.headers.get("retry-after"), answered_at(wire.headers) or datetime.now(UTC)
    )
    if wire.status == 429 or code in ("rate_limited", "ratelimited"):
        return RateLimitError(f"{said}; it will be asked again.", retry_after=wait)
    is_passing = code in _TRY_LATER or (provider.errors and code in provider.errors.retry)
    if wire.status >= 500 or wire.status == 408 or is_passing:
        return ProviderUnavailableError(f"{said}; it will be asked again.", retry_after=wait)
    if _APP_IS_WRONG.search(code) or (wire.status == 401 and not code):
        return AppRefusedError(f"{said}: check client id and secret of the {provider.label} app.")
    return FatalError(f"{said}.")
