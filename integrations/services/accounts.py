"""Whose account credentials open, and the one connection the tenant has to that account."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fleet.models import Due
from integrations.connectors.base import Connector, auth_headers, base_url_of, identify
from integrations.errors import (
    AccessTokenRefusedError,
    AccountChangedError,
    ConnectRefusedError,
    EntityTypeUnavailableError,
    FatalError,
    ReauthorizationRequiredError,
)
from integrations.http.client import ProviderClient
from integrations.http.egress import Egress
from integrations.models import Connection, Preflight
from integrations.records import dig
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.sync.credentials import save_credentials
from integrations.sync.health import say_working
from integrations.sync.outside import egress_of_settings
from integrations.sync.preflight import want
from integrations.sync.status import publish
from integrations.types import Account, AuthContext, Credentials, Provider
from tenants.actor import Actor
from tenants.context import current_tenant

IDENTITY_SECONDS = 20.0
MOST_ACCOUNTS = 200

NOT_ACCEPTED: Final = (
    AccessTokenRefusedError,
    ReauthorizationRequiredError,
    EntityTypeUnavailableError,
)
"""What a provider answers to access that is of no use."""


@dataclass(frozen=True, repr=False)
class Access:
    """What a person has just given: secrets to be sealed, and what is known about them."""

    auth_kind: str
    secrets: Mapping[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)
    scopes: Iterable[str] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True)
class OpenAccount:
    """One of several accounts a consent opens, with what stays with the connection if chosen."""

    account: Account
    kept: Mapping[str, str]


def account_behind(
    connector: type[Connector], credentials: Credentials, egress: Egress | None = None
) -> Account:
    """The account these credentials open, asked from the provider; errors as in `identify`."""
    clock = SystemClock()
    with ProviderClient(
        connector.provider,
        connector().authenticate(credentials),
        egress=egress or egress_of_settings(),
        deadline=Deadline.after(IDENTITY_SECONDS, clock),
        clock=clock,
    ) as client:
        connector(client)  # adds the connector's own reading of errors
        return identify(connector, client)


def accounts_open_to(connector: type[Connector], credentials: Credentials) -> list[OpenAccount]:
    """The accounts that `Provider.accounts` lists for these credentials; errors as any call.

    The list is asked for before an account is chosen, so the base URL may still lack its values.
    """
    provider = connector.provider
    declared = provider.accounts
    if declared is None:
        raise FatalError(f"{provider.label} declares no accounts to choose from.")
    clock = SystemClock()
    with ProviderClient(
        provider,
        _before_choice(provider, declared.path, credentials),
        egress=egress_of_settings(),
        deadline=Deadline.after(IDENTITY_SECONDS, clock),
        clock=clock,
    ) as client:
        connector(client)
        body = client.get(declared.path, rows_at=None).body
    found: dict[str, OpenAccount] = {}
    for item in dig(body, declared.items) or ():
        if not all(dig(item, name) == value for name, value in declared.only.items()):
            continue
        source_id = str(dig(item, declared.id) or "")
        label = str(dig(item, declared.label) or source_id)
        kept = {name: str(dig(item, name) or "") for name in declared.keep}
        if source_id:
            found[source_id] = OpenAccount(Account(source_id, label), kept)
    return list(found.values())[:MOST_ACCOUNTS]


def _before_choice(provider: Provider, path: str, credentials: Credentials) -> AuthContext:
    values = credentials.values()
    parts = urlsplit(path)
    return AuthContext(
        auth=auth_headers(provider, credentials, values),
        base_url=(
            f"{parts.scheme}://{parts.netloc}" if parts.scheme else base_url_of(provider, values)
        ),
        extra={str(name): str(value) for name, value in credentials.extra.items()},
    )


def keep_account(
    *,
    provider: Provider,
    account: Account,
    access: Access,
    name: str | None,
    expected: Connection | None,
    actor: Actor,
) -> Connection:
    """Return the tenant's connection to `account`, made now or reconnected, with a sync due.

    Status, due work and audit are written in the same transaction.

    Raises:
        AccountChangedError: `expected` is to be reconnected and reads another account. Nothing is
            changed.
        ConnectRefusedError: the account is being disconnected at this moment.
    """
    source_system = f"{provider.slug}:{account.id}"
    if expected is not None and expected.source_system != source_system:
        raise AccountChangedError(
            f"You signed in to {account.label}, but this connection reads "
            f"{expected.account_label or expected.account_id}. Nothing was changed."
        )
    try:
        return _keep(provider, account, access, name, actor)
    except IntegrityError:
        # Somebody connected the same account at the same moment and was first.
        return _keep(provider, account, access, name, actor)


@transaction.atomic
def _keep(
    provider: Provider, account: Account, access: Access, name: str | None, actor: Actor
) -> Connection:
    source_system = f"{provider.slug}:{account.id}"
    known = Connection.objects.present().select_for_update(no_key=True)
    connection = known.filter(source_system=source_system).first()
    if connection is not None and connection.is_leaving:
        raise ConnectRefusedError(
            f"{account.label} is being disconnected at this moment. Please try again in a few "
            "minutes.",
            "being_disconnected",
        )
    is_new = connection is None
    if connection is None:
        connection = Connection(
            provider=provider.slug,
            account_id=account.id,
            source_system=source_system,
            name=(name or f"{provider.label} · {account.label}")[:200],
        )
    elif name:
        connection.name = name[:200]
    connection.auth_kind = access.auth_kind
    connection.account_label = account.label[:200]
    connection.extra = {**connection.extra, **access.extra}
    connection.granted_scopes = list(access.scopes)
    say_working(connection)
    _save(connection, access)
    _make_due(connection)
    want(connection, Preflight.Because.CONNECT if is_new else Preflight.Because.RECONNECT)
    publish(connection)
    action = AuditAction.CONNECTION_CREATED if is_new else AuditAction.CONNECTION_RECONNECTED
    record_event(
        action,
        actor=actor,
        target=connection,
        detail={
            "provider": provider.slug,
            "account": account.id,
            "status": connection.status,
            "access": access.auth_kind,
        },
    )
    return connection


def _save(connection: Connection, access: Access) -> None:
    if not connection._state.adding:
        connection.save()
    save_credentials(connection, access.secrets, expires_at=access.expires_at, scopes=access.scopes)


def _make_due(connection: Connection) -> None:
    """The first or next sync is due now, in every lane, whatever stopped the work before."""
    fresh: dict[str, Any] = {"due_at": Now(), "parked_reason": "", "failures": 0, "attempts": 0}
    Due.objects.for_object(connection).filter(kind=Due.Kind.SYNC).update(**fresh)
    Due.objects.update_or_create(
        tenant=current_tenant(),
        kind=Due.Kind.SYNC,
        object_id=connection.pk,
        lane="live",
        defaults=fresh,
        create_defaults={
            **fresh,
            "provider": connection.provider,
            "interval_seconds": connection.interval_seconds,
        },
    )
