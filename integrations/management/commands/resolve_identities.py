"""`manage.py resolve_identities --tenant acme`: look for records that are one person or company."""

from argparse import ArgumentParser
from time import monotonic
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.errors import HubError
from integrations.services.identities import resolve_identities
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant


class Command(BaseCommand):
    help = "Look for persons and companies that are in several records; people decide about them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, help="its name in addresses, such as acme")

    def handle(self, *args: Any, tenant: str, **options: Any) -> None:
        began = monotonic()
        try:
            with in_tenant(get_tenant(tenant)):
                found = resolve_identities(actor=Actor.system("resolve_identities"))
        except HubError as exc:
            raise CommandError(str(exc)) from exc
        waiting = "1 group waits" if found.candidates == 1 else f"{found.candidates:,} groups wait"
        self.stdout.write(
            f"{found.records:,} persons and companies compared in {monotonic() - began:.1f} s: "
            f"{waiting} for a decision, {found.new:,} of them new."
        )
