"""Asking for a sync, asking one to end, and ending one whose worker dies again and again."""

from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fleet.models import Due
from integrations.connectors.registry import get_connector
from integrations.errors import (
    AlreadyRunningError,
    CancelledError,
    ConnectionNotActiveError,
    InvalidInputError,
)
from integrations.models import Connection, SyncRun
from integrations.services.rhythm import declared_type, refuse_too_soon
from integrations.sync import status
from integrations.sync.order import in_order
from integrations.sync.rhythm import next_at
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

LANE = "live"
# Two askers may meet a run that ends between the two statements; then it is asked for again.
TRIES = 3


@requires_role(Role.OPERATOR)
def request_sync(
    *,
    connection: Connection,
    actor: Actor,
    trigger: str,
    mode: str = SyncRun.Mode.INCREMENTAL,
    entity_types: Sequence[str] = (),
    not_before: datetime | None = None,
) -> SyncRun:
    """Return a new run of `connection` that is due now; a worker unit will claim it.

    Mode "full" forgets the positions of the types and reads them from the beginning, "backfill"
    from `not_before` on. While a run is open, asking for the same or for an incremental one of the
    same types gives that run; while a full read goes on beside the schedule, an incremental one is
    begun.

    Raises:
        AlreadyRunningError: a run is open that would not do what is asked for.
        ReadTooSoonError: the provider does not allow what is named to be read in full again yet,
            or nothing at all; what is not named is left out of the run.
        ConnectionNotActiveError: it is paused, or waits for a person to reconnect it.
        InvalidInputError: the provider has no such entity type, there is no such mode, or the
            date does not fit.
    """
    connection.check_can("sync")
    if mode not in SyncRun.Mode.values:
        raise InvalidInputError(
            f"There is no mode {mode!r}; use {' or '.join(SyncRun.Mode.values)}."
        )
    _check_date(mode, not_before)
    check_entity_types(connection, entity_types)
    for _ in range(TRIES):
        if (run := _open_run(connection, mode)) is not None:
            asked = (mode, set(entity_types), not_before)
            does = (run.mode, set(run.entity_types), run.not_before)
            is_more = mode != SyncRun.Mode.INCREMENTAL and asked != does
            is_ending = run.cancel_asked_at is not None
            if is_more or is_ending or not _reads(run, entity_types):
                raise AlreadyRunningError(
                    f"{connection} is being synced; ask for the {mode} sync when that run has"
                    " ended."
                )
            return run
        if mode != SyncRun.Mode.INCREMENTAL:
            refuse_too_soon(connection, entity_types)
        try:
            return _new_run(connection, actor, trigger, mode, entity_types, not_before)
        except IntegrityError as exc:
            if "sync_run_one_open_per_lane" not in str(exc):
                raise
    raise AlreadyRunningError(f"{connection} is being synced by others; look again.")


@requires_role(Role.OPERATOR)
@transaction.atomic
def cancel_sync(*, run: SyncRun, actor: Actor) -> SyncRun:
    """Return the run ended, or asked to end if a worker is at it: then within one batch.

    What was committed stays. Safe to call twice, and for a run that has ended already.
    """
    runs = SyncRun.objects.select_for_update(of=("self",)).select_related("connection")
    run = runs.get(pk=run.pk)
    if not run.is_open or run.cancel_asked_at is not None:
        return run
    run.cancel_asked_at = database_now()
    run.save(update_fields=["cancel_asked_at"])
    _end_if_free(run, due_at=_next_at(run.connection))
    record_event(AuditAction.SYNC_CANCELLED, actor=actor, target=run.connection, detail=_named(run))
    return run


def waits_until(run: SyncRun) -> datetime | None:
    """When an open run that waits goes on; None if it is at work, about to be, or over.

    Its `error` says for what it waits.
    """
    if not run.is_open:
        return None
    work = Due.objects.free().filter(object_id=run.connection_id, run_id=run.pk)
    return work.filter(due_at__gt=Now()).values_list("due_at", flat=True).first()


def held_runs(connection: Connection) -> list[SyncRun]:
    """The open runs of the connection, locked: first of all, as slices and who cancels do."""
    runs = SyncRun.objects.open().filter(connection=connection)
    return list(runs.select_for_update(of=("self",)).select_related("connection"))


def end_paused_runs(runs: Sequence[SyncRun]) -> None:
    """End those of the `held_runs` that nobody works on; a worker ends the others at a position."""
    for run in runs:
        reason = "The connection is paused now."
        _end_if_free(run, due_at=None, code=CancelledError.code, error=reason)


@transaction.atomic
def end_parked_run(*, due: Due) -> None:
    """End the run of work that was parked after too many claims without progress.

    The connection keeps its status; asking for a sync puts the work back.
    """
    if due.run_id is None:
        return
    run = SyncRun.objects.open().filter(pk=due.run_id).select_related("connection").first()
    Due.objects.filter(pk=due.pk, fence=due.fence).update(run_id=None)
    if run is None:
        return
    run.state = SyncRun.State.FAILED
    run.ended_at = database_now()
    run.error_code = due.parked_reason
    run.error = (
        f"The worker ended {due.attempts} times in this run without progress, so it is not tried"
        " again by itself. Look for memory or time limits, then start the sync."
    )
    run.save(update_fields=["state", "ended_at", "error_code", "error"])
    status.publish_run(run)
    record_event(
        AuditAction.SYNC_FAILED,
        outcome=Outcome.FAILED,
        actor=Actor.system("worker"),
        target=run.connection,
        detail={**_named(run), "code": run.error_code},
    )


def check_entity_types(connection: Connection, asked: Sequence[str]) -> None:
    """Raises InvalidInputError if one of them is no entity type that is read by itself."""
    for name in asked:
        try:
            declared_type(connection, name)
        except InvalidInputError as exc:
            raise InvalidInputError(exc.message, {"entity_types": [exc.message]}) from exc


def _check_date(mode: str, not_before: datetime | None) -> None:
    problem = ""
    if (mode == SyncRun.Mode.BACKFILL) != (not_before is not None):
        problem = "A backfill needs the date it begins at, and only a backfill takes one."
    elif not_before is not None and not_before >= timezone.now():
        problem = "A backfill begins in the past."
    if problem:
        raise InvalidInputError(problem, {"not_before": [problem]})


def _open_run(connection: Connection, mode: str) -> SyncRun | None:
    """The run that is there already: of the schedule's lane, or any that reads in full."""
    runs = SyncRun.objects.open().filter(connection=connection)
    if mode == SyncRun.Mode.INCREMENTAL:
        runs = runs.filter(lane=LANE)
    return runs.order_by("lane").first()


def _reads(run: SyncRun, entity_types: Sequence[str]) -> bool:
    """Whether the run is about all of these types; none named are all there are.

    One of the schedule has passed over those that are not due yet.
    """
    if any(run.counts.get(name, {}).get("state") == "waiting" for name in entity_types):
        return False
    if not run.entity_types:
        return True
    return bool(entity_types) and set(entity_types) <= set(run.entity_types)


@transaction.atomic
def _new_run(
    connection: Connection,
    actor: Actor,
    trigger: str,
    mode: str,
    entity_types: Sequence[str],
    not_before: datetime | None,
) -> SyncRun:
    run = SyncRun.objects.create(
        connection=connection,
        lane=LANE,
        mode=mode,
        trigger=trigger,
        entity_types=list(entity_types),
        not_before=not_before,
    )
    if not Due.objects.ask_now(connection, run_id=run.pk, lane=LANE):
        raise ConnectionNotActiveError(f"{connection} has no place in the schedule; resume it.")
    status.publish_run(run)
    record_event(AuditAction.SYNC_REQUESTED, actor=actor, target=connection, detail=_named(run))
    return run


def _end_if_free(run: SyncRun, *, due_at: datetime | None, code: str = "", error: str = "") -> None:
    """End the run as cancelled unless a worker is at it; its connection is due at `due_at`."""
    free = Due.objects.for_object(run.connection).free().filter(run_id=run.pk)
    is_backfill = free.filter(lane=SyncRun.Lane.BACKFILL).delete()[0]
    if is_backfill or free.update(run_id=None, attempts=0, due_at=due_at):
        run.state, run.ended_at = SyncRun.State.CANCELLED, database_now()
        run.error_code, run.error = code, error
        run.save(update_fields=["state", "ended_at", "error_code", "error"])
        status.publish_run(run)


def _next_at(connection: Connection) -> datetime:
    types = in_order(get_connector(connection.provider).entity_types)
    statuses = {row.entity_type: row for row in connection.entity_type_statuses.all()}
    return next_at(connection, types, statuses)


def _named(run: SyncRun) -> dict[str, object]:
    return {"run": str(run.pk), "mode": run.mode, "entity_types": run.entity_types}
