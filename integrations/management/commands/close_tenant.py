"""`manage.py close_tenant acme --yes`: erase a tenant for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.errors import HubError
from integrations.services.tenants import close_tenant
from tenants.actor import Actor
from tenants.context import get_tenant


class Command(BaseCommand):
    help = "Erase a tenant: its schema, keys and members. There is no way back."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("--yes", action="store_true", help="really do it")

    def handle(self, *args: Any, slug: str, yes: bool, **options: Any) -> None:
        try:
            tenant = get_tenant(slug)
            if not yes:
                raise CommandError(
                    f"This erases everything of {tenant.name}; say it again with --yes."
                )
            close_tenant(tenant=tenant, actor=Actor.system("close_tenant"))
        except HubError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"The tenant {slug} is closed and erased.")
