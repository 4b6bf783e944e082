"""The sync engine: works one slice of one run, and knows nothing of any provider.

A slice walks the entity types in their order. What the connector yields is prepared in a thread
that runs ahead (read_ahead, prepare); here it is gathered into batches, and each batch is written
with its positions, the run's counts and nothing else in one transaction. A batch closes at the
first position after 5,000 entities, 5 seconds or 8 MB; the slice ends at the first position after
its time. Whatever stops it, the next slice begins at the last position committed.

How a slice ends (settle) is decided by the class of the error: see integrations/errors.py. What is
wrong with one type alone fails that type: those that do not wait for it go on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Literal
from uuid import UUID

from django.conf import settings
from django.db import transaction

from hub.clock import database_now
from hub.database_faults import repeated
from hub.fleet.models import Due
from integrations import crash
from integrations.connectors.base import Connector
from integrations.destinations.base import Batch, Row, Written, reconciled
from integrations.destinations.postgres import PostgresDestination, hold_fence
from integrations.errors import (
    AccessTokenRefusedError,
    CancelledError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    FatalError,
    FencedError,
    HubError,
    ListRestartError,
    ParentSkippedError,
)
from integrations.models import Connection, EntityTypeStatus, RejectedRecord, SyncRun
from integrations.sync import deletions, drift, generations, positions, preflight, rhythm, settle
from integrations.sync.counts import note
from integrations.sync.failures import is_of_its_type, reason_of
from integrations.sync.lanes import types_in_backfill
from integrations.sync.lease import LeaseWatch
from integrations.sync.open import Parents, open_connector
from integrations.sync.order import in_order, next_type
from integrations.sync.overdue import stop_if_asked, stop_if_stalled
from integrations.sync.prepare import prepare
from integrations.sync.read_ahead import ReadAhead
from integrations.sync.spoiled import stop_if_spoiled
from integrations.sync.unknown import classed
from integrations.types import EntityType

BATCH_BYTES = 8 * 1024 * 1024
BATCH_SECONDS = 5.0
GRACE_SECONDS = 10.0  # a call may end so long after the slice
RESTARTS_AT_MOST = 3  # of one list in one slice

Progress = Callable[[SyncRun], None]


@dataclass(frozen=True)
class SliceResult:
    """How a slice ended: the run's state, whether there is more to do now, one sentence."""

    run_id: UUID | None
    state: Literal["running", "succeeded", "failed", "cancelled", "none"]
    wants_more: bool
    sentence: str


class SliceOverError(Exception):
    """The slice's time is used up, or the worker wants to stop. Raised and caught here."""


def work_slice(
    due_id: UUID,
    fence: int,
    *,
    seconds: float,
    watch: LeaseWatch,
    progress: Progress = lambda run: None,
) -> SliceResult:
    """Work on the connection of `due_id` for about `seconds` and give the lease back.

    Called inside the tenant, with the lease held. Safe to call twice: the second holds an older
    fence and writes nothing.

    Raises:
        FencedError: another worker has taken over; what was committed stays.
    """
    due = Due.objects.get(pk=due_id)
    if due.fence != fence:
        raise FencedError("Another worker has taken over.")
    connection = Connection.objects.filter(pk=due.object_id).first()
    if connection is None or not (connection.can_sync or connection.waits_for_app):
        settle.nothing_to_do(due, connection)
        return SliceResult(None, "none", False, "The connection cannot sync now.")
    run = settle.opened_run(due, connection)
    if run is None:
        return SliceResult(None, "none", False, "The run of this lane has ended.")
    work = _Slice(due, connection, run, seconds=seconds, watch=watch, progress=progress)
    try:
        stop_if_stalled(run)
        preflight.before_sync(work)
        work.walk_all()
    except SliceOverError:
        crash.hit("before_release")
        settle.to_be_continued(due, connection, run, calls=work.calls)
        crash.hit("after_release")
        return SliceResult(run.pk, "running", True, f"Goes on after {work.counts_sentence}.")
    except FencedError:
        raise
    except HubError as exc:
        crash.hit("before_release")
        sentence = settle.stopped(
            due, connection, run, exc, calls=work.calls, has_progressed=work.has_progressed
        )
        crash.hit("after_release")
        return SliceResult(run.pk, run.state, False, sentence)  # type: ignore[arg-type]
    finally:
        work.close()
    crash.hit("before_release")
    sentence = settle.through(due, connection, run, calls=work.calls)
    crash.hit("after_release")
    sentence = sentence or f"Synced {work.counts_sentence}."
    return SliceResult(run.pk, run.state, False, sentence)  # type: ignore[arg-type]


class _Slice:
    """The state of one slice: what it works on and how far it has come."""

    def __init__(
        self,
        due: Due,
        connection: Connection,
        run: SyncRun,
        *,
        seconds: float,
        watch: LeaseWatch,
        progress: Progress,
    ) -> None:
        self.due = due
        self.connection = connection
        self.run = run
        self.watch = watch
        self.progress = progress
        self.destination = PostgresDestination()
        self.ends_at = monotonic() + seconds
        self.calls_before = 0  # of connectors that are closed
        self.has_progressed = False
        self.has_rejections = RejectedRecord.objects.filter(
            source_system=connection.source_system, resolved_at=None
        ).exists()
        self.is_reconnected = positions.is_reconnected(connection)
        self.parents = Parents()
        self.shapes = drift.Shapes(connection)
        self.sweep: deletions.Sweep | None = None
        self.connector: Connector | None = None

    @property
    def calls(self) -> int:
        """Requests made to the provider in this slice, up to now."""
        return self.calls_before + (self.connector.http.calls if self.connector else 0)

    @property
    def counts_sentence(self) -> str:
        totals = self.run.totals
        return f"{totals['read']} read, {totals['inserted'] + totals['updated']} written"

    def walk_all(self) -> None:
        """Walk the entity types that this run has not finished yet, each when it is its turn."""
        connector = self._open()
        types = in_order(connector.entity_types, self.run.entity_types)
        statuses = positions.statuses_of(self.connection, types)
        self._leave_out(types, statuses)
        while (declared := next_type(types, self.run.counts)) is not None:
            if self._is_over and self.has_progressed:
                raise SliceOverError
            status = statuses[declared.name]
            if declared.name not in self.run.counts:
                self._begin(declared, status)
            self.run.counts[declared.name]["turn"] = self.run.slices
            try:
                self._walk(declared, status)
            except HubError as exc:
                self._leave(declared, status, exc)

    def _leave(self, declared: EntityType, status: EntityTypeStatus, exc: HubError) -> None:
        """End the type's part of the run for a reason that is its own; raise any other."""
        with transaction.atomic():
            self._hold_fence()
            if isinstance(exc, EntityTypeUnavailableError | ParentSkippedError):
                status.unavailable_reason = str(exc)[:300]
                status.save(update_fields=["unavailable_reason"])
                note(self.run, declared.name, "unavailable")
            elif is_of_its_type(exc, self.due):
                note(self.run, declared.name, "failed", **reason_of(exc, status))
            else:
                raise exc

    def _leave_out(self, types: list[EntityType], statuses: dict[str, EntityTypeStatus]) -> None:
        """Leave to the other lane what is read there in full, and to later what is not due."""
        elsewhere = types_in_backfill(self.connection, self.run)
        early = rhythm.waiting(self.run, self.connection, types, statuses)
        for declared in types:
            if declared.name not in self.run.counts and declared.name in elsewhere | early:
                state = "backfill" if declared.name in elsewhere else "waiting"
                note(self.run, declared.name, state)

    def _begin(self, declared: EntityType, status: EntityTypeStatus) -> None:
        """Open the type in this run; a full read will find about as many as are stored."""
        with transaction.atomic():
            self._hold_fence()
            generations.begin(status, declared, self.run)
            note(
                self.run,
                declared.name,
                "running",
                **generations.prospect(self.connection, declared, status),
            )

    def close(self) -> None:
        if self.connector is not None:
            self.calls_before += self.connector.http.calls
            self.connector.http.close()
            self.connector = None

    def _open(self, *, refused: bool = False) -> Connector:
        """Return a connector with access, renewed first if the present one was `refused`."""
        self.close()
        self.connector = open_connector(
            self.connection,
            self.run,
            parents=self.parents,
            seconds=max(0.0, self.ends_at - monotonic()) + GRACE_SECONDS,
            refused=refused,
        )
        return self.connector

    def _walk(self, declared: EntityType, status: EntityTypeStatus) -> None:
        """Walk one type to its end, over what a walk can get over by itself."""
        refused_at: Any = ()
        restarts = 0
        while True:
            try:
                return self._read(declared, status)
            except AccessTokenRefusedError:
                # A token may live shorter than the walk; one that got us nowhere is dead.
                here = positions.since(status, self.run.pk)
                if here == refused_at:
                    raise
                refused_at = here
                self._open(refused=True)
            except (CheckpointExpiredError, ListRestartError) as exc:
                restarts += 1
                if restarts > RESTARTS_AT_MOST:
                    raise FatalError(
                        f"The list of {declared.name} had to be begun {restarts} times."
                    ) from exc
                if not self._begin_again(declared, status, exc):
                    return None

    def _begin_again(self, declared: EntityType, status: EntityTypeStatus, exc: HubError) -> bool:
        """Read the type from its beginning; False if it waits instead."""
        with transaction.atomic():
            self._hold_fence()
            if isinstance(exc, ListRestartError):
                generations.new_generation(status, not_before=status.not_before)
            elif not generations.read_again(status, self.run):
                note(self.run, declared.name, "waiting")
                return False
            note(
                self.run,
                declared.name,
                "running",
                **generations.prospect(self.connection, declared, status),
            )
        return True

    def _read(self, declared: EntityType, status: EntityTypeStatus) -> None:
        """Read from the last position to the end of the type, committing as it goes."""
        connector = self.connector
        assert connector is not None
        self.parents.load(self.connection, connector, declared)
        since = positions.since(status, self.run.pk)
        self.sweep = deletions.begin_walk(self.connection, declared, status, since)
        entities = connector.fetch_entities(declared.name, since)
        batch = self._batch(declared, status)
        begun = monotonic()
        with ReadAhead(prepare(connector, entity) for entity in entities) as chunks:
            try:
                for chunk in classed(chunks):
                    crash.hit("after_fetch")
                    batch.add(chunk)
                    if self._is_over and (self.has_progressed or batch.positions):
                        chunks.stop()
                    is_full = (
                        len(batch.rows) >= settings.HUB_BATCH_ROWS or batch.size >= BATCH_BYTES
                    )
                    if is_full or monotonic() - begun >= BATCH_SECONDS:
                        self._commit(declared, status, batch)
                        batch = self._batch(declared, status, batch.pending)
                        begun = monotonic()
            except HubError as exc:
                # What was read before the trouble is kept, up to the last position.
                if not isinstance(exc, FencedError | CancelledError):
                    self._commit(declared, status, batch)
                raise
        if not chunks.is_exhausted:
            self._commit(declared, status, batch)
            raise SliceOverError
        if batch.pending:
            raise FatalError(f"The list of {declared.name} ended without a position.")
        self._commit(declared, status, batch, is_done=True)

    def _batch(
        self, declared: EntityType, status: EntityTypeStatus, rows: list[Row] | None = None
    ) -> Batch:
        batch = Batch(
            connection_id=self.connection.pk,
            source_system=self.connection.source_system,
            run_id=self.run.pk,
            walked_type=declared.name,
            generation=status.generation,
            fence=self.due.fence,
            due_id=self.due.pk,
            has_rejections=self.has_rejections,
            sweep=self.sweep,
            adopts=self.is_reconnected and status.full_read_at is None,
        )
        batch.add(rows or [])
        return batch

    @property
    def _is_over(self) -> bool:
        return monotonic() >= self.ends_at or self.watch.stop.is_set()

    def _hold_fence(self) -> None:
        hold_fence(self.due.pk, self.due.fence)

    def _commit(
        self,
        declared: EntityType,
        status: EntityTypeStatus,
        batch: Batch,
        *,
        is_done: bool = False,
    ) -> None:
        """Write the batch, the counts and where the type stands, all or nothing."""
        if not (batch.rows or batch.positions or is_done):
            return
        self.shapes.look(batch, status)
        crash.hit("before_commit")
        try:
            written = repeated(lambda: self._write(declared, status, replace(batch), is_done))
        except FatalError:  # too many were rejected; the reasons stay
            self.destination.set_aside(batch)
            raise
        crash.hit("after_commit")
        self.has_rejections = self.has_rejections or written.rejected > 0
        if not self.has_progressed:
            self.has_progressed = True
            Due.objects.got_on(self.due.pk, fence=self.due.fence)
            self.due.failures = 0
        self.progress(self.run)
        if self.watch.lost.is_set():
            raise FencedError("The lease was lost.")
        stop_if_asked(self.run)

    def _write(
        self, declared: EntityType, status: EntityTypeStatus, batch: Batch, is_done: bool
    ) -> Written:
        """One transaction. If it fails, all in here is as before; it can be tried again."""
        counts, stood = self.run.counts, dict(vars(status))
        try:
            with transaction.atomic():
                read = len(batch.rows)
                dropped = deletions.hold_back(
                    self.connection, declared, batch, counts[declared.name]
                )
                written = reconciled(replace(self.destination.write(batch), dropped=dropped), read)
                status.checkpoint_at = database_now()
                state, vanished = "running", 0
                if is_done:
                    types = self.connector.entity_types if self.connector else ()
                    state, vanished = "done", deletions.end_walk(types, declared, status, self.run)
                note(self.run, declared.name, state, written, vanished=vanished)
                stop_if_spoiled(declared.name, self.run.counts[declared.name])
                positions.save_walk(status)
        except BaseException:
            self.run.counts = counts
            vars(status).update(stood)
            raise
        return written
