"""The three steps of OAuth 2: to the consent page, code for tokens, and tokens renewed."""

import secrets
from collections.abc import Iterable

from integrations.auth.backend import Flow, backend_for
from integrations.auth.tokens import AppSecrets, TokenAnswer
from integrations.errors import FatalError
from integrations.http.egress import Egress
from integrations.resilience.deadline import Deadline
from integrations.types import OAuth2, Provider


def oauth_of(provider: Provider) -> OAuth2:
    """How the provider declares OAuth 2.

    Raises:
        FatalError: it declares other ways in only.
    """
    for way in provider.auth:
        if isinstance(way, OAuth2):
            return way
    raise FatalError(f"{provider.label} does not declare OAuth 2.")


def missing_scopes(declared: OAuth2, granted: Iterable[str]) -> list[str]:
    """The scopes the provider's connector needs and did not get."""
    held = set(granted)
    return [scope for scope in declared.scopes if scope not in held]


def new_verifier() -> str:
    """A PKCE verifier of 256 bits (RFC 7636, section 4.1)."""
    return secrets.token_urlsafe(32)


def authorize_url(
    provider: Provider, app: AppSecrets, *, redirect_uri: str, state: str, verifier: str
) -> str:
    """The address of the consent page for this one attempt."""
    flow = Flow(app, redirect_uri=redirect_uri, state=state, verifier=verifier)
    return backend_for(provider, oauth_of(provider))(flow).auth_url()


def exchange(
    provider: Provider,
    app: AppSecrets,
    *,
    code: str,
    redirect_uri: str,
    verifier: str,
    egress: Egress,
    deadline: Deadline,
) -> TokenAnswer:
    """The tokens for the code of a callback. One call; errors as in `read_tokens`."""
    flow = Flow(
        app,
        redirect_uri=redirect_uri,
        verifier=verifier,
        code=code,
        egress=egress,
        deadline=deadline,
    )
    return backend_for(provider, oauth_of(provider))(flow).tokens_for_code()


def refresh(
    provider: Provider,
    app: AppSecrets,
    refresh_token: str,
    *,
    egress: Egress,
    deadline: Deadline,
) -> TokenAnswer:
    """New tokens for a refresh token, which may be used up by this. One call, never repeated.

    Errors as in `read_tokens`.
    """
    flow = Flow(app, egress=egress, deadline=deadline)
    return backend_for(provider, oauth_of(provider))(flow).tokens_for_refresh(refresh_token)
