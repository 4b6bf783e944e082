"""`manage.py worker`: the unit that does the work. Start as many, on as many hosts, as you like."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from hub.fleet.models import Due
from hub.fleet.processes import ProcessGroup
from hub.fleet.unit import PATIENCE_SECONDS, StopSignals, Unit
from integrations import queue
from integrations.services.destinations import end_parked_destination
from integrations.services.disconnect import end_parked_disconnect
from integrations.services.shadows import end_parked_shadow
from integrations.services.syncs import end_parked_run
from tenants.context import OPEN_STATES, in_tenant

PER_TENANT = 4  # slices at once, over all units
PER_PROVIDER = 20


class Command(BaseCommand):
    help = "Claim due work and do it, until SIGTERM or Ctrl-C; then end within 30 seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        workers = settings.Q_CLUSTER["workers"]
        parser.add_argument("--processes", type=int, default=workers, help="slices at once here")
        parser.add_argument("--per-tenant", type=int, default=PER_TENANT, help="slices at once")
        parser.add_argument("--per-provider", type=int, default=PER_PROVIDER, help="the same")
        parser.add_argument(
            "--patience",
            type=float,
            default=PATIENCE_SECONDS,
            metavar="SECONDS",
            help="how long free processes may give no sign of life before they are replaced",
        )
        parser.add_argument("--drain", action="store_true", help="end when nothing is due")

    def handle(self, *args: Any, **options: Any) -> None:
        processes = max(1, options["processes"])
        environment = {**os.environ, "HUB_WORKERS": str(processes)}

        def start(name: str) -> ProcessGroup:
            manage = str(settings.BASE_DIR / "manage.py")
            command = [sys.executable, manage, "cluster", name, "--unit", str(os.getpid())]
            return ProcessGroup(command, environment)

        unit = Unit(
            processes=processes,
            bell=queue,
            start=start,
            on_parked=end_parked,
            lease_seconds=settings.HUB_LEASE_SECONDS,
            per_tenant=options["per_tenant"],
            per_provider=options["per_provider"],
            patience_seconds=options["patience"],
        )
        unit.run(StopSignals(), until_idle=options["drain"])


# Kind of due work → who says of it that it is not tried again by itself.
ON_PARKED: dict[str, Callable[..., None]] = {
    Due.Kind.SYNC: end_parked_run,
    Due.Kind.SHADOW: end_parked_shadow,
    Due.Kind.DESTINATION: end_parked_destination,
    Due.Kind.DISCONNECT: end_parked_disconnect,
}


def end_parked(due: Due) -> None:
    """Say where people look that the work was parked, and why."""
    # Of a tenant that is being closed, it ends with its schema.
    if due.kind in ON_PARKED and due.tenant.state in OPEN_STATES:
        with in_tenant(due.tenant):
            ON_PARKED[due.kind](due=due)
