"""`manage.py connectors`: which providers the hub speaks to, and what each connector costs."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand
from rich.console import Console
from rich.table import Table

from integrations.connectors.base import Connector
from integrations.connectors.lines import count_lines
from integrations.connectors.registry import all_connectors


class Command(BaseCommand):
    help = "List the providers: label, ways to sign in, entity types, lines of code."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        catalogue = [described(connector) for connector in all_connectors()]
        if options["json"]:
            self.stdout.write(json.dumps(catalogue, indent=2))
            return
        table = Table("provider", "label", "sign-in", "entity types", "lines", "declared")
        for line in catalogue:
            table.add_row(
                line["slug"],
                line["label"],
                ", ".join(line["auth"]),
                ", ".join(line["entity_types"]),
                str(line["lines"]["methods"]),
                str(line["lines"]["declared"]),
            )
        Console().print(table)


def described(connector: type[Connector]) -> dict[str, Any]:
    """{"slug": …, "label": …, "auth": [kind, …], "entity_types": […], "lines": {…}}"""
    provider = connector.provider
    return {
        "slug": provider.slug,
        "label": provider.label,
        "auth": [way.kind for way in provider.auth],
        "entity_types": [declared.name for declared in connector.entity_types],
        "lines": asdict(count_lines(connector)),
    }
