"""OAuth 2 as providers declare it: the way to their consent page, codes for tokens, renewal."""

from integrations.auth.backend import backend_for
from integrations.auth.flow import (
    authorize_url,
    exchange,
    missing_scopes,
    new_verifier,
    oauth_of,
    refresh,
)
from integrations.auth.tokens import AppSecrets, TokenAnswer, UndeclaredRefusalError, expiry

__all__ = [
    "AppSecrets",
    "TokenAnswer",
    "UndeclaredRefusalError",
    "authorize_url",
    "backend_for",
    "exchange",
    "expiry",
    "missing_scopes",
    "new_verifier",
    "oauth_of",
    "refresh",
]
