"""`manage.py create_tenant acme --name "Acme GmbH"`: a tenant with its schema, ready to connect."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.errors import HubError
from tenants.actor import Actor
from tenants.models import User
from tenants.provisioning import create_tenant


class Command(BaseCommand):
    help = "Create a tenant with its own schema."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="its name in addresses, such as acme")
        parser.add_argument("--name", default="", help="the name people read")
        parser.add_argument("--admin", default="", help="e-mail of a user who becomes its admin")

    def handle(self, *args: Any, slug: str, name: str, admin: str, **options: Any) -> None:
        user = User.objects.filter(email=admin.lower()).first()
        if admin and user is None:
            raise CommandError(f"There is no user {admin}; create one with createsuperuser first.")
        try:
            tenant = create_tenant(
                slug=slug, name=name, actor=Actor.system("create_tenant"), admin=user
            )
        except HubError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(f"The tenant {tenant.slug} is ready at /t/{tenant.slug}/admin/.")
