"""What a provider is: everything known about it without asking, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from integrations.types.auth import Auth, Field


@dataclass(frozen=True, slots=True)
class Identity:
    """One GET that tells whose account this is; asked after consent, and as a health check.

    `id` and `label` are dotted paths into the answer, or templates of values that stay with the
    connection: "{realmId}".
    """

    path: str
    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Accounts:
    """One GET that lists accounts of which the user picks one, after consent.

    The one that is picked is the connection's account; Identity is then asked as a health check.
    `path` may be a full address. `only` keeps items whose fields have these values; `keep` names
    fields of the chosen item that stay with the connection.
    """

    path: str
    items: str
    id: str
    label: str
    only: Mapping[str, Any] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """The account at the provider that a connection reads: what Identity answers."""

    id: str
    label: str


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `requests` in `per_seconds`, counted per connection, app, host or account.

    Of the limits with the same `per`, the first whose `path` (a glob) matches applies. `cost` is
    what one call takes from it: limits of the same figures and different costs share one allowance.
    `concurrent` limits calls under way at one time. Who goes beyond it is refused everything for
    `lockout` seconds, where the provider does so without saying so.
    """

    requests: int
    per_seconds: float
    per: Literal["connection", "app", "host", "account"] = "connection"
    path: str = "*"
    cost: int = 1
    concurrent: int | None = None
    lockout: float = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """A header in which the provider counts; `pattern` has groups used and limit, or left.

    Reading pauses when the used share reaches `pause_at` (0 to 1).
    """

    header: str
    pattern: str
    pause_at: float = 0.9


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """Which of the provider's own codes mean what; looked up in every answer, 200 included.

    `code` is the dotted path to the code, upper and lower case alike, the first element of a list
    taken; where errors have several shapes, the paths in the order they are tried. A code may also
    be written "http:410", which is the status. A connector's `classify_error` overrules the table;
    what neither names is decided by the status; under a 2xx it is tried again twice and is then
    fatal, never data.
    """

    code: str | tuple[str, ...] = "error"
    refresh: tuple[str, ...] = ()
    reauthorize: tuple[str, ...] = ()
    retry: tuple[str, ...] = ()
    not_found: tuple[str, ...] = ()
    skip_parent: tuple[str, ...] = ()
    unavailable: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    restart_list: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hmac:
    """HMAC-SHA256 over `over`, compared with a header or a query parameter.

    `timestamp` names the header that holds the time of sending; older than `tolerance` seconds is
    refused.
    """

    header: str = ""
    query: str = ""
    over: str = "{body}"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    timestamp: str = ""
    tolerance: int = 300


@dataclass(frozen=True, slots=True)
class Webhook:
    """How a provider's notification is trusted, whose it is, and which entity types it is about.

    `account` and the keys of `hints` are read from the body: the path of the account's id, and
    the kind of event with the entity type that is then read soon.
    """

    signature: Hmac | None
    account: str = ""
    event: str = "type"
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Provider:
    """An outside company's API: everything known about it without asking.

    `base_url` may hold values that stay with the connection: "{instance_url}/v1". `hosts` are
    further hosts that next-page links and such values may name ("*.acme.example"). `fields` are
    asked for before the consent page. `proxy` lists the path globs the proxy may call. `known_as`
    is what gateways call the provider, where that is not its slug.
    """

    slug: str
    label: str
    base_url: str
    auth: tuple[Auth, ...]
    identity: Identity
    limits: tuple[Limit, ...] = ()
    quotas: tuple[Quota, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    accounts: Accounts | None = None
    errors: ErrorCodes | None = None
    webhook: Webhook | None = None
    proxy: tuple[str, ...] = ()
    known_as: str = ""

    def __str__(self) -> str:
        return self.label
