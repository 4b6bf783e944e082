"""What people do with connections: connect by key, pause, resume, rename, set the pace."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fleet.models import Due
from integrations.auth import (
    AppSecrets,
    UndeclaredRefusalError,
    as_oauth,
    expiry,
    token_for_client,
)
from integrations.connectors.registry import get_connector
from integrations.errors import (
    ConnectionNotActiveError,
    ConnectRefusedError,
    InvalidInputError,
    OperatorRequiredError,
    ReauthorizationRequiredError,
    RefusedError,
)
from integrations.models import Connection, ShadowDiff
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.services.accounts import NOT_ACCEPTED, Access, account_behind, keep_account
from integrations.services.entered import checked_fields
from integrations.services.rhythm import check_interval, check_reconcile_interval
from integrations.services.shadows import cancel_shadow
from integrations.services.syncs import end_paused_runs, held_runs
from integrations.sync.health import say_working
from integrations.sync.outside import egress_of_settings
from integrations.sync.status import publish
from integrations.types import (
    ApiKey,
    Basic,
    ClientCredentials,
    Credentials,
    OAuth2,
    Provider,
)
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

TOKEN_SECONDS = 20.0

KeyWay: TypeAlias = ApiKey | Basic | ClientCredentials


@requires_role(Role.OPERATOR)
def connect_with_key(
    *,
    provider: str,
    secrets: Mapping[str, str],
    extra: Mapping[str, str] | None = None,
    name: str | None = None,
    actor: Actor,
    connection: Connection | None = None,
) -> Connection:
    """Return the connection to the account a key opens, made now or reconnected.

    `secrets` are the fields the provider's sign-in asks for, `extra` those of `Provider.fields`.
    The provider is asked whose account it is first, outside of any transaction; nothing is saved
    until it has answered. `connection` is the one to be reconnected, if it must be that one.

    Raises:
        UnknownProviderError: there is no such provider.
        RefusedError: the provider is connected by its button only.
        InvalidInputError: a field is missing or odd, or the provider does not accept them.
        AccountChangedError: they open another account than `connection` reads.
        RetryableError: the provider could not be asked.
    """
    connector = get_connector(provider)
    way = key_way(connector.provider)
    if way is None:
        raise RefusedError(
            f"{connector.provider.label} is connected with the button on its connect page; "
            "make a connect link instead."
        )
    checked = checked_fields(way.fields, secrets)
    kept = checked_fields(connector.provider.fields, extra or {})
    try:
        access = _access(connector.provider, way, checked, kept)
        account = account_behind(connector, _as_credentials(access))
    except (*NOT_ACCEPTED, UndeclaredRefusalError) as exc:
        first_secret = next((one.name for one in way.fields if one.secret), way.fields[0].name)
        problem = f"{connector.provider.label} does not accept these credentials; check them."
        raise InvalidInputError(problem, {first_secret: [problem]}) from exc
    return keep_account(
        provider=connector.provider,
        account=account,
        access=access,
        name=name,
        expected=connection,
        actor=actor,
    )


def find_connection(connection_id: UUID | None) -> Connection | None:
    """The connection a link is to renew; None if it is for a new one.

    Raises:
        ConnectRefusedError: it was disconnected since the link was made.
    """
    if connection_id is None:
        return None
    found: Connection | None = Connection.objects.present().filter(pk=connection_id).first()
    if found is None:
        raise ConnectRefusedError("The connection to be renewed is gone.", "connection_gone")
    return found


def key_way(provider: Provider) -> KeyWay | None:
    """The provider's sign-in by a form, if it has one."""
    return next((way for way in provider.auth if isinstance(way, KeyWay)), None)


def button_way(provider: Provider) -> OAuth2 | None:
    """The provider's sign-in by a button, if it has one."""
    return next((way for way in provider.auth if isinstance(way, OAuth2)), None)


@requires_role(Role.OPERATOR)
@transaction.atomic
def pause_connection(*, connection: Connection, actor: Actor) -> None:
    """Nothing is read until somebody resumes; an open run ends, at once unless a worker is at it.

    Pausing what is paused changes nothing.

    Raises:
        ConnectionNotActiveError: it does not work at present anyway.
    """
    runs = held_runs(connection)
    row = _locked(connection)
    if row.status == Connection.Status.PAUSED:
        return
    if not row.can_sync:
        raise ConnectionNotActiveError(f"{row} is {row.get_status_display().lower()}.")
    row.status = connection.status = Connection.Status.PAUSED
    row.save(update_fields=["status", "updated_at"])
    planned = Due.objects.for_object(row).filter(run_id=None)
    planned.hold()  # before the end of a run is seen
    end_paused_runs(runs)
    for shadow in ShadowDiff.objects.open().filter(connection=row):
        cancel_shadow(shadow=shadow, actor=actor)
    planned.update(due_at=None, parked_reason="paused")
    publish(row)
    record_event(AuditAction.CONNECTION_PAUSED, actor=actor, target=row)


@requires_role(Role.OPERATOR)
@transaction.atomic
def resume_connection(*, connection: Connection, actor: Actor) -> None:
    """Read again, from now on; what is missing is caught up. Resuming what runs changes nothing.

    Raises:
        ConnectionNotActiveError: it must be reconnected, or is disconnected.
    """
    row = _locked(connection)
    if row.can_sync:
        return
    if row.status not in (Connection.Status.PAUSED, Connection.Status.BROKEN):
        raise ConnectionNotActiveError(f"{row} must be connected again first.")
    say_working(row)
    row.save()
    connection.status = row.status
    Due.objects.for_object(row).update(due_at=Now(), parked_reason="", failures=0, attempts=0)
    publish(row)
    record_event(AuditAction.CONNECTION_RESUMED, actor=actor, target=row)


@requires_role(Role.OPERATOR)
@transaction.atomic
def rename_connection(*, connection: Connection, name: str, actor: Actor) -> None:
    """Call the connection `name`.

    Raises:
        InvalidInputError: the name is empty or longer than 200 characters.
    """
    name = name.strip()
    if not 1 <= len(name) <= 200 or not name.isprintable():
        problem = "Enter a name of 1 to 200 characters."
        raise InvalidInputError(problem, {"name": [problem]})
    _change(connection, "name", name, actor=actor)


@requires_role(Role.OPERATOR)
@transaction.atomic
def change_interval(*, connection: Connection, seconds: int, actor: Actor) -> None:
    """Sync every `seconds` from now on; a shorter interval also brings the next sync forward.

    Raises:
        InvalidInputError: it is shorter than a minute or longer than a day.
    """
    check_interval(timedelta(seconds=seconds))
    _change(connection, "interval_seconds", seconds, actor=actor)
    work = Due.objects.for_object(connection).filter(kind=Due.Kind.SYNC)
    work.update(interval_seconds=seconds)
    work.bring_forward(timedelta(seconds=seconds))


@requires_role(Role.OPERATOR)
@transaction.atomic
def change_reconcile_interval(*, connection: Connection, seconds: int, actor: Actor) -> None:
    """Look every `seconds` for what has only vanished, by reading in full; 0: never.

    Raises:
        InvalidInputError: it is neither 0 nor between a day and 90 days.
    """
    check_reconcile_interval(seconds)
    _change(connection, "reconcile_seconds", seconds, actor=actor)


def _change(connection: Connection, column: str, new: object, *, actor: Actor) -> None:
    """Set one column and write down what it was; whoever holds `connection` sees it too."""
    row = _locked(connection)
    old = getattr(row, column)
    for each in (row, connection):
        setattr(each, column, new)
    row.save(update_fields=[column, "updated_at"])
    record_event(
        AuditAction.CONNECTION_CHANGED,
        actor=actor,
        target=row,
        detail={column: {"old": old, "new": new}},
    )


def _locked(connection: Connection) -> Connection:
    # Batches that are being committed refer to this row; neither waits for the other.
    row: Connection = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    return row


def _access(
    provider: Provider, way: KeyWay, secrets: Mapping[str, str], extra: Mapping[str, str]
) -> Access:
    """What was entered, as it will be kept; a client id and secret with a first token.

    Raises:
        ReauthorizationRequiredError, UndeclaredRefusalError: no token is issued for them.
        RetryableError: the token endpoint could not be asked.
    """
    if not isinstance(way, ClientCredentials):
        return Access(way.kind, secrets, extra)
    try:
        tokens = token_for_client(
            provider,
            way,
            AppSecrets(secrets["client_id"], secrets["client_secret"]),
            values=extra,
            egress=egress_of_settings(),
            deadline=Deadline.after(TOKEN_SECONDS, SystemClock()),
        )
    except OperatorRequiredError as exc:  # the client is the customer's own here, not our app
        raise ReauthorizationRequiredError(str(exc)) from exc
    ends_at = expiry(tokens, as_oauth(way), is_refreshable=True, now=database_now())
    return Access(
        way.kind,
        {**secrets, "access_token": tokens.access_token},
        {**extra, **tokens.kept},
        scopes=way.scopes if tokens.scopes is None else tokens.scopes,
        expires_at=ends_at,
    )


def _as_credentials(access: Access) -> Credentials:
    if access.auth_kind == ClientCredentials.kind:
        return Credentials(access_token=access.secrets["access_token"], extra=access.extra)
    secrets = access.secrets
    named = {k: v for k, v in secrets.items() if k in ("key", "username", "password")}
    others = {k: v for k, v in secrets.items() if k not in named}
    return Credentials(**named, extra={**access.extra, **others})
