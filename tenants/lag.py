"""Which tenants' schemas are behind the code, asked in one statement whatever their number."""

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from tenants.models import Tenant


def lagging_tenants() -> list[Tenant]:
    """Return the tenants that lack a migration of the tenant apps, by slug.

    One that is being closed is left alone: its schema may be gone already.
    """
    tenants = list(Tenant.objects.open().exclude(state=Tenant.State.CLOSING))
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
