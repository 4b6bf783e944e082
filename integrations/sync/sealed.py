"""Credentials as they lie in a connection's row, and the app they were given to.

Sealed in `Connection.credentials`: {"access_token": "…", "refresh_token": "…", "key": "…",
"username": "…", "password": "…", "client_id": "…", "client_secret": "…", "lifetime": 3600,
"ends_at": 1772450000, "app": "<id of the provider app>", "connected_account": "ca_…"}, each only
where there is one. What is not secret (realmId, instance_url) lies in `Connection.extra`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from hub.connect.models import ProviderApp
from hub.connect.provider_apps import client_secret_of, provider_app_for
from hub.crypto import EncryptionKeyError, SealBrokenError
from hub.observability.known_secrets import remember_values
from integrations.auth import AppSecrets
from integrations.errors import OperatorRequiredError, ReauthorizationRequiredError
from integrations.models import Connection
from integrations.sync.expiring import kept_of
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.keys import open_for, seal_for

ACCESS_FIELDS = (
    "credentials",
    "extra",
    "granted_scopes",
    "access_expires_at",
    "credential_generation",
)


def open_secrets(connection: Connection, actor: Actor, reason: str) -> dict[str, Any]:
    """What is sealed in the row, opened, which is audited.

    Raises:
        ReauthorizationRequiredError: there is nothing.
        OperatorRequiredError: it does not open.
    """
    if connection.credentials is None:
        raise ReauthorizationRequiredError(f"{connection} has no credentials; connect it again.")
    try:
        opened = open_for(
            connection,
            "credentials",
            tenant_id=current_tenant().pk,
            actor=actor,
            reason=reason,
        )
    except (SealBrokenError, EncryptionKeyError) as exc:
        raise OperatorRequiredError(
            f"The credentials of {connection} do not open: check HUB_ENCRYPTION_KEYS."
        ) from exc
    remember_values(opened)
    return opened


def save_credentials(
    connection: Connection,
    secrets: Mapping[str, Any],
    *,
    expires_at: datetime | None,
    scopes: Iterable[str],
) -> None:
    """Seal and save `secrets` as the connection's next generation; also saves a new connection."""
    kept = {name: value for name, value in secrets.items() if value not in ("", None)}
    if expires_at is not None:
        kept |= kept_of(connection, expires_at)
    connection.credentials = seal_for(
        connection, "credentials", kept, tenant_id=current_tenant().pk
    )
    connection.access_expires_at = expires_at
    connection.granted_scopes = list(scopes)
    connection.credential_generation += 1
    if connection._state.adding:
        connection.save()
    else:
        connection.save(update_fields=[*ACCESS_FIELDS, "updated_at"])


@transaction.atomic
def forget_credentials(connection: Connection) -> bool:
    """Whatever gave access is gone from the row for good; False if there was nothing."""
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    had_some = row.credentials is not None
    if had_some:
        row.credentials = row.access_expires_at = None
        row.granted_scopes = []
        row.credential_generation += 1
        row.save(update_fields=[*ACCESS_FIELDS, "updated_at"])
    for name in ACCESS_FIELDS:
        setattr(connection, name, getattr(row, name))
    return had_some


def provider_app_of(name: str, app_id: str) -> ProviderApp:
    """The app with this id; if it is gone, the one with which the tenant would connect now.

    Raises:
        OperatorRequiredError: there is none.
    """
    app = ProviderApp.objects.filter(pk=app_id).first() if app_id else None
    return app or provider_app_for(name, current_tenant())


def app_secrets(app: ProviderApp, *, actor: Actor, reason: str) -> AppSecrets:
    """The provider app's client id and secret, opened, which is audited."""
    try:
        secret = client_secret_of(app, actor=actor, reason=reason)
    except (SealBrokenError, EncryptionKeyError) as exc:
        raise OperatorRequiredError(
            f"The client secret of the {app.provider} app does not open; enter it again."
        ) from exc
    return AppSecrets(app.client_id, secret)
