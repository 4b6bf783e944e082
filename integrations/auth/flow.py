"""The steps of OAuth 2: to the consent page, code for tokens, tokens renewed; and its scopes.

`values` are what the user entered before consent, for addresses that hold them.
"""

import secrets
from collections.abc import Iterable, Mapping

from integrations.auth.backend import Flow, backend_for
from integrations.auth.known import completed
from integrations.auth.tokens import AppSecrets, TokenAnswer
from integrations.errors import FatalError
from integrations.http.egress import Egress
from integrations.resilience.deadline import Deadline
from integrations.types import ClientCredentials, OAuth2, Provider

NO_VALUES: Mapping[str, str] = {}


def oauth_of(provider: Provider) -> OAuth2:
    """How the provider declares OAuth 2, with the addresses of the backend it may name.

    Raises:
        FatalError: it declares other ways in only.
    """
    for way in provider.auth:
        if isinstance(way, OAuth2):
            return completed(way)
    raise FatalError(f"{provider.label} does not declare OAuth 2.")


def client_way(provider: Provider) -> ClientCredentials | None:
    """How the provider declares client credentials, if it does."""
    return next((way for way in provider.auth if isinstance(way, ClientCredentials)), None)


def missing_scopes(declared: OAuth2, granted: Iterable[str]) -> list[str]:
    """The scopes the provider's connector needs and did not get."""
    held = set(known_scopes(declared, granted))
    return [scope for scope in declared.scopes if scope not in held]


def surplus_scopes(declared: OAuth2, granted: Iterable[str]) -> list[str]:
    """The scopes that were granted though nobody asked for them."""
    asked = {*declared.scopes, *declared.optional_scopes}
    return [scope for scope in known_scopes(declared, granted) if scope not in asked]


def known_scopes(declared: OAuth2, granted: Iterable[str]) -> list[str]:
    """The granted scopes by the names the declaration uses, each once."""
    return list(dict.fromkeys(declared.scope_aliases.get(scope, scope) for scope in granted))


def new_verifier() -> str:
    """A PKCE verifier of 256 bits (RFC 7636, section 4.1)."""
    return secrets.token_urlsafe(32)


def authorize_url(
    provider: Provider,
    app: AppSecrets,
    *,
    redirect_uri: str,
    state: str,
    verifier: str,
    values: Mapping[str, str] = NO_VALUES,
) -> str:
    """The address of the consent page for this one attempt."""
    flow = Flow(app, redirect_uri=redirect_uri, state=state, verifier=verifier, values=values)
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
    values: Mapping[str, str] = NO_VALUES,
) -> TokenAnswer:
    """The tokens for the code of a callback. One call; errors as in `read_tokens`."""
    flow = Flow(
        app,
        redirect_uri=redirect_uri,
        verifier=verifier,
        code=code,
        values=values,
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
    values: Mapping[str, str] = NO_VALUES,
) -> TokenAnswer:
    """New tokens for a refresh token, which may be used up by this. One call, never repeated.

    Errors as in `read_tokens`.
    """
    flow = Flow(app, values=values, egress=egress, deadline=deadline)
    return backend_for(provider, oauth_of(provider))(flow).tokens_for_refresh(refresh_token)


def token_for_client(
    provider: Provider,
    way: ClientCredentials,
    client: AppSecrets,
    *,
    egress: Egress,
    deadline: Deadline,
    values: Mapping[str, str] = NO_VALUES,
) -> TokenAnswer:
    """A token for the connection's own client id and secret. Errors as in `read_tokens`."""
    flow = Flow(client, values=values, egress=egress, deadline=deadline)
    return backend_for(provider, as_oauth(way))(flow).tokens_for_client()


def as_oauth(way: ClientCredentials) -> OAuth2:
    """The same token endpoint, described as the rest of OAuth 2 is."""
    return OAuth2(token_url=way.token_url, scopes=way.scopes, token_auth=way.token_auth, pkce=False)
