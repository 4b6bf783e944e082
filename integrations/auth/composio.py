"""Accounts that Composio holds: made by a link, looked at, deleted; and which providers may use it.

Source: Composio API v3.1, read in November 2026. A link lives ten minutes; behind it the user
consents on Composio's own page and the account becomes ACTIVE. Its tokens stay there.

Unverified: under which names an account's state tells what belongs to it (looked for by the
declared name, however it is written), and that `user_id` is always told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from integrations.errors import FatalError, ProviderUnavailableError, ReauthorizationRequiredError
from integrations.http.answer import WireAnswer
from integrations.http.composio import LABEL, Gateway, ask, down
from integrations.http.egress import Egress
from integrations.http.json_reader import read_json
from integrations.records import dig
from integrations.resilience.deadline import Deadline
from integrations.types import ApiKey, Basic, Provider, templates

ACCOUNTS: Final = "/connected_accounts"
AUTH_CONFIGS: Final = "/auth_configs"
PENDING: Final = frozenset({"INITIALIZING", "INITIATED"})
BEARER_SCHEMES: Final = frozenset({"OAUTH2", "BEARER_TOKEN"})

_BEARER: Final = re.compile(r"Bearer \{\w+\}")


@dataclass(frozen=True)
class ConnectedAccount:
    """One account at a provider as Composio sees it; `revealed` is what it tells of its state."""

    id: str
    toolkit: str
    status: str
    reason: str = ""
    scheme: str = ""
    user_id: str = ""
    is_disabled: bool = False
    revealed: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        return self.status == "ACTIVE" and not self.is_disabled

    @property
    def is_pending(self) -> bool:
        """Whether the user has still to consent."""
        return self.status in PENDING

    @property
    def trouble(self) -> str:
        """Why it is not usable, as Composio says it: "EXPIRED (…)"."""
        said = "switched off" if self.is_disabled else self.status
        return f"{said} ({self.reason})" if self.reason else said


@dataclass(frozen=True)
class AuthConfig:
    """By which app of a toolkit Composio asks for consent."""

    id: str
    toolkit: str
    is_usable: bool = True


@dataclass(frozen=True)
class Link:
    """Where the user consents, and the account that this makes."""

    url: str
    account: str
    expires_at: datetime | None


def why_not(provider: Provider) -> str:
    """Why this provider cannot be read through Composio, decided from what it declares; '' if it
    can. What is missing may still be told by an account: see `untold`.
    """
    return not_bearer(provider) or untold(provider, {})


def not_bearer(provider: Provider) -> str:
    """Why the access Composio adds is not what the provider asks for first; '' if it is."""
    way = provider.auth[0]
    if isinstance(way, ApiKey):
        told = way.headers.get("Authorization", "")
        is_bearer = len(way.headers) == 1 and bool(_BEARER.fullmatch(told))
        how = f"headers of its own ({', '.join(way.headers)})"
    else:
        is_bearer, how = not isinstance(way, Basic), "user name and password"
    if is_bearer:
        return ""
    return f"{provider.label} is signed in to by {how}, and {LABEL} adds a Bearer token only."


def untold(provider: Provider, revealed: Mapping[str, str]) -> str:
    """Why calls cannot be made with what an account's state tells ("revealed"); '' if they can."""
    known = values_of(provider, revealed)
    missing = [name for name in needs(provider) if name not in known]
    if not missing:
        return ""
    return (
        f"{provider.label} is called with each account's own {' and '.join(missing)}, "
        f"which {LABEL} does not tell us."
    )


def needs(provider: Provider) -> list[str]:
    """What must be known of an account before it can be called: ["instance_url"]."""
    asked = provider.identity
    texts = (provider.base_url, asked.path, asked.id, asked.label)
    return list(dict.fromkeys(name for text in texts for name in templates.names_in(text)))


def values_of(provider: Provider, revealed: Mapping[str, str]) -> dict[str, str]:
    """What `needs` names, as far as it is told: {"instance_url": "https://…"}."""
    told = {_bare(name): value for name, value in revealed.items()}
    return {name: told[_bare(name)] for name in needs(provider) if told.get(_bare(name))}


def toolkit_of(provider: Provider) -> str:
    """What Composio calls the provider."""
    return provider.known_as or provider.slug


def fetch_account(
    gateway: Gateway, account: str, *, egress: Egress, deadline: Deadline
) -> ConnectedAccount:
    """The account as it is now.

    Raises:
        ReauthorizationRequiredError: there is none, or none any more.
        GatewayUnavailableError, AppRefusedError, …: as any call to Composio.
    """
    path = f"{ACCOUNTS}/{_plain(account)}"
    with egress.open() as session:
        wire = ask(session.send, gateway, "GET", path, deadline=deadline)
    return read_account(_document(wire))


def delete_account(gateway: Gateway, account: str, *, egress: Egress, deadline: Deadline) -> bool:
    """The account is gone at Composio and its access ended at the provider; False if it was before.

    Raises:
        GatewayUnavailableError, AppRefusedError, …: as any call to Composio.
    """
    path, also = f"{ACCOUNTS}/{_plain(account)}", {"revoke_on_delete": "true"}
    with egress.open() as session:
        try:
            ask(session.send, gateway, "DELETE", path, deadline=deadline, params=also)
        except ReauthorizationRequiredError:
            return False
    return True


def create_link(
    gateway: Gateway,
    toolkit: str,
    *,
    user_id: str,
    callback_url: str = "",
    egress: Egress,
    deadline: Deadline,
) -> Link:
    """A page on which `user_id` consents; the toolkit's app is Composio's own if none is set up."""
    asked = {"user_id": user_id, **({"callback_url": callback_url} if callback_url else {})}
    path = f"{ACCOUNTS}/link"
    with egress.open() as session:
        wire = ask(
            session.send,
            gateway,
            "GET",
            AUTH_CONFIGS,
            deadline=deadline,
            params={"toolkit_slug": toolkit, "limit": 50},
        )
        found = [one for one in read_auth_configs(_document(wire)) if one.is_usable]
        if not found:
            new = {
                "toolkit": {"slug": toolkit},
                "auth_config": {"type": "use_composio_managed_auth"},
            }
            wire = ask(session.send, gateway, "POST", AUTH_CONFIGS, deadline=deadline, json=new)
            found = [read_auth_config(_document(wire))]
        asked["auth_config_id"] = found[0].id
        wire = ask(session.send, gateway, "POST", path, deadline=deadline, json=asked)
    return read_link(_document(wire))


def read_account(item: Mapping[str, Any]) -> ConnectedAccount:
    """{"id": "ca_…", "toolkit": {"slug": "…"}, "status": "ACTIVE", "state": {"val": {…}}, …}"""
    state = dig(item, "state.val")
    revealed = {
        str(name): value
        for name, value in (state if isinstance(state, dict) else {}).items()
        if isinstance(value, str) and name != "status"
    }
    return ConnectedAccount(
        id=_must(item, "id"),
        toolkit=_must(item, "toolkit.slug"),
        status=_must(item, "status"),
        reason=str(item.get("status_reason") or "")[:200],
        scheme=str(dig(item, "auth_config.auth_scheme") or dig(item, "state.authScheme") or ""),
        user_id=str(item.get("user_id") or ""),
        is_disabled=bool(item.get("is_disabled") or dig(item, "auth_config.is_disabled")),
        revealed=revealed,
    )


def read_accounts(body: Mapping[str, Any]) -> list[ConnectedAccount]:
    """One page of accounts: {"items": […], "next_cursor": null}."""
    return [read_account(item) for item in _items(body)]


def read_auth_config(body: Mapping[str, Any]) -> AuthConfig:
    """{"toolkit": {"slug": "…"}, "auth_config": {"id": "ac_…", …}}, as it is answered when made."""
    return AuthConfig(_must(body, "auth_config.id"), _must(body, "toolkit.slug"))


def read_auth_configs(body: Mapping[str, Any]) -> list[AuthConfig]:
    """One page of them: {"items": [{"id": "ac_…", "toolkit": {…}, "status": "ENABLED"}, …]}.

    Usable are those that are switched on and end in a Bearer token.
    """
    return [
        AuthConfig(
            _must(item, "id"),
            _must(item, "toolkit.slug"),
            item.get("status") != "DISABLED"
            and (item.get("auth_scheme") or "OAUTH2") in BEARER_SCHEMES,
        )
        for item in _items(body)
    ]


def read_link(body: Mapping[str, Any]) -> Link:
    """{"redirect_url": "https://…", "expires_at": "…", "connected_account_id": "ca_…", …}"""
    return Link(
        url=_must(body, "redirect_url"),
        account=_must(body, "connected_account_id"),
        expires_at=_moment(body.get("expires_at")),
    )


def _plain(account: str) -> str:
    if not templates.is_plain(account):
        raise FatalError(f"This is no id of an account at {LABEL}.")
    return account


def _document(wire: WireAnswer) -> Mapping[str, Any]:
    try:
        body = read_json(wire.body, rows_at=None)
    except ProviderUnavailableError:
        body = None
    if not isinstance(body, dict):
        raise down("answered with something other than JSON")
    return body


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    items = body.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise down("answered a list without its items")
    return items


def _must(item: Mapping[str, Any], path: str) -> str:
    value = dig(item, path)
    if not isinstance(value, str) or not value:
        raise down(f"left out {path}")
    return value


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
