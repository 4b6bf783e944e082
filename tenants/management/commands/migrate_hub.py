"""`manage.py migrate_hub`: bring the public schema and every tenant that lags up to date.

Only what lags is touched, so it costs little when nothing does, and a second call goes on where
the first was interrupted.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from tenants.lag import lagging_tenants, unmigrated_tenants
from tenants.views import drop_views, make_views


class Command(BaseCommand):
    help = "Migrate the public schema, then only the tenants that lag behind."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = {"verbosity": 0, "interactive": False}
        call_command("migrate_schemas", shared=True, **quiet)
        lagging, unmigrated = lagging_tenants(), set(unmigrated_tenants())
        for number, tenant in enumerate(lagging, 1):
            self.stdout.write(f"[{number}/{len(lagging)}] {tenant.slug}")
            if tenant in unmigrated:
                drop_views(tenant.schema_name)  # a table under a view cannot change freely
                call_command("migrate_schemas", schema_name=tenant.schema_name, **quiet)
            make_views(tenant.schema_name)
        if options["verbosity"] > 0:
            self.stdout.write(f"Public is up to date; {len(lagging)} tenants were behind.")
