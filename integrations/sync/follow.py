"""Following the change feed: brings one destination up to date, slice by slice.

A page of changes is sorted out (plan), written in requests of a few rows, and each request's
answer is noted in the ledger at once. Only when the whole page is dealt with does the checkpoint
move. A slice that dies between a request and its note sends those rows again under the same keys;
what is noted is not sent again. The tenant's own tables know nothing of all this and never wait.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from time import monotonic
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from hub.clock import database_now
from hub.fleet.models import Due
from integrations import crash
from integrations.connectors.registry import refusing
from integrations.destinations.change import Change
from integrations.destinations.postgres import hold_fence
from integrations.destinations.tables import TableDestination, TableRow
from integrations.errors import (
    AccessTokenRefusedError,
    FencedError,
    HubError,
    RecordRejectedError,
)
from integrations.models import Destination, DestinationRun, ExternalId
from integrations.sync import ledger, settle_destination
from integrations.sync.changes import changes_after, changes_of, last_change
from integrations.sync.destination_status import publish_destination
from integrations.sync.lease import LeaseWatch
from integrations.sync.ledger import Line
from integrations.sync.open_destination import open_destination
from integrations.sync.plan import ActiveRoute, Plan, hash_of, plan_of, table_of
from integrations.sync.references import Titles
from integrations.sync.tally import Tally

PAGE_ROWS = 100
SHOW_EVERY = 5.0  # seconds; then operations see how far it is
GRACE_SECONDS = 10.0  # a call may end so long after the slice

Made = TypeVar("Made")


class FollowOverError(Exception):
    """The slice's time is used up, or somebody began the feed again. Raised and caught here."""


def follow_slice(due_id: UUID, fence: int, *, seconds: float, watch: LeaseWatch) -> str:
    """Work on the destination of `due_id` for about `seconds` and give the lease back.

    Called inside the tenant, with the lease held; returns a short sentence. Safe to call twice:
    the second holds an older fence and notes nothing.

    Raises:
        FencedError: another worker has taken over; what was noted stays.
    """
    due = Due.objects.get(pk=due_id)
    if due.fence != fence:
        raise FencedError("Another worker has taken over.")
    destination = Destination.objects.select_related("connection").filter(pk=due.object_id).first()
    if destination is None or destination.is_paused:
        settle_destination.nothing_to_do(due, destination)
        return "The destination is paused or gone."
    work = _Slice(due, destination, seconds=seconds, watch=watch)
    try:
        work.follow()
    except FollowOverError:
        settle_destination.to_be_continued(due, destination, work.run, calls=work.calls)
        return f"Goes on after change {work.run.to_change if work.run else destination.checkpoint}."
    except FencedError:
        raise
    except HubError as exc:
        return settle_destination.stopped(
            due, destination, work.run, exc, calls=work.calls, has_progressed=work.has_progressed
        )
    finally:
        work.close()
    return settle_destination.caught_up(due, destination, work.run, calls=work.calls)


class _Slice:
    """The state of one slice: what it works on and how far it has come."""

    def __init__(
        self, due: Due, destination: Destination, *, seconds: float, watch: LeaseWatch
    ) -> None:
        self.due = due
        self.destination = destination
        self.watch = watch
        self.ends_at = monotonic() + seconds
        self.has_progressed = False
        self.run: DestinationRun | None = None
        self.target: TableDestination | None = None
        self.calls_before = self.calls_noted = 0  # before: of targets that are closed
        self.show_again_at = monotonic() + SHOW_EVERY
        self.routes: list[ActiveRoute] = []
        self.needs_raw = False
        self.lost: set[int] = set()  # records whose rows are gone there, as a link has shown

    @property
    def calls(self) -> int:
        """Requests that the run does not count yet."""
        return self.calls_before + (self.target.calls if self.target else 0) - self.calls_noted

    def close(self) -> None:
        if self.target is not None:
            self.calls_before += self.target.calls
            self.target.close()
            self.target = None

    def follow(self) -> None:
        """Deal with every change behind the checkpoint, and with rows whose records are gone."""
        no = refusing(self.destination.type)
        self.routes = [ActiveRoute.of(r, no) for r in ledger.active_routes(self.destination)]
        self.needs_raw = any(route.needs_raw for route in self.routes)
        if not self.routes:
            self._move_to(last_change())
        self.run = settle_destination.find_open_run(self.destination)
        must_sweep = ledger.must_sweep(self.destination)
        is_idle = not must_sweep and not ledger.must_try(self.destination)
        if is_idle and not self._page() and not self.destination.error_code:
            return
        is_blocked = self.destination.status == Destination.Status.BLOCKED
        if not is_blocked:  # looking whether it was repaired is no run
            self.run = settle_destination.opened_run(self.due, self.destination)
        self._prepare()
        if is_blocked:
            self.run = settle_destination.opened_run(self.due, self.destination)
        if must_sweep:
            self._sweep()
        self.lost = ledger.left_unsure(self.destination)
        while changes := self._page():
            self._follow_page(changes)
        for record_id in ledger.refused_to_try(self.destination):
            self._rewrite([record_id])  # alone, so that it speaks for itself
            self._link()

    def _page(self) -> list[Change]:
        return changes_after(self.destination.checkpoint, PAGE_ROWS, with_raw=self.needs_raw)

    # Reaching the destination

    def _prepare(self) -> None:
        """Tables and columns are there; what was made is remembered at once."""
        self._asked(lambda target: target.prepare([table_of(route) for route in self.routes]))
        schema = deepcopy(self._target().schema)
        settle_destination.note_reached(self.due, self.destination, schema)

    def _target(self, *, refused: bool = False) -> TableDestination:
        if self.target is None or refused:
            self.close()
            seconds = max(0.0, self.ends_at - monotonic()) + GRACE_SECONDS
            self.target = open_destination(
                self.destination, self.due, seconds=seconds, refused=refused
            )
            if refused:
                self.target.prepare([table_of(route) for route in self.routes])
        return self.target

    def _asked(self, ask: Callable[[TableDestination], Made]) -> Made:
        """What `ask` answers; an access that is refused once is renewed where that is possible."""
        try:
            return ask(self._target())
        except AccessTokenRefusedError:
            if self.destination.connection is None:
                raise
            return ask(self._target(refused=True))

    # One page

    def _follow_page(self, changes: Sequence[Change]) -> None:
        """Write, delete and link what a page of changes asks for; then the checkpoint moves."""
        target = self._target()
        lines = ledger.lines_of(self.destination, [change.record_id for change in changes])
        ours = [change.record_id for change in changes if target.holds(change)]
        assert self.run is not None
        plan, tally = plan_of(changes, self.routes, lines, ours, self.run.pk), Tally(self.run.pk)
        for route_id, group in plan.writes.items():
            self._write(self._route(route_id), group, tally)
        for route_id, gone in plan.deletes.items():
            self._delete(self._route(route_id), gone, tally)
        self._link()
        self._end_page(changes, plan, tally)

    def _write(self, route: ActiveRoute, changes: Sequence[Change], tally: Tally | None) -> None:
        """Send the rows that differ from what is there; note what became of each.

        Without a tally they are sent again, for their links alone, and are no changes of the page.
        """
        lines = ledger.lines_of(self.destination, [change.record_id for change in changes])
        titles = Titles.of((change, ref) for change in changes for ref in route.refs(change))
        there = ledger.rows_there(self.destination, [id for id, _ in titles.found.values()])
        unsent: list[tuple[Change, TableRow]] = []
        counts: Counter[str] = Counter()
        refused: list[Line] = []
        for change in changes:
            line = lines.get((route.id, change.record_id))
            try:
                row = route.row(change, titles, there)
            except RecordRejectedError as exc:
                refused.append(ledger.refused(route.id, change, line, str(exc), ledger.AGAIN))
                if tally:
                    tally.add("rejected", change, line, counts)
                continue
            if line is None or bytes(line.content_hash) != hash_of(row):
                unsent.append((change, row))
            elif tally:
                tally.add("rejected" if line.rejected_reason else "unchanged", change, line)
        if tally:
            self._note(refused, counts)
        for chunk in _chunks(unsent, self._target().rows_per_request):
            self._send(route, chunk, lines, tally)

    def _send(
        self,
        route: ActiveRoute,
        chunk: Sequence[tuple[Change, TableRow]],
        lines: dict[ledger.LineKey, ExternalId],
        tally: Tally | None,
    ) -> None:
        crash.hit("before_destination_write")
        rows = [row for _, row in chunk]
        outcomes = self._asked(lambda target: target.upsert(route.table, rows))
        crash.hit("after_destination_write")
        by_key = {outcome.key: outcome for outcome in outcomes}
        counts: Counter[str] = Counter()
        written: list[Line] = []
        without_links = [change for change, row in chunk if by_key[row.key].has_lost_links]
        for change, row in chunk:
            outcome = by_key[row.key]
            line = lines.get((route.id, change.record_id))
            if outcome.has_lost_links:
                continue
            what = "created" if outcome.is_new else "updated"
            if tally:
                tally.add("rejected" if outcome.reason else what, change, line, counts)
            else:  # its change may be on a later page of this run, which then counts it
                change = replace(change, seq=line.change_seq if line else 0)
                counts["linked"] += not outcome.reason
            if outcome.reason:
                said = outcome.reason
                there = outcome.external_id
                written.append(ledger.refused(route.id, change, line, said, hash_of(row), there))
                continue
            there = outcome.external_id
            fresh = ledger.is_fresh(line, there)
            written.append(ledger.written(route.id, change, there, hash_of(row), is_fresh=fresh))
        self._note(written, counts)
        self._got_on()
        crash.hit("after_destination_note")
        self._stop_if_over()
        if without_links:
            self._lose_targets(route, without_links)
            self._write(route, without_links, tally)

    def _lose_targets(self, route: ActiveRoute, changes: Sequence[Change]) -> None:
        """What these records link to may be gone there: it is written again before it is linked."""
        titles = Titles.of((change, ref) for change in changes for ref in route.refs(change))
        targets = {record_id for record_id, _ in titles.found.values()}
        ledger.mark_unsure(self.destination, targets)
        self.lost |= targets

    def _delete(
        self, route: ActiveRoute, gone: Sequence[tuple[Change, ExternalId]], tally: Tally
    ) -> None:
        for chunk in _chunks(gone, self._target().rows_per_request):
            crash.hit("before_destination_write")
            kept = ledger.rows_of_others(route.id, [line for _, line in chunk])
            ids = [line.external_id for _, line in chunk if line.external_id not in kept]
            if ids:
                self._asked(lambda target, ids=ids: target.delete(route.table, ids))  # type: ignore[misc]
            crash.hit("after_destination_write")
            counts: Counter[str] = Counter()
            for change, line in chunk:
                is_kept = line.external_id in kept
                tally.add("dropped" if is_kept else "deleted", change, line, counts)
            self._note([ledger.written(route.id, change, "", b"") for change, _ in chunk], counts)
            self._got_on()
            self._stop_if_over()

    def _link(self) -> None:
        """Write again what refers to rows that are new there, now that they can be linked to."""
        while (fresh := ledger.fresh_of(self.destination)) or self.lost:
            lost, self.lost = self.lost, set()
            self._rewrite(sorted(lost))
            for ids in ledger.referrers_of(self.destination, fresh, PAGE_ROWS):
                self._rewrite(ids)
            ledger.forget_fresh(self.destination, fresh)

    def _rewrite(self, record_ids: Sequence[int]) -> None:
        """Send the rows of these records if they differ from what is there, links and all."""
        changes = changes_of(record_ids, with_raw=self.needs_raw) if record_ids else []
        for route in self.routes:
            taken = [change for change in changes if route.takes(change)]
            if taken:
                self._write(route, taken, None)

    def _end_page(self, changes: Sequence[Change], plan: Plan, tally: Tally) -> None:
        outcomes = tally.outcomes(plan)
        with transaction.atomic():
            self._hold()
            ledger.forget_rows_gone(self.destination, [change.record_id for change in changes])
            ExternalId.objects.filter(pk__in=plan.refusals, external_id="").delete()
            self._move_to(changes[-1].seq)
            self._note([], outcomes)
            if monotonic() >= self.show_again_at:
                publish_destination(self.destination)
                self.show_again_at = monotonic() + SHOW_EVERY
        self._got_on()
        crash.hit("after_destination_checkpoint")
        self._stop_if_over()

    # Records that are gone without a change

    def _sweep(self) -> None:
        """Delete the rows of records that are not stored any more."""
        begun = database_now()
        while orphans := ledger.orphans_of(self.destination, self._target().rows_per_request):
            by_table: dict[str, list[str]] = {}
            for line in orphans:
                if line.external_id:
                    by_table.setdefault(line.route.table, []).append(line.external_id)
            for table, ids in by_table.items():
                self._asked(lambda target, t=table, ids=ids: target.delete(t, ids))  # type: ignore[misc]
            with transaction.atomic():
                self._note([], Counter(deleted=sum(map(len, by_table.values()))))
                ExternalId.objects.filter(pk__in=[line.pk for line in orphans]).delete()
            self._stop_if_over()
        Destination.objects.filter(pk=self.destination.pk).update(swept_at=begun)

    # Noting

    def _note(self, lines: Sequence[Line], counts: Counter[str]) -> None:
        """Lines of the ledger and counts of the run, both or neither, under the fence."""
        run = self.run
        assert run is not None
        with transaction.atomic():
            self._hold()
            if self.target is not None and self.target.schema != self.destination.schema:
                self.destination.schema = deepcopy(self.target.schema)
                Destination.objects.filter(pk=self.destination.pk).update(
                    schema=self.destination.schema
                )
            if lines:
                ledger.write_lines(self.destination, run.pk, lines)
            run.counts = settle_destination.added(run.counts, counts)
            run.progress_at = database_now()
            run.calls, self.calls_noted = run.calls + self.calls, self.calls_noted + self.calls
            DestinationRun.objects.filter(pk=run.pk).update(
                counts=run.counts, progress_at=run.progress_at, calls=run.calls
            )

    def _hold(self) -> None:
        """Until the transaction ends nobody begins the feed again, or takes over."""
        if not settle_destination.held(self.due, self.destination):
            raise FollowOverError

    def _got_on(self) -> None:
        """Something was dealt with: kills and waits before it were no end."""
        if not self.has_progressed:
            self.has_progressed = True
            Due.objects.got_on(self.due.pk, fence=self.due.fence)
            self.due.failures = 0

    def _move_to(self, change_seq: int) -> None:
        """The checkpoint moves, unless somebody began the feed again or paused meanwhile."""
        with transaction.atomic():
            mine = Destination.objects.filter(
                pk=self.destination.pk, generation=self.destination.generation
            ).exclude(status=Destination.Status.PAUSED)
            if not mine.update(checkpoint=change_seq):
                raise FollowOverError
            hold_fence(self.due.pk, self.due.fence)
            if self.run is not None:
                self.run.to_change = change_seq
                DestinationRun.objects.filter(pk=self.run.pk).update(to_change=change_seq)
        self.destination.checkpoint = change_seq

    def _route(self, route_id: UUID) -> ActiveRoute:
        return next(route for route in self.routes if route.id == route_id)

    def _stop_if_over(self) -> None:
        if self.watch.lost.is_set():
            raise FencedError("The lease was lost.")
        if monotonic() >= self.ends_at or self.watch.stop.is_set():
            raise FollowOverError


def _chunks(rows: Sequence[Made], size: int) -> Iterator[Sequence[Made]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
