"""Addresses of providers that social-core knows, by the name it knows them under."""

import importlib
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from social_core.backends.oauth import BaseOAuth2

from integrations.errors import FatalError
from integrations.types import OAuth2

_TAKEN = {
    "authorize_url": "AUTHORIZATION_URL",
    "token_url": "ACCESS_TOKEN_URL",
    "revoke_url": "REVOKE_TOKEN_URL",
}


def completed(declared: OAuth2) -> OAuth2:
    """The declaration with what it leaves out taken from the backend it names.

    Raises:
        FatalError: social-core has no such backend, or it has no address where one is needed.
    """
    if not declared.backend:
        return declared
    known: Any = backend_called(declared.backend)
    taken: dict[str, str] = {}
    for name, theirs in _TAKEN.items():
        address = getattr(known, theirs, "") or ""
        if not getattr(declared, name) and "{" not in address and "%s" not in address:
            taken[name] = address
    return replace(declared, **taken)  # type: ignore[arg-type]


@lru_cache
def backend_called(name: str) -> type[Any]:
    """The backend of that name: "acme-oauth2" is looked for in social-core's `acme`.

    Raises:
        FatalError: there is none, or it speaks no OAuth 2.
    """
    module = name.partition("-")[0].replace(".", "_")
    try:
        found = vars(importlib.import_module(f"social_core.backends.{module}"))
    except ImportError:
        found = {}
    for each in found.values():
        is_backend = isinstance(each, type) and issubclass(each, BaseOAuth2)
        if is_backend and getattr(each, "name", "") == name:
            return cast(type[Any], each)
    raise FatalError(f"social-core has no OAuth 2 backend called {name}.")
