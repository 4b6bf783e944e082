"""Closing a tenant: steps that can each be repeated, so that a crash between them loses nothing."""

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.connect.models import ConnectSession, ProviderApp
from hub.fleet.models import ConnectionStatus, Due, RunHour
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.models import ApiKey, DataKey, Domain, Membership, Tenant
from tenants.roles import Role


@requires_role(Role.ADMIN)
def close_tenant(*, tenant: Tenant, actor: Actor) -> None:
    """Erase the tenant: work, schema, keys and members. Only its audit events and a nameless row
    that says that it existed remain. Calling it again finishes what a crash left undone.
    """
    if tenant.state == Tenant.State.CLOSED:
        return
    _lock_out(tenant, actor)
    _drop_schema(tenant)
    _forget(tenant, actor)


@transaction.atomic
def _lock_out(tenant: Tenant, actor: Actor) -> None:
    """From here on nobody enters, and no batch that is open can commit."""
    changed = Tenant.objects.filter(pk=tenant.pk).exclude(state=Tenant.State.CLOSING)
    if changed.update(state=Tenant.State.CLOSING):
        record_event(AuditAction.TENANT_CLOSING, actor=actor, target=tenant, tenant_id=tenant.pk)
    Due.objects.filter(tenant=tenant).delete()
    ApiKey.objects.filter(tenant=tenant).delete()


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
        RunHour,
        ConnectSession,
        ProviderApp,
        Membership,
        Domain,
        DataKey,
    )
    for model in models:
        model.objects.filter(tenant=tenant).delete()
    record_event(AuditAction.TENANT_CLOSED, actor=actor, target=tenant, tenant_id=tenant.pk)
    Tenant.objects.filter(pk=tenant.pk).update(
        state=Tenant.State.CLOSED, name="", slug=f"closed-{tenant.number}", closed_at=timezone.now()
    )
