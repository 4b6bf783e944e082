"""`manage.py doctor`: what is well, what is not, and what to do about it. Exit 0 if no problem."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from hub.management.diagnosis import State, diagnose

COLOURS: dict[State, str] = {"ok": "SUCCESS", "warning": "WARNING", "problem": "ERROR"}


class Command(BaseCommand):
    help = "Look at everything the hub needs; one line each. Exit 1 if there is a problem."
    requires_system_checks: list[str] = []  # they are one of the lines

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for each in diagnose():
            found.append(each)
            if not options["json"]:
                state = getattr(self.style, COLOURS[each.state])(f"{each.state:<8}")
                said = f"{each.said}. {each.todo}" if each.todo else each.said
                self.stdout.write(f"{state}{each.name:<16}{said}")
        if options["json"]:
            self.stdout.write(json.dumps([asdict(each) for each in found], indent=2))
        if any(each.state == "problem" for each in found):
            raise SystemExit(1)
