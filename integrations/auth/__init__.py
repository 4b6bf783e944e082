"""OAuth 2 as providers declare it: the way to their consent page, codes for tokens, renewal."""

from integrations.auth.backend import backend_for
from integrations.auth.flow import (
    as_oauth,
    authorize_url,
    client_way,
    exchange,
    known_scopes,
    missing_scopes,
    new_verifier,
    oauth_of,
    refresh,
    surplus_scopes,
    token_for_client,
)
from integrations.auth.revoke import revoke
from integrations.auth.tokens import AppSecrets, TokenAnswer, UndeclaredRefusalError, expiry

__all__ = [
    "AppSecrets",
    "TokenAnswer",
    "UndeclaredRefusalError",
    "as_oauth",
    "authorize_url",
    "backend_for",
    "client_way",
    "exchange",
    "expiry",
    "known_scopes",
    "missing_scopes",
    "new_verifier",
    "oauth_of",
    "refresh",
    "revoke",
    "surplus_scopes",
    "token_for_client",
]
