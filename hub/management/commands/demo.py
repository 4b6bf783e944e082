"""`manage.py demo`: the whole hub on a laptop, with a sandbox in the providers' place.

`--check` does the same without a person: it syncs every connection in full, prints a table, and as
its last line JSON; it exits 0 only if all of them succeeded and brought records of every entity
type that the hub knows, and if the destination has followed.
"""

import json
import signal
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import Sum
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from rich.table import Table

from hub.demo.delivered import own_connectors, undelivered
from hub.demo.destination import crm, prepare_destination, rows_in_step
from hub.demo.estate import (
    EMAIL,
    PASSWORD,
    ConsentFailedError,
    Demo,
    sandbox_addresses,
    slow_down,
    without_limits,
)
from hub.demo.processes import ChildEndedError, Children, free_port
from hub.embedded_postgres import data_folder
from hub.fleet.models import ConnectionStatus
from integrations.models import Connection, EntityTypeStatus, SyncRun
from integrations.services.syncs import request_sync
from tenants.actor import Actor
from tenants.context import in_tenant
from tenants.models import Tenant

CHECK_SECONDS = 300.0
CHECK_LIMITS_FACTOR = "100"  # with real limits one provider alone makes a check wait a minute
LOOK_SECONDS = 0.5
WATCHED_LATENCY_MS = 150  # as a real provider would take, so that there is something to see


class Command(BaseCommand):
    help = "Start sandbox, tenants, web server and worker; Ctrl-C ends them all."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="without a person, then end")
        parser.add_argument("--port", type=int, default=8000, help="of the web server")

    def handle(self, *args: Any, check: bool, port: int, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo is for a laptop; run it with the local settings.")
        signal.signal(signal.SIGTERM, _interrupt)
        # A pipe has no width; a table squeezed into 80 columns cannot be read in a log.
        self.console = Console(width=None if self.stdout.isatty() else 120)
        self.begun = time.monotonic()
        environment = {"HUB_LOG_LEVEL": "WARNING"}
        if check:
            environment["HUB_LIMITS_FACTOR"] = CHECK_LIMITS_FACTOR
        children = Children(data_folder().parent / "logs", environment)
        if not children.are_alone():
            raise CommandError(
                "Another demo runs on the same data; end it first, or set HUB_DATA_DIR to another"
                " folder for this one."
            )
        try:
            demo, tenants = self._start(children, free_port(port))
            if not check:
                self._greet()
            self._connect(demo, tenants, in_full=check)
            if check:
                without_limits(self.sandbox_url)  # the hub keeps to none here either
            connection.close()
            children.start("worker", str(Path(settings.BASE_DIR) / "manage.py"), "worker")
            if check:
                self._check(children, demo, tenants)
            else:
                self._watch(children)
        except (ChildEndedError, ConsentFailedError) as exc:
            raise CommandError(str(exc)) from exc
        except KeyboardInterrupt:
            self.console.print("\nEnding ...")
        finally:
            children.end()

    def _start(self, children: Children, port: int) -> tuple[Demo, list[Tenant]]:
        """Bring up the sandbox, the database, the tenants and the web server."""
        ready_file = children.logs / "sandbox.json"
        ready_file.unlink(missing_ok=True)
        children.start(
            "sandbox", "-m", "integrations.sandbox", "--port", "0", "--ready-file", str(ready_file)
        )
        call_command("migrate_hub", verbosity=0)
        ready = json.loads(children.wait_for_file(ready_file))
        self.url = settings.HUB_PUBLIC_URL = f"http://127.0.0.1:{port}"
        self.sandbox_url = ready["url"]
        here = {
            "HUB_PROVIDER_ADDRESSES": json.dumps(sandbox_addresses(ready)),
            "HUB_PUBLIC_URL": self.url,
        }
        children.environment |= here
        self.env_file = children.logs.parent / "demo.env"
        self.env_file.write_text("".join(f"export {name}='{v}'\n" for name, v in here.items()))
        bind = f"127.0.0.1:{port}"
        serve = ("-m", "gunicorn", "hub.wsgi", "-b", bind, "--threads", "8", "--no-control-socket")
        children.start("web server", *serve)
        demo = Demo.at(ready["url"])
        tenants = demo.prepare()
        children.wait_for_port(port)
        return demo, tenants

    def _connect(self, demo: Demo, tenants: list[Tenant], *, in_full: bool) -> None:
        """Connect every provider in every tenant; the worker, which comes after, finds it due."""
        source = crm()
        with Progress(console=self.console, transient=True) as progress:
            bar = progress.add_task("Connecting", total=len(tenants) * len(demo.providers))
            for tenant in tenants:
                for slug in sorted(demo.providers, key=lambda slug: slug != source):
                    progress.update(bar, description=f"Connecting {tenant.slug} to {slug}")
                    demo.connect(tenant, slug)
                    if slug == source and tenant == tenants[0]:
                        prepare_destination(demo, tenant)  # due before the rest, so soon to be seen
                    progress.advance(bar)
                if in_full:
                    self._ask(tenant)

    def _ask(self, tenant: Tenant) -> None:
        with in_tenant(tenant):
            # The sandbox may be read in full more often than a provider allows.
            EntityTypeStatus.objects.update(walked_at=None)
            for each in Connection.objects.active():
                request_sync(
                    connection=each,
                    actor=Actor.system("demo"),
                    mode=SyncRun.Mode.FULL,
                    trigger=SyncRun.Trigger.COMMAND,
                )

    def _greet(self) -> None:
        self.console.print(
            f"\n[bold]The hub is up[/bold] after {time.monotonic() - self.begun:.1f} s.\n\n"
            f"  Operations     {self.url}/admin/\n"
            f"  Tenant acme    {self.url}/t/acme/admin/\n"
            f"  Tenant globex  {self.url}/t/globex/admin/\n"
            f"  API            {self.url}/api/docs/\n\n"
            f"  Sign in as [bold]{EMAIL}[/bold] with the password [bold]{PASSWORD}[/bold].\n\n"
            "Open a tenant, look at its connections, and press [bold]Sync now[/bold]: the bar "
            "under\nSync runs moves while records arrive. Commands beside it find the sandbox "
            f"after\n  . {self.env_file}\n\nCtrl-C ends everything.\n"
        )

    def _watch(self, children: Children) -> None:
        self.console.print(
            "All providers are connected; their first syncs are under way, and in acme a "
            "destination\nfollows the CRM: see Destinations."
        )
        slow_down(self.sandbox_url, WATCHED_LATENCY_MS)
        while True:
            children.check()
            time.sleep(LOOK_SECONDS)

    def _check(self, children: Children, demo: Demo, tenants: list[Tenant]) -> None:
        """Wait for the run of every connection, and for the destination that follows them; report.

        Exit 1 if anything did not come.
        """
        runs: list[tuple[Tenant, SyncRun]] = []
        rows: int | None = None
        with Live(console=self.console, refresh_per_second=4) as live:
            until = time.monotonic() + CHECK_SECONDS
            while rows is None or any(run.is_open for _, run in runs):
                children.check()
                if time.monotonic() > until:
                    break
                time.sleep(LOOK_SECONDS)
                runs, rows = _runs(tenants), rows_in_step(demo, tenants[0])
                live.update(_table(runs))
        totals = [run.totals for _, run in runs]
        states = [run.state for _, run in runs]
        succeeded = states.count(SyncRun.State.SUCCEEDED)
        missing = [
            name
            for tenant in tenants
            for name in undelivered(tenant, [run for of, run in runs if of == tenant])
        ]
        summary = {
            "tenants": len(tenants),
            "providers": len(own_connectors()),
            "entity_types": sum(len(each.entity_types) for each in own_connectors()),
            "undelivered": missing,
            "connections": len(runs),
            "runs": {"succeeded": succeeded, "failed": len(runs) - succeeded},
            "records": ConnectionStatus.objects.aggregate(sum=Sum("records"))["sum"],
            "rewritten": sum(each["updated"] for each in totals),
            "unchanged": sum(each["unchanged"] for each in totals),
            "rows_at_destination": rows,
            "seconds": round(time.monotonic() - self.begun, 1),
        }
        self.stdout.write("\n" + json.dumps(summary))
        for tenant, run in runs:
            if run.state != SyncRun.State.SUCCEEDED:
                self.stderr.write(f"{tenant.slug} {run.connection}: {run.state} {run.error}")
        if missing:
            self.stderr.write(f"No records of: {', '.join(missing)}.")
        if rows is None:
            self.stderr.write("The destination is not in step; `manage.py doctor` says more.")
        if missing or rows is None or succeeded < len(runs):
            raise SystemExit(1)


def _runs(tenants: list[Tenant]) -> list[tuple[Tenant, SyncRun]]:
    """The latest run of every connection."""
    found: list[tuple[Tenant, SyncRun]] = []
    for tenant in tenants:
        with in_tenant(tenant):
            latest = SyncRun.objects.order_by("connection_id", "-created_at").distinct(
                "connection_id"
            )
            found += [(tenant, run) for run in latest.select_related("connection")]
    return found


def _table(runs: list[tuple[Tenant, SyncRun]]) -> Table:
    table = Table("tenant", "connection", "state", "read", "new", "rewritten", "unchanged", "calls")
    for tenant, run in runs:
        totals = run.totals
        numbers = (totals["read"], totals["inserted"], totals["updated"], totals["unchanged"])
        state = f"[red]{run.state}[/red]" if run.state == "failed" else run.state
        table.add_row(tenant.slug, str(run.connection), state, *map(str, (*numbers, run.calls)))
    return table


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt
