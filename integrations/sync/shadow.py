"""Shadow diffs: one slice of walking the provider as a sync would, comparing instead of writing.

A slice reads on from the diff's own positions and commits counts, samples and positions with each
batch, so that a crash loses no more than a batch. What the walk has seen is kept in ShadowBatch,
in the database, until the entity type is through; memory does not grow with the account. Records,
checkpoints and runs are never written.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from hub.clock import database_now
from hub.fleet.attempts import audit_failed
from hub.fleet.models import Due
from integrations import crash
from integrations.connectors.base import Connector
from integrations.destinations.base import Batch, Row
from integrations.destinations.compare import Compared, compare
from integrations.destinations.postgres import hold_fence
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
    RetryableError,
)
from integrations.models import EntityTypeStatus, ShadowBatch, ShadowDiff, SyncRun
from integrations.models.shadow_diff import KINDS
from integrations.sync import deletions, rhythm
from integrations.sync import shadow_seen as seen
from integrations.sync.engine import (
    BATCH_BYTES,
    BATCH_SECONDS,
    GRACE_SECONDS,
    RESTARTS_AT_MOST,
    SliceOverError,
)
from integrations.sync.failures import NOT_ASKED, TRIES
from integrations.sync.generations import is_spent
from integrations.sync.lease import LeaseWatch
from integrations.sync.open import Parents, open_connector
from integrations.sync.order import ENDED, in_order
from integrations.sync.prepare import prepare
from integrations.sync.read_ahead import ReadAhead
from integrations.sync.settle import wait_for
from integrations.sync.shadow_samples import add_deleted, add_samples
from integrations.sync.unknown import classed
from integrations.types import EntityType
from tenants.actor import Actor

OUTCOMES = ("read", *KINDS, "unchanged", "superseded")
ACTOR = Actor.system("shadow diff")

Progress = Callable[[ShadowDiff], None]


def shadow_slice(
    due_id: UUID,
    fence: int,
    *,
    seconds: float,
    watch: LeaseWatch,
    progress: Progress = lambda shadow: None,
) -> str:
    """Work on the shadow diff of `due_id` for about `seconds`; return a short sentence.

    Called inside the tenant, with the lease held, which is given back; when the diff has ended,
    the due row is gone.

    Raises:
        FencedError: another worker has taken over; what was committed stays.
    """
    due = Due.objects.get(pk=due_id)
    if due.fence != fence:
        raise FencedError("Another worker has taken over.")
    shadow = ShadowDiff.objects.open().select_related("connection").filter(pk=due.object_id).first()
    if shadow is None:
        _drop(due)
        return "The shadow diff has ended."
    work = _Shadow(due, shadow, seconds=seconds, watch=watch, progress=progress)
    try:
        work.begin()
        work.walk_all()
    except SliceOverError:
        work.note_calls()
        Due.objects.release(due.pk, fence=fence, due_at=Now(), attempts=0)
        return f"Goes on after {shadow.totals['read']} read."
    except FencedError:
        raise
    except CancelledError as exc:
        return work.end(ShadowDiff.State.CANCELLED, exc)
    except RetryableError as exc:
        was_asked = not isinstance(exc, NOT_ASKED)
        if was_asked and due.failures >= TRIES and not work.has_progressed:
            return work.end(ShadowDiff.State.FAILED, exc)
        work.note_calls(exc)
        wait = wait_for(exc, due.failures)
        later = Now() + timedelta(seconds=wait)
        given = {"due_at": later, "failures": F("failures") + int(was_asked), "attempts": 0}
        with transaction.atomic():
            is_ours = Due.objects.release(due.pk, fence=fence, **given)
            if is_ours and was_asked and not work.has_progressed:
                audit_failed(due, reason=exc.code, target=shadow.connection)
        return f"Waits {wait:.0f} s: {exc}"
    except HubError as exc:
        return work.end(ShadowDiff.State.FAILED, exc)
    finally:
        work.close()
    return work.end(ShadowDiff.State.SUCCEEDED)


class _Shadow:
    """The state of one slice."""

    def __init__(
        self, due: Due, shadow: ShadowDiff, *, seconds: float, watch: LeaseWatch, progress: Progress
    ) -> None:
        self.due, self.shadow, self.connection = due, shadow, shadow.connection
        self.watch, self.progress = watch, progress
        self.ends_at = monotonic() + seconds
        self.has_progressed = False
        self.parents = Parents()
        self.connector: Connector | None = None
        self.calls_before = 0

    def begin(self) -> None:
        self._stop_if_asked()
        self.shadow.state = ShadowDiff.State.RUNNING
        self.shadow.started_at = self.shadow.started_at or database_now()
        self.shadow.slices += 1
        with transaction.atomic():
            self._hold_fence()
            self.shadow.save(update_fields=["state", "started_at", "slices"])

    def walk_all(self) -> None:
        connector = self._open()
        types = in_order(connector.entity_types, self.shadow.entity_types)
        found = {row.entity_type: row for row in self.connection.entity_type_statuses.all()}
        statuses = {
            each.name: found.get(each.name)
            or EntityTypeStatus(connection=self.connection, entity_type=each.name)
            for each in types
        }
        as_run = SyncRun(mode=self.shadow.mode, trigger=SyncRun.Trigger.MANUAL)
        early = rhythm.waiting(as_run, self.connection, types, statuses)
        for declared in types:
            line = self.shadow.counts.get(declared.name, {})
            if line.get("state") in ENDED:
                continue
            if self._is_over and self.has_progressed:
                raise SliceOverError
            if declared.name in early:
                self._note(declared, "waiting")
                continue
            try:
                self._walk(declared, statuses[declared.name])
            except (EntityTypeUnavailableError, ParentSkippedError) as exc:
                self._note(declared, "unavailable", reason=str(exc)[:300])

    def _walk(self, declared: EntityType, status: EntityTypeStatus) -> None:
        """Walk one type to its end, over what a walk can get over by itself."""
        was_refused, restarts = False, 0
        if declared.name not in self.shadow.counts:
            in_full = self.shadow.mode == SyncRun.Mode.FULL or status.pk is None
            in_full = in_full or is_spent(status, declared, self.connection)
            self._begin(declared, from_start=in_full or status.checkpoint_at is None)
        while True:
            before = self.shadow.positions.get(declared.name)
            try:
                return self._read(declared, status)
            except AccessTokenRefusedError:
                if was_refused and before == self.shadow.positions.get(declared.name):
                    raise
                was_refused = True
                self._open(refused=True)
            except (CheckpointExpiredError, ListRestartError) as exc:
                restarts += 1
                if restarts > RESTARTS_AT_MOST:
                    sentence = f"The list of {declared.name} had to be begun {restarts} times."
                    raise FatalError(sentence) from exc
                self._begin(declared, from_start=True)

    def _begin(self, declared: EntityType, *, from_start: bool) -> None:
        """Open the type, or open it again: nothing has been seen of it yet."""
        with transaction.atomic():
            self._hold_fence()
            self.shadow.batches.filter(entity_type=declared.name).delete()
            self.shadow.counts[declared.name] = {
                "state": "running",
                "from_start": from_start,
                **dict.fromkeys(OUTCOMES, 0),
            }
            self.shadow.samples[declared.name] = {}
            self.shadow.positions[declared.name] = {}
            self._save()

    def _read(self, declared: EntityType, status: EntityTypeStatus) -> None:
        connector = self.connector
        assert connector is not None
        seen.load_parents(self.parents, self.shadow, connector, declared)
        since = seen.since(self.shadow, declared, status)
        sweep = seen.sweep(self.shadow, declared, status, since)
        batch, begun = self._batch(declared, sweep), monotonic()
        entities = connector.fetch_entities(declared.name, since)
        with ReadAhead(prepare(connector, entity) for entity in entities) as chunks:
            try:
                for chunk in classed(chunks):
                    batch.add(chunk)
                    if self._is_over and (self.has_progressed or batch.positions):
                        chunks.stop()
                    is_full = len(batch.rows) >= settings.HUB_BATCH_ROWS
                    is_full = is_full or batch.size >= BATCH_BYTES
                    if is_full or monotonic() - begun >= BATCH_SECONDS:
                        self._commit(declared, batch)
                        batch, begun = self._batch(declared, sweep, batch.pending), monotonic()
            except HubError as exc:
                if not isinstance(exc, FencedError | CancelledError):
                    self._commit(declared, batch)
                raise
        if not chunks.is_exhausted:
            self._commit(declared, batch)
            raise SliceOverError
        self._commit(declared, batch, is_done=True)

    def _batch(
        self, declared: EntityType, sweep: deletions.Sweep, rows: list[Row] | None = None
    ) -> Batch:
        batch = Batch(
            connection_id=self.connection.pk,
            source_system=self.connection.source_system,
            run_id=self.shadow.pk,
            walked_type=declared.name,
            generation=0,
            fence=self.due.fence,
            due_id=self.due.pk,
            sweep=sweep,
        )
        batch.add(rows or [])
        return batch

    def _commit(self, declared: EntityType, batch: Batch, *, is_done: bool = False) -> None:
        """Add the batch to counts, samples and positions, and what it saw, all or nothing."""
        if is_done and batch.pending:
            raise FatalError(f"The list of {declared.name} ended without a position.")
        if not (batch.rows or batch.positions or is_done):
            return
        with transaction.atomic():
            self._hold_fence()
            found = compare(self.connection.source_system, batch.rows, with_rejected=True)
            gone = deletions.find_reported(self.connection, found.gone)
            self._count(declared, batch, found, gone)
            assert batch.sweep is not None
            for scope, position in batch.positions.items():
                self.shadow.positions[declared.name][scope] = {
                    "cursor": position.cursor,
                    "done": position.is_over,
                    "whole": batch.sweep.covers(scope) and not position.skipped,
                }
            ShadowBatch.objects.create(
                shadow=self.shadow,
                entity_type=declared.name,
                record_ids=[stored.id for stored in found.stored.values()],
                gone_ids=gone,
                parents=seen.parents_among(self._types, declared, found),
            )
            if is_done:
                self._end_type(declared)
            self._save()
        crash.hit("after_commit")
        if not self.has_progressed:
            self.has_progressed = True
            Due.objects.got_on(self.due.pk, fence=self.due.fence)
        self.progress(self.shadow)
        if self.watch.lost.is_set():
            raise FencedError("The lease was lost.")
        self._stop_if_asked()

    def _count(self, declared: EntityType, batch: Batch, found: Compared, gone: list[int]) -> None:
        line, samples = (
            self.shadow.counts[declared.name],
            self.shadow.samples[declared.name],
        )
        more = {
            "read": len(batch.rows),
            "inserted": len(found.inserted),
            "updated": len(found.updated),
            "unchanged": found.unchanged + len(found.gone) - len(gone),
            "deleted": len(gone),
            "superseded": found.superseded,
            "rejected": len(found.rejected),
        }
        for name, count in more.items():
            line[name] += count
        add_samples(samples, found)
        add_deleted(samples, "deleted", gone)

    def _end_type(self, declared: EntityType) -> None:
        """Find what the walk showed to be absent; say whether so many would wait for a person."""
        places = self.shadow.positions.pop(declared.name)
        vanished, first = seen.note_absent(self.shadow, self._types, declared, places)
        line = self.shadow.counts[declared.name]
        line["vanished"], line["state"] = vanished, "done"
        is_held = deletions.is_too_much(self.connection, declared, vanished)
        line["is_held"] = is_held or deletions.is_too_much_to_believe(
            self.connection, declared, line["deleted"]
        )
        add_deleted(self.shadow.samples[declared.name], "vanished", first)

    def _note(self, declared: EntityType, state: str, **more: Any) -> None:
        with transaction.atomic():
            self._hold_fence()
            line = self.shadow.counts.get(declared.name) or dict.fromkeys(OUTCOMES, 0)
            self.shadow.counts[declared.name] = {**line, "state": state, **more}
            self.shadow.positions.pop(declared.name, None)
            self._save()

    def _save(self) -> None:
        self.shadow.progress_at = database_now()
        self.shadow.save(update_fields=["counts", "samples", "positions", "progress_at"])

    def _open(self, *, refused: bool = False) -> Connector:
        self.close()
        self.connector = open_connector(
            self.connection,
            None,
            parents=self.parents,
            seconds=max(0.0, self.ends_at - monotonic()) + GRACE_SECONDS,
            refused=refused,
            actor=ACTOR,
        )
        return self.connector

    def close(self) -> None:
        if self.connector is not None:
            self.calls_before += self.connector.http.calls
            self.connector.http.close()
            self.connector = None

    def note_calls(self, exc: HubError | None = None) -> None:
        self.close()
        ShadowDiff.objects.filter(pk=self.shadow.pk).update(
            calls=F("calls") + self.calls_before,
            error_code=exc.code if exc else "",
            error=str(exc)[:500] if exc else "",
        )

    def end(self, state: SyncRun.State, exc: HubError | None = None) -> str:
        """End the diff, with what it has found; return a sentence."""
        with transaction.atomic():
            self._hold_fence()
            self.note_calls(exc)
            ShadowDiff.objects.filter(pk=self.shadow.pk).update(
                state=state, ended_at=database_now(), positions={}
            )
            self.shadow.batches.all().delete()
            _drop(self.due)
        return str(exc) if exc else f"Compared {self.shadow.totals['read']}."

    @property
    def _types(self) -> tuple[EntityType, ...]:
        assert self.connector is not None
        return self.connector.entity_types

    @property
    def _is_over(self) -> bool:
        return monotonic() >= self.ends_at or self.watch.stop.is_set()

    def _hold_fence(self) -> None:
        hold_fence(self.due.pk, self.due.fence)

    def _stop_if_asked(self) -> None:
        found = ShadowDiff.objects.values_list("cancel_asked_at", "connection__status")
        asked_at, status = found.get(pk=self.shadow.pk)
        if asked_at is not None:
            raise CancelledError("Somebody ended it.")
        if status not in ("active", "limited"):
            raise CancelledError(f"The connection is {status} now.")


def _drop(due: Due) -> None:
    """The work is through."""
    if not Due.objects.filter(pk=due.pk, fence=due.fence).delete()[0]:
        raise FencedError("Another worker has taken over.")
