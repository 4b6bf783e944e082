"""`manage.py sync`: sync one connection in the foreground, with progress."""

import json
import signal
import time
from argparse import ArgumentParser
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from hub.fields import uuid7
from hub.fleet.claims import claim_one
from hub.fleet.garbage import collect_seldom
from hub.fleet.models import Due
from integrations.connectors.registry import get_connector
from integrations.errors import AlreadyRunningError, HubError
from integrations.models import Connection, ShadowDiff, SyncRun
from integrations.models.shadow_diff import KINDS
from integrations.services.shadows import request_shadow
from integrations.services.syncs import check_entity_types, request_sync
from integrations.sync.dry_run import dry_run
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch, held
from integrations.sync.shadow import shadow_slice
from tenants.actor import Actor
from tenants.context import get_tenant, in_tenant

ACTOR = Actor.system("sync command")
LONGEST_WAIT_SECONDS = 60.0  # for a provider that asks for a pause; then the worker goes on


class Command(BaseCommand):
    help = "Sync one connection now, in the foreground."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True)
        parser.add_argument("--connection", required=True, help="id, name or provider")
        parser.add_argument("--entity-type", action="append", default=[], metavar="TYPE")
        again = parser.add_mutually_exclusive_group()
        again.add_argument("--full", action="store_true", help="read everything again")
        again.add_argument(
            "--from", dest="not_before", metavar="DATE", help="read again from 2026-01-31 on"
        )
        only = parser.add_mutually_exclusive_group()
        only.add_argument(
            "--shadow", action="store_true", help="say what a sync would do, write nothing"
        )
        only.add_argument("--dry-run", action="store_true", help="fetch and check, write nothing")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["not_before"] and (options["shadow"] or options["dry_run"]):
            raise CommandError("What only looks takes no date; leave out --from.")
        self.as_json = options["json"]
        self.watch = LeaseWatch()
        collect_seldom()
        signal.signal(signal.SIGTERM, lambda *_: self.watch.stop.set())
        try:
            with in_tenant(get_tenant(options["tenant"])):
                connection = find(options["connection"])
                if options["dry_run"]:
                    self._dry_run(connection, options)
                elif options["shadow"]:
                    self._shadow(connection, options)
                else:
                    self._sync(connection, options)
        except HubError as exc:
            raise CommandError(str(exc)) from exc

    def _sync(self, connection: Connection, options: dict[str, Any]) -> None:
        not_before = _day(options["not_before"])
        mode = SyncRun.Mode.FULL if options["full"] else SyncRun.Mode.INCREMENTAL
        run = request_sync(
            connection=connection,
            actor=ACTOR,
            mode=SyncRun.Mode.BACKFILL if not_before else mode,
            entity_types=options["entity_type"],
            not_before=not_before,
            trigger=SyncRun.Trigger.COMMAND,
        )
        with _bars(self.as_json) as progress:
            bars = _Bars(progress, connection)
            wants_more = True
            while wants_more and not self.watch.stop.is_set():
                wants_more = self._slice(run, bars)
        run.refresh_from_db()
        self._report(run)

    def _slice(self, run: SyncRun, bars: "_Bars") -> bool:
        """Work one slice; return whether there is more to do that this command waits for."""
        due = Due.objects.filter(run_id=run.pk).first()
        if due is None:  # somebody ended the run
            return False
        lease = settings.HUB_LEASE_SECONDS
        claim = claim_one(due.pk, worker_id=uuid7(), lease_seconds=lease)
        if claim is None:
            raise AlreadyRunningError(
                f"A worker is syncing {run.connection} already; watch it in the admin,"
                " or try again."
            )
        with held(claim.due_id, claim.fence, seconds=lease) as watch:
            self.watch = watch
            result = work_slice(
                claim.due_id,
                claim.fence,
                seconds=settings.HUB_SLICE_SECONDS,
                watch=watch,
                progress=bars.show,
            )
        if result.state != "running" or result.wants_more:
            return result.wants_more
        return _waited(run)

    def _shadow(self, connection: Connection, options: dict[str, Any]) -> None:
        mode = SyncRun.Mode.FULL if options["full"] else SyncRun.Mode.INCREMENTAL
        shadow = request_shadow(
            connection=connection, mode=mode, entity_types=options["entity_type"], actor=ACTOR
        )
        with _bars(self.as_json) as progress:
            bar = progress.add_task("shadow", total=None)
            while shadow.is_open and not self.watch.stop.is_set():
                due = Due.objects.filter(object_id=shadow.pk).first()
                lease = settings.HUB_LEASE_SECONDS
                claim = None
                if due is not None:
                    claim = claim_one(due.pk, worker_id=uuid7(), lease_seconds=lease)
                if claim is None:
                    raise AlreadyRunningError(f"A worker is at {shadow} already; see the admin.")
                with held(claim.due_id, claim.fence, seconds=lease) as watch:
                    self.watch = watch
                    said = shadow_slice(
                        claim.due_id,
                        claim.fence,
                        seconds=settings.HUB_SLICE_SECONDS,
                        watch=watch,
                        progress=lambda now: progress.update(bar, completed=now.totals["read"]),
                    )
                shadow.refresh_from_db()
                if shadow.is_open and shadow.error:
                    raise CommandError(f"{said} The worker goes on with it.")
        self._report_shadow(shadow)

    def _report_shadow(self, shadow: ShadowDiff) -> None:
        if self.as_json:
            said = {"shadow": str(shadow.pk), "state": shadow.state, "counts": shadow.counts}
            self.stdout.write(json.dumps(said))
        else:
            for name, line in shadow.counts.items():
                figures = ", ".join(f"{line.get(kind, 0)} {kind}" for kind in (*KINDS, "unchanged"))
                self.stdout.write(f"{name}: {figures}")
            self.stdout.write("Nothing was written; the admin shows what would change.")
        if shadow.state != ShadowDiff.State.SUCCEEDED:
            raise CommandError(f"The shadow diff is {shadow.state}. {shadow.error}".strip())

    def _report(self, run: SyncRun) -> None:
        if self.as_json:
            result = {
                "run": str(run.pk),
                "state": run.state,
                "counts": run.counts,
                "calls": run.calls,
                "error": run.error,
            }
            self.stdout.write(json.dumps(result))
        elif run.state == SyncRun.State.SUCCEEDED:
            totals = run.totals
            self.stdout.write(
                f"Succeeded: {totals['read']} read, {totals['inserted']} new, "
                f"{totals['updated']} changed, {totals['unchanged']} unchanged, "
                f"{totals['deleted']} deleted, {totals['rejected']} rejected, {run.calls} calls."
            )
        if run.state != SyncRun.State.SUCCEEDED:
            raise CommandError(f"The sync is {run.state}. {run.error}".strip())

    def _dry_run(self, connection: Connection, options: dict[str, Any]) -> None:
        check_entity_types(connection, options["entity_type"])
        with _bars(self.as_json) as progress:
            bars: dict[str, TaskID] = {}

            def show(name: str, counts: Counter[str]) -> None:
                if name not in bars:
                    bars[name] = progress.add_task(name, total=None)
                progress.update(bars[name], completed=sum(counts.values()))

            result = dry_run(
                connection,
                actor=ACTOR,
                entity_types=options["entity_type"],
                is_full=options["full"],
                progress=show,
            )
        if self.as_json:
            self.stdout.write(json.dumps(vars(result)))
            return
        for name, counts in result.counts.items():
            said = (counts["record"], counts["gone"], counts["rejected"])
            self.stdout.write("{}: {} valid, {} deleted, {} rejected".format(name, *said))
        for name, reason in result.unavailable.items():
            self.stdout.write(f"{name}: unavailable. {reason}")
        for reason in result.reasons:
            self.stdout.write(f"  {reason}")
        self.stdout.write("Nothing was written.")


class _Bars:
    """One bar per entity type; without a known total it only counts."""

    def __init__(self, progress: Progress, connection: Connection) -> None:
        self.progress = progress
        names = [each.name for each in get_connector(connection.provider).entity_types]
        self.bars = {name: progress.add_task(name, total=None, visible=False) for name in names}

    def show(self, run: SyncRun) -> None:
        for name, line in run.counts.items():
            total = line["read"] if line["state"] == "done" else line.get("expected")
            self.progress.update(self.bars[name], completed=line["read"], total=total, visible=True)


def _bars(is_quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description:>16}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} read"),
        TimeElapsedColumn(),
        console=Console(stderr=True, quiet=is_quiet),
    )


def find(wanted: str) -> Connection:
    """The connection with this id, name or provider.

    Raises:
        CommandError: there is none, or several; the message names them.
    """
    present = Connection.objects.present()
    try:
        found: list[Connection] = list(present.filter(pk=UUID(wanted)))
    except ValueError:
        found = list(present.filter(name=wanted)) or list(present.filter(provider=wanted))
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{each.name!r}" for each in (found or present)) or "none yet"
    problem = "Several connections are called" if found else "There is no connection"
    raise CommandError(f"{problem} {wanted!r}; there are: {names}.")


def _day(text: str | None) -> datetime | None:
    """The beginning of the day, in UTC.

    Raises:
        CommandError: it is no day.
    """
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise CommandError(f"{text!r} is no day; write it as 2026-01-31.") from None


def _waited(run: SyncRun) -> bool:
    """Sleep until the provider may be asked again. False if that is too long to sit and wait."""
    due_at = Due.objects.filter(run_id=run.pk).values_list("due_at", flat=True).first()
    seconds = (due_at.timestamp() - time.time()) if due_at else 0.0
    if seconds > LONGEST_WAIT_SECONDS:
        run.refresh_from_db()
        raise CommandError(
            f"{run.error or 'The provider is busy.'} It goes on in {seconds:.0f} s;"
            " the worker will do it, or start this command again then."
        )
    time.sleep(max(0.0, seconds))
    return True
