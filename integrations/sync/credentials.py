"""A connection's access: opened and audited, renewed exactly once, given up only when it is dead.

Renewal holds the connection's row lock during its one call, so of many processes that need a token
at the same moment one asks for it and the others read what it stored. If this process dies between
the provider's answer and the commit, a rotated refresh token is lost; nobody can prevent that, and
the connection then asks to be reconnected.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import OperationalError, transaction
from django.db import connection as database
from psycopg.errors import LockNotAvailable

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.connect.models import ProviderApp
from hub.connect.provider_apps import (
    note_accepted,
    note_refused,
)
from hub.database_faults import repeated
from integrations import crash
from integrations.auth import (
    AppSecrets,
    TokenAnswer,
    as_oauth,
    client_way,
    expiry,
    known_scopes,
    oauth_of,
    refresh,
    token_for_client,
)
from integrations.auth.composio import fetch_account
from integrations.connectors.registry import get_connector
from integrations.errors import (
    AppRefusedError,
    ConnectionNotActiveError,
    OperatorRequiredError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.http import composio
from integrations.models import Connection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sync.expiring import KEPT, has_ended
from integrations.sync.health import mark_app_refused, mark_needs_reauth, mark_working
from integrations.sync.outside import egress_of_settings, gateway_of_settings
from integrations.sync.sealed import (
    ACCESS_FIELDS,
    app_secrets,
    forget_credentials,
    open_secrets,
    provider_app_of,
    save_credentials,
)
from integrations.sync.token_calls import token_call
from integrations.types import ClientCredentials, Credentials, Provider
from tenants.actor import Actor

__all__ = [
    "access_for",
    "app_secrets",
    "blame_app",
    "forget_credentials",
    "mark_needs_reauth",
    "mark_working",
    "open_to_revoke",
    "provider_app_of",
    "save_credentials",
]

CALL_SECONDS = 20.0
LOCK_SECONDS = 30  # longer than the call of whoever holds the lock

_NAMED = ("access_token", "key", "username", "password")
_NEVER_HANDED_OUT = {"refresh_token", "app", *KEPT}
_OF_CLIENT = {"client_id", "client_secret"}


def access_for(
    connection: Connection, *, actor: Actor, reason: str, refused: int | None = None
) -> Credentials:
    """Return credentials that work as far as anybody can know; `connection` is brought up to date.

    `refused` is the `credential_generation` whose token the provider just refused (401). A token is
    renewed if it is that one or ends soon. Not to be called inside a transaction: a rotated refresh
    token must be committed before its access token is used.

    Raises:
        ReauthorizationRequiredError: a person must reconnect; the connection says so from now on.
        OperatorRequiredError: the provider app is missing or refused, or the secrets do not open.
        ConnectionNotActiveError: the connection was disconnected meanwhile.
        RetryableError: the token endpoint did not serve us; nothing was changed.
    """
    _read_again(connection)
    secrets = open_secrets(connection, actor, reason)
    if not _must_renew(connection, secrets, refused):
        return _handed_out(connection, secrets)
    before = connection.credential_generation
    given_up: ReauthorizationRequiredError | AppRefusedError | None = None
    try:
        with transaction.atomic(durable=True):
            _lock(connection)
            if connection.credential_generation != before:
                secrets = open_secrets(connection, actor, reason)
            if _must_renew(connection, secrets, refused):
                try:
                    secrets = _renewed(connection, secrets, actor)
                except ReauthorizationRequiredError as exc:
                    _give_up(connection, actor)
                    given_up = exc
                except AppRefusedError as exc:
                    _blame_app(connection, secrets, exc, actor)
                    given_up = exc
    except OperationalError as exc:
        if not isinstance(exc.__cause__, LockNotAvailable):
            raise
        raise RetryableError("Another process is still renewing this access.", 5.0) from exc
    crash.hit("after_token_commit")
    if given_up is not None:
        raise given_up
    if connection.waits_for_app:
        # Not with the renewal: what is due may be held by a batch, and the token would be lost.
        repeated(lambda: mark_working(connection))
    return _handed_out(connection, secrets)


def open_to_revoke(
    connection: Connection, *, actor: Actor, by_access_token: bool
) -> tuple[AppSecrets, str] | None:
    """The app and the token with which the provider is told to end the access; None if none.

    For a connection that is being disconnected, so nobody renews it any more. Where a gateway holds
    the access, it is the connected account. Else the refresh token where there is one;
    `by_access_token` if only a live access token will do: then one that has run out is renewed
    first, and kept, so that a second call finds it.

    Raises:
        ReauthorizationRequiredError: the access has ended already.
        OperatorRequiredError: secrets do not open, or the provider app is missing or refused.
        RetryableError: the token endpoint did not serve us; nothing was changed.
    """
    with transaction.atomic(durable=True):
        connection = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        if connection.credentials is None:
            return None
        secrets = open_secrets(connection, actor, "disconnect")
        is_over = by_access_token and has_ended(connection, secrets)
        if is_over and secrets.get("refresh_token"):
            secrets = _renewed(connection, secrets, actor, is_last=True)
        app = _app_of(connection, secrets)
    access_token, refresh_token = secrets.get("access_token", ""), secrets.get("refresh_token", "")
    token = access_token if by_access_token else refresh_token or access_token
    token = secrets.get("connected_account", token)
    return app_secrets(app, actor=actor, reason="disconnect"), token


def blame_app(connection: Connection, exc: AppRefusedError, *, actor: Actor) -> None:
    """Say that our app is refused, when a call has shown it and no renewal; a second call is idle.

    The connection then waits for its app: `save_provider_app` wakes it, or an attempt each hour.
    """
    if not connection.waits_for_app:
        _blame_app(connection, open_secrets(connection, actor, "sync"), exc, actor)


def _read_again(connection: Connection) -> None:
    try:
        connection.refresh_from_db(fields=(*ACCESS_FIELDS, "status", "error_code"))
    except Connection.DoesNotExist:
        raise ConnectionNotActiveError("The connection is gone.") from None
    if connection.is_leaving:
        raise ConnectionNotActiveError(
            f"{connection} is {connection.get_status_display().lower()}."
        )


def _lock(connection: Connection) -> None:
    """Hold the connection's row until the transaction ends, and read it as it is now.

    Batches refer to the row, and do not wait for that: they hold up other writers.
    """
    with database.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
    before = connection.status
    Connection.objects.select_for_update(no_key=True).filter(pk=connection.pk).first()
    _read_again(connection)
    is_news = before != connection.status
    if is_news and connection.status == Connection.Status.NEEDS_REAUTH:
        raise ReauthorizationRequiredError(f"{connection} must be reconnected.")


def _must_renew(connection: Connection, secrets: dict[str, Any], refused: int | None) -> bool:
    if refused is not None and refused == connection.credential_generation:
        return True
    if connection.waits_for_app:  # only a renewal shows whether our app is accepted again
        return True
    is_renewable = bool(secrets.get("refresh_token")) or _is_client(connection)
    return has_ended(connection, secrets, early=is_renewable)


def _renewed(
    connection: Connection, secrets: dict[str, Any], actor: Actor, *, is_last: bool = False
) -> dict[str, Any]:
    """New secrets, saved but not yet committed. The caller holds the row lock."""
    if connection.auth_kind == composio.NAME:
        return _looked_after(connection, secrets, actor)
    provider = get_connector(connection.provider).provider
    refresh_token = secrets.get("refresh_token", "")
    app: ProviderApp | None = None
    way = client_way(provider) if _is_client(connection) else None
    if way is not None:
        ask, declared = _by_client(provider, way, secrets), as_oauth(way)
    elif refresh_token:
        app = _app_of(connection, secrets)
        opened = app_secrets(app, actor=actor, reason="refresh")
        ask, declared = partial(refresh, provider, opened, refresh_token), oauth_of(provider)
    else:
        raise ReauthorizationRequiredError(
            f"{provider.label} refuses the access of {connection}: it must be reconnected."
        )
    deadline = Deadline.after(CALL_SECONDS, SystemClock())
    with token_call(connection, provider, deadline, is_last=is_last):
        crash.hit("before_token_call")
        answer = ask(values=connection.extra, egress=egress_of_settings(), deadline=deadline)
        crash.hit("after_token_call")
    secrets = {
        **secrets,
        "access_token": answer.access_token,
        "refresh_token": answer.refresh_token or refresh_token,
    }
    for name in KEPT:
        secrets.pop(name, None)
    connection.extra = {**connection.extra, **answer.kept}
    scopes = connection.granted_scopes
    if answer.scopes is not None:
        scopes = known_scopes(declared, answer.scopes)
    ends_at = expiry(answer, declared, is_refreshable=True, now=database_now())
    save_credentials(connection, secrets, expires_at=ends_at, scopes=scopes)
    record_event(
        AuditAction.CREDENTIALS_REFRESHED,
        actor=actor,
        target=connection,
        detail={
            "generation": connection.credential_generation,
            "rotated": bool(answer.refresh_token) and answer.refresh_token != refresh_token,
        },
    )
    if app is not None:
        note_accepted(app, actor=actor)
    return secrets


def _looked_after(connection: Connection, secrets: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """The same secrets: Composio renews by itself, and says here whether there is still access."""
    app = _app_of(connection, secrets)
    account = fetch_account(
        gateway_of_settings(app_secrets(app, actor=actor, reason="refresh").client_secret),
        secrets["connected_account"],
        egress=egress_of_settings(),
        deadline=Deadline.after(CALL_SECONDS, SystemClock()),
    )
    if not account.is_usable:
        raise ReauthorizationRequiredError(
            f"{composio.LABEL} holds no access for {connection} any more: {account.trouble}."
        )
    # The key may still be refused by the proxy, so it is not said to be accepted here.
    return secrets


def _by_client(
    provider: Provider, way: ClientCredentials, secrets: dict[str, Any]
) -> Callable[..., TokenAnswer]:
    """Asks by the client id and secret that were entered: if they are refused, that is final."""

    def ask(**how: Any) -> TokenAnswer:
        client = AppSecrets(secrets["client_id"], secrets["client_secret"])
        try:
            return token_for_client(provider, way, client, **how)
        except OperatorRequiredError as exc:
            raise ReauthorizationRequiredError(str(exc)) from exc

    return ask


def _is_client(connection: Connection) -> bool:
    return connection.auth_kind == ClientCredentials.kind


def _app_of(connection: Connection, secrets: dict[str, Any]) -> ProviderApp:
    """The app that was authorized: another one, of the tenant or of all, could not renew."""
    is_through = connection.auth_kind == composio.NAME
    name = composio.NAME if is_through else connection.provider
    return provider_app_of(name, str(secrets.get("app") or ""))


def _give_up(connection: Connection, actor: Actor) -> None:
    provider: Provider = get_connector(connection.provider).provider
    mark_needs_reauth(
        connection,
        reason_code="access_refused",
        operator=f"{provider.label} refuses the access: the customer must reconnect the account.",
        customer=f"{provider.label} no longer lets us in. Please reconnect your account.",
        actor=actor,
    )


def _blame_app(
    connection: Connection, secrets: dict[str, Any], exc: AppRefusedError, actor: Actor
) -> None:
    """One alarm for the app, and a state for each connection that cannot be renewed by it."""
    note_refused(_app_of(connection, secrets), actor=actor)
    mark_app_refused(
        connection,
        operator=str(exc),
        customer="Something must be put right on our side. There is nothing for you to do.",
        actor=actor,
    )


def _handed_out(connection: Connection, secrets: dict[str, Any]) -> Credentials:
    if connection.auth_kind == composio.NAME:
        through = {name: str(secrets[name]) for name in ("connected_account", "app")}
        return Credentials(extra={**connection.extra, **through}, held_by=composio.NAME)
    named = {name: str(secrets[name]) for name in _NAMED if name in secrets}
    inside = _NEVER_HANDED_OUT | (_OF_CLIENT if _is_client(connection) else set())
    others = {
        name: value for name, value in secrets.items() if name not in inside and name not in named
    }
    return Credentials(**named, extra={**connection.extra, **others})
