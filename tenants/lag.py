"""Which tenants' schemas are behind the code, asked in two statements whatever their number."""

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tenants.models import Tenant, TenantQuerySet
from tenants.views import digest, digests


def lagging_tenants() -> list[Tenant]:
    """Return the tenants that lack a migration of the tenant apps or a view of today, by slug.

    One that is being closed is left alone: its schema may be gone already.
    """
    behind = {*unmigrated_tenants(), *_without_views()}
    return sorted(behind, key=lambda tenant: tenant.slug)


def unmigrated_tenants() -> list[Tenant]:
    """Return the tenants that lack a migration, by slug."""
    tenants = list(_concerned())
    labels = [app.label for app in apps.get_app_configs() if app.name in settings.TENANT_APPS]
    wanted = {key for key in MigrationLoader(connection).disk_migrations if key[0] in labels}
    if not tenants:
        return []
    applied = " UNION ALL ".join(
        f"SELECT '{tenant.schema_name}', count(*) FROM {tenant.schema_name}.django_migrations"
        " WHERE app = ANY(%(labels)s) AND name = ANY(%(names)s)"
        for tenant in tenants
    )
    with connection.cursor() as cursor:
        cursor.execute(applied, {"labels": labels, "names": [name for _, name in wanted]})
        counts = dict(cursor.fetchall())
    return [tenant for tenant in tenants if counts[tenant.schema_name] < len(wanted)]


def _without_views() -> list[Tenant]:
    found = digests()
    return [tenant for tenant in _concerned() if found.get(tenant.schema_name) != digest()]


def _concerned() -> TenantQuerySet:
    return Tenant.objects.open().exclude(state=Tenant.State.CLOSING)
