"""`make tenant-script`: write tenants/schema.sql anew after a migration was added."""

from typing import Any

from django.core.management.base import BaseCommand

from tenants.provisioning import SCRIPT
from tenants.script import write_script


class Command(BaseCommand):
    help = "Write tenants/schema.sql from the migrations."

    def handle(self, *args: Any, **options: Any) -> None:
        SCRIPT.write_text(write_script())
        self.stdout.write(f"{SCRIPT.name} written.")
