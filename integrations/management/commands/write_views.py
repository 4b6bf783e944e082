"""`make tenant-script` runs it too: write tenants/views.sql anew after a record type changed."""

from typing import Any

from django.core.management.base import BaseCommand

from integrations.records import RECORD_TYPES
from integrations.records.views import script
from tenants.views import SCRIPT


class Command(BaseCommand):
    help = "Write tenants/views.sql from the record types."

    def handle(self, *args: Any, **options: Any) -> None:
        SCRIPT.write_text(script(RECORD_TYPES))
        self.stdout.write(f"{SCRIPT.name} written.")
