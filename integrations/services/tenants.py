"""Closing a tenant: steps that can each be repeated, so that a crash between them loses nothing."""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.connect.models import ConnectSession, ProviderApp
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due, RunHour
from integrations import crash
from integrations.models import Connection
from integrations.services.disconnect import disconnect_at_once
from integrations.sync.shared import forget_limits
from tenants.actor import Actor
from tenants.bi_access import end_bi_access
from tenants.context import in_closing_tenant
from tenants.decorators import requires_role
from tenants.models import ApiKey, DataKey, Domain, Membership, Tenant
from tenants.roles import Role


@requires_role(Role.ADMIN)
def close_tenant(*, tenant: Tenant, actor: Actor) -> None:
    """Erase the tenant: its login for BI tools, its access at every provider, work, schema, keys
    and members. Only its audit events and a nameless row that says that it existed remain.

    A provider that cannot be reached does not hold it up; the audit names what is left there.
    Calling it again finishes what a crash left undone.
    """
    if tenant.state == Tenant.State.CLOSED:
        return
    _lock_out(tenant, actor)
    crash.hit("after_lock_out")
    end_bi_access(tenant=tenant, actor=actor)
    crash.hit("after_bi_access")
    _revoke_all(tenant)
    crash.hit("after_revoke_all")
    _drop_schema(tenant)
    crash.hit("after_drop_schema")
    _forget(tenant, actor)


@transaction.atomic
def _lock_out(tenant: Tenant, actor: Actor) -> None:
    """From here on nobody enters, and no batch that is open can commit."""
    changed = Tenant.objects.filter(pk=tenant.pk).exclude(state=Tenant.State.CLOSING)
    if changed.update(state=Tenant.State.CLOSING):
        record_event(AuditAction.TENANT_CLOSING, actor=actor, target=tenant, tenant_id=tenant.pk)
    tenant.state = Tenant.State.CLOSING
    Due.objects.filter(tenant=tenant).delete()
    ApiKey.objects.filter(tenant=tenant).delete()


def _revoke_all(tenant: Tenant) -> None:
    """End every access at its provider while its credentials still open. Each is then forgotten,
    so a second call goes on with those that are left; how each ended is audited.
    """
    if not _has_schema(tenant):
        return  # a call before this one came further
    with in_closing_tenant(tenant):
        for held in Connection.objects.exclude(credentials=None):
            disconnect_at_once(connection=held, actor=Actor.system("close_tenant"))
            crash.hit("after_connection")


def _has_schema(tenant: Tenant) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", [tenant.schema_name])
        return bool(cursor.fetchone()[0])


@transaction.atomic
def _drop_schema(tenant: Tenant) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DROP SCHEMA IF EXISTS {connection.ops.quote_name(tenant.schema_name)} CASCADE"
        )


@transaction.atomic
def _forget(tenant: Tenant, actor: Actor) -> None:
    """Destroy the key last: whatever a backup still holds cannot be opened without it."""
    models: tuple[Any, ...] = (
        ConnectionStatus,
        DestinationStatus,
        RunHour,
        ConnectSession,
        ProviderApp,
        Membership,
        Domain,
        DataKey,
    )
    for model in models:
        model.objects.filter(tenant=tenant).delete()
    forget_limits(tenant.pk)
    record_event(AuditAction.TENANT_CLOSED, actor=actor, target=tenant, tenant_id=tenant.pk)
    Tenant.objects.filter(pk=tenant.pk).update(
        state=Tenant.State.CLOSED, name="", slug=f"closed-{tenant.number}", closed_at=timezone.now()
    )
