"""The one door into a tenant's schema. Middleware, tasks and commands use it; nothing else does.

Everything below the door assumes that it is inside and never mentions schemas. New threads and
streaming generators start in the public schema and enter the door themselves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection
from django_tenants.utils import tenant_context

from hub.observability.context import serving
from integrations.errors import TenantNotActiveError, TenantNotFoundError
from tenants.models import Tenant

OPEN_STATES = (Tenant.State.ACTIVE, Tenant.State.SUSPENDED)


@contextmanager
def in_tenant(tenant: Tenant) -> Iterator[Tenant]:
    """Work in the tenant's schema for the length of the block; afterwards, as before.

    Raises:
        TenantNotActiveError: it is closing or closed, so its schema may vanish or be gone.
    """
    if tenant.state not in OPEN_STATES:
        raise TenantNotActiveError(f"The tenant {tenant.slug} is {tenant.get_state_display()}.")
    with tenant_context(tenant), serving(tenant.pk):
        yield tenant


@contextmanager
def in_closing_tenant(tenant: Tenant) -> Iterator[Tenant]:
    """The same for the one that closes the tenant; its schema must still be there.

    Raises:
        TenantNotActiveError: the tenant is not being closed.
    """
    if tenant.state != Tenant.State.CLOSING:
        raise TenantNotActiveError(f"The tenant {tenant.slug} is {tenant.get_state_display()}.")
    with tenant_context(tenant), serving(tenant.pk):
        yield tenant


def get_tenant(slug: str) -> Tenant:
    """Return the tenant people call `slug`.

    Raises:
        TenantNotFoundError: there is none; the message names those there are.
    """
    tenant = Tenant.objects.open().filter(slug=slug).first()
    if tenant is None:
        known = ", ".join(Tenant.objects.open().values_list("slug", flat=True)[:10]) or "none yet"
        raise TenantNotFoundError(f"There is no tenant {slug!r}; there are: {known}.")
    return tenant


def get_tenant_by_id(tenant_id: UUID) -> Tenant:
    """Return the tenant as it is now, read from the database."""
    tenant = Tenant.objects.filter(pk=tenant_id).first()
    if tenant is None:
        raise TenantNotFoundError(f"There is no tenant {tenant_id}.")
    return tenant


def current_tenant() -> Tenant:
    """Return the tenant whose door is open here.

    Raises:
        TenantNotFoundError: no door is open; the caller works in the public schema.
    """
    tenant = connection.tenant  # type: ignore[attr-defined]
    if not isinstance(tenant, Tenant):
        raise TenantNotFoundError("No tenant is entered here; use in_tenant().")
    return tenant
