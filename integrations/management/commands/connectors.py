"""`manage.py connectors`: which providers the hub speaks to, and what each connector costs."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from integrations.connectors.catalogue import catalogue, markdown


class Command(BaseCommand):
    help = "List the providers: label, ways to sign in, entity types, lines of code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON instead of a table")
        form.add_argument("--markdown", action="store_true", help="print the page of the docs")

    def handle(self, *args: Any, **options: Any) -> None:
        entries = catalogue()
        if options["json"]:
            self.stdout.write(json.dumps(entries, indent=2))
            return
        if options["markdown"]:
            self.stdout.write(markdown(entries), ending="")
            return
        table = Table("provider", "label", "sign-in", "entity types", "lines", "declared")
        for entry in entries:
            table.add_row(
                entry["slug"],
                entry["label"],
                ", ".join(entry["auth"]),
                ", ".join(entry["entity_types"]),
                str(entry["lines"]["methods"]),
                str(entry["lines"]["declared"]),
            )
        Console().print(table)
