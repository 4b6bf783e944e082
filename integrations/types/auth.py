"""The ways one signs in at a provider, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a credentials form; its value arrives in Credentials under `name`."""

    name: str
    label: str
    secret: bool = False
    required: bool = True
    help: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Authorization code flow: by a social-core backend's name, or by addresses and scopes.

    With `backend` the addresses left out here are taken from that backend. Addresses may hold
    `Provider.fields`: "https://{shop}.acme.example/authorize". `keep` names fields of the callback
    or of a token answer that stay with the connection (in `Credentials.extra`) and are read again
    at each refresh. `dead` are the token endpoint's codes that only a person can repair.
    `lifetime` is assumed when a refreshable token states none. `revoke_style` says how the token
    is sent to `revoke_url`; without one, people remove the app themselves, at the place that
    `remove_at` names. An `issuer` must come back with the code as `iss`, or the code is not
    used. `scope_aliases` says which of our scopes the provider means by a name of its own:
    {"users.profile": "users:read"}. With `exact_scopes` a consent to more than was asked for is
    refused; else it is stored and shown.
    """

    backend: str = ""
    authorize_url: str = ""
    token_url: str = ""
    scopes: tuple[str, ...] = ()
    optional_scopes: tuple[str, ...] = ()
    separator: str = " "
    pkce: bool = True
    authorize_params: Mapping[str, str] = field(default_factory=dict)
    token_auth: Literal["body", "basic"] = "body"
    keep: tuple[str, ...] = ()
    revoke_url: str = ""
    revoke_style: Literal["form", "json", "bearer"] = "form"
    remove_at: str = ""
    dead: tuple[str, ...] = ("invalid_grant",)
    lifetime: timedelta | None = None
    issuer: str = ""
    scope_aliases: Mapping[str, str] = field(default_factory=dict)
    exact_scopes: bool = False

    kind = "oauth2"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Headers made from what the form asked for: {"X-Key": "{key}", "X-User": "{email}"}.

    `remove_at` names the place at the provider where people delete the key.
    """

    headers: Mapping[str, str]
    fields: tuple[Field, ...] = (Field("key", "API key", secret=True),)
    remove_at: str = ""

    kind = "api_key"


@dataclass(frozen=True, slots=True)
class Basic:
    """HTTP Basic with user name and password; either may be a fixed word in `defaults`."""

    fields: tuple[Field, ...] = (
        Field("username", "User name"),
        Field("password", "Password", secret=True),
    )
    defaults: Mapping[str, str] = field(default_factory=dict)

    kind = "basic"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The connection's own client id and secret are exchanged for a token, again and again."""

    token_url: str
    scopes: tuple[str, ...] = ()
    token_auth: Literal["body", "basic"] = "body"
    fields: tuple[Field, ...] = (
        Field("client_id", "Client id"),
        Field("client_secret", "Client secret", secret=True),
    )

    kind = "client_credentials"


Auth: TypeAlias = OAuth2 | ApiKey | Basic | ClientCredentials
