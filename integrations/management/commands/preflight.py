"""`manage.py preflight`: look at a few entities of each type of one connection."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from integrations.errors import HubError
from integrations.management.commands.sync import find
from integrations.models import Preflight
from integrations.sync.preflight import check
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant


class Command(BaseCommand):
    help = "Fetch a few entities of each type, throw them away, and say what was found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True)
        parser.add_argument("connection", help="id, name or provider")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with in_tenant(get_tenant(options["tenant"])):
                connection = find(options["connection"])
                connection.check_can("be read")
                report = check(
                    connection,
                    actor=Actor.system("preflight command"),
                    because=Preflight.Because.ASKED,
                )
        except HubError as exc:
            raise CommandError(str(exc)) from exc
        if options["json"]:
            self.stdout.write(json.dumps({"calls": report.calls, "lines": report.lines}))
        for name, line in () if options["json"] else report.lines.items():
            outcome = Preflight.Outcome(line["outcome"]).label
            said = f"{name}: {outcome}, {line['read']} read, {line['rejected']} rejected"
            self.stdout.write(f"{said}. {line['reason']}".strip())
        bad = (Preflight.Outcome.FAILED, Preflight.Outcome.UNAVAILABLE)
        if wrong := [name for name, line in report.lines.items() if line["outcome"] in bad]:
            raise CommandError(f"Not readable: {', '.join(wrong)}.")
