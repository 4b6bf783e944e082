"""How runs begin and how slices end: run, lease, connection and fleet, in one transaction each."""

import random
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.expressions import Combinable
from django.db.models.functions import Least, Now

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fields import uuid7
from hub.fleet.attempts import attempt_of, audit_failed
from hub.fleet.models import ConnectionStatus, Due
from integrations.errors import (
    AccessTokenRefusedError,
    AppRefusedError,
    CancelledError,
    FencedError,
    HubError,
    ReauthorizationRequiredError,
    RetryableError,
    UnknownProviderError,
)
from integrations.models import Connection, EntityTypeStatus, Record, RejectedRecord, SyncRun
from integrations.resilience.backoff import Backoff
from integrations.sync import failures, lanes, positions, rhythm, status
from integrations.sync.counts import note
from integrations.sync.credentials import blame_app
from integrations.sync.failures import NOT_ASKED, TRIES
from integrations.sync.health import (
    APP_PROBE,
    mark_needs_reauth,
    mark_working,
    say_working,
    work_of,
)
from integrations.sync.order import ENDED, in_order
from tenants.actor import Actor

ENGINE = Actor.system("engine")
BACKOFF = Backoff(first=15, longest=900)  # seconds
TYPE_UNAVAILABLE = "entity_type_unavailable"


def opened_run(due: Due, connection: Connection) -> SyncRun | None:
    """Return the run this slice works for: the open one, or a new one for the schedule.

    None in the lane "backfill" if its run was ended meanwhile: that lane begins none.
    """
    try:
        return _opened_run(due, connection)
    except IntegrityError as exc:
        if "sync_run_one_open_per_lane" not in str(exc):
            raise
        return _opened_run(due, connection)  # somebody has asked for it at the same moment


def _opened_run(due: Due, connection: Connection) -> SyncRun | None:
    with transaction.atomic():
        # Held, so that nobody asks it to end between reading and writing it.
        runs = SyncRun.objects.open().select_for_update()
        run = runs.filter(connection=connection, lane=due.lane).first()
        if run is None and due.lane == SyncRun.Lane.BACKFILL:
            _release(due, run_id=None)
            return None
        if run is None:
            run = SyncRun(id=due.run_id or uuid7(), connection=connection, lane=due.lane)
        if run.state == SyncRun.State.QUEUED:
            run.state = SyncRun.State.RUNNING
            run.started_at = database_now()
            run.counts = {}
        run.connection = connection
        run.slices += 1
        run.save()
        held = Due.objects.filter(pk=due.pk, fence=due.fence).update(run_id=run.pk)
        if not held:
            raise FencedError("Another worker has taken over.")
        status.publish_run(run)
    return run


def nothing_to_do(due: Due, connection: Connection | None) -> None:
    """Give the lease back: the connection is gone, paused or waits for a person.

    If somebody has just put that right, there is something to do again, now.
    """
    with transaction.atomic():
        if connection is not None:
            open_runs = SyncRun.objects.open().filter(connection=connection, lane=due.lane)
            runs = list(open_runs.select_for_update())
            now = _held(connection)
            if now.can_sync or now.waits_for_app:
                _release(due, due_at=Now(), attempts=0)
                return
            for run in runs:
                run.connection = connection
                _end(run, SyncRun.State.CANCELLED, calls=0)
        _release(due, due_at=None, run_id=None, attempts=0)


def to_be_continued(due: Due, connection: Connection, run: SyncRun, *, calls: int) -> None:
    """Give the lease back with the run open and due at once.

    A run that is still reading something in full goes on in the lane "backfill", so that the
    schedule of the others is not held up. It keeps its id; only one can be there at a time. What it
    has not begun and need not read in full stays behind in "live", where it is due at once.
    """
    with transaction.atomic():
        SyncRun.objects.filter(pk=run.pk).update(calls=F("calls") + calls)
        if due.lane == SyncRun.Lane.BACKFILL or not lanes.moves_to_backfill(connection, run):
            _release(due, due_at=Now())
            return
        is_left = lanes.leave_to_live(connection, run)
        run.lane = SyncRun.Lane.BACKFILL
        run.save(update_fields=["lane"])
        Due.objects.update_or_create(
            tenant_id=due.tenant_id,
            kind=due.kind,
            object_id=due.object_id,
            lane=run.lane,
            defaults={
                "provider": due.provider,
                "interval_seconds": due.interval_seconds,
                "due_at": Now(),
                "run_id": run.pk,
                "attempts": 0,
                "failures": 0,
                "parked_reason": "",
            },
        )
        next_at = Now() if is_left else _next(connection)
        _release(due, due_at=next_at, run_id=None, attempts=0, failures=0)


def through(due: Due, connection: Connection, run: SyncRun, *, calls: int) -> str:
    """End a run that has read all it can; return why it has failed, '' if it has not.

    It has failed if an entity type has. What waits for that type waits for the next run.
    """
    failed = failures.failed_types(run)
    if not failed:
        _succeeded(due, connection, run, calls=calls)
        return ""
    error = " ".join(f"{name}: {line['reason']}" for name, line in failed.items())[:500]
    code = next(iter(failed.values()))["error_code"]
    with transaction.atomic():
        now = _hold(run)
        for each in in_order(lanes.types_of(connection), run.entity_types):
            if run.counts.get(each.name, {}).get("state") not in (*ENDED, "failed"):
                note(run, each.name, "blocked")
        _release(due, due_at=_next(connection), run_id=None, attempts=0, failures=F("failures") + 1)
        soon = [line["again_in"] for line in failed.values() if "again_in" in line]
        if soon:
            waiting = Due.objects.for_object(connection).filter(lane=SyncRun.Lane.LIVE)
            soonest = Least("due_at", Now() + timedelta(seconds=min(soon)))
            waiting.filter(due_at__isnull=False).update(due_at=soonest)
        _fail(due, connection, run, code, error, calls=calls)
        _say_what_is_wrong(now, code, error)
    return error


def _succeeded(due: Due, connection: Connection, run: SyncRun, *, calls: int) -> None:
    """The connection works, whatever was said of it before."""
    with transaction.atomic():
        _hold(run)
        unavailable = EntityTypeStatus.objects.filter(connection=connection).exclude(
            unavailable_reason=""
        )
        reasons = dict(unavailable.values_list("entity_type", "unavailable_reason"))
        _compare(connection, run, calls=run.calls + calls)
        mark_working(connection)
        _end(run, SyncRun.State.SUCCEEDED, calls=calls)
        _say_what_is_missing(connection, reasons)
        _publish_counts(connection)
        _release(due, due_at=_next(connection, run), run_id=None, attempts=0, failures=0)


def stopped(
    due: Due,
    connection: Connection,
    run: SyncRun,
    exc: HubError,
    *,
    calls: int,
    has_progressed: bool,
) -> str:
    """End the slice, and perhaps the run, as the class of `exc` asks; return one sentence."""
    with transaction.atomic():
        if isinstance(exc, RetryableError):
            exc = _asked_to_end(run) or exc
        if isinstance(exc, CancelledError):
            again_at = _next(connection) if _hold(run).can_sync else None
            _end(run, SyncRun.State.CANCELLED, calls=calls, code=exc.code, error=str(exc)[:500])
            _release(due, due_at=again_at, run_id=None, attempts=0)
            return str(exc)
        was_asked = not isinstance(exc, NOT_ASKED)
        if isinstance(exc, RetryableError) and (due.failures < TRIES or not was_asked):
            wait = wait_for(exc, due.failures)
            SyncRun.objects.filter(pk=run.pk).update(
                calls=F("calls") + calls, error_code=exc.code, error=str(exc)[:500]
            )
            is_failure = wait > 0 and was_asked
            if is_failure and not has_progressed:
                audit_failed(due, reason=exc.code, target=connection)
            times = F("failures") + int(is_failure)
            _release(due, due_at=Now() + timedelta(seconds=wait), failures=times, attempts=0)
            return f"Waits {wait:.0f} s: {exc}"
        now = _hold(run)
        needs_person = isinstance(exc, ReauthorizationRequiredError | AccessTokenRefusedError)
        if needs_person or isinstance(exc, AppRefusedError):
            work_of(connection).hold()
        _fail(due, connection, run, exc.code, str(exc)[:500], calls=calls)
        due_at: Any = None if needs_person else _next(connection)
        is_settled = needs_person and _has_new_access(connection)
        if is_settled:
            due_at = Now()
        if isinstance(exc, AppRefusedError):
            due_at = Now() + APP_PROBE
        _release(due, due_at=due_at, run_id=None, attempts=0, failures=F("failures") + 1)
        if is_settled:
            return str(exc)
        if needs_person:
            # What access_for has found out itself, it has said already and more exactly.
            if connection.status != Connection.Status.NEEDS_REAUTH:
                mark_needs_reauth(
                    connection,
                    reason_code=exc.code,
                    operator=str(exc)[:500],
                    customer="The connection has lost its access. Please reconnect it.",
                    actor=ENGINE,
                )
        elif isinstance(exc, AppRefusedError):
            blame_app(connection, exc, actor=ENGINE)
        else:
            _say_what_is_wrong(now, exc.code, str(exc)[:500])
    return str(exc)


def wait_for(exc: RetryableError, failures: int) -> float:
    """Seconds until one asks again: as the error says, or the back-off.

    What was waited for in vain before is waited for longer: else a provider that says "in a second"
    for a minute would use up all tries.
    """
    if exc.retry_after is None:
        return max(1.0, BACKOFF.wait(failures + 1, random.random))
    if failures == 0 or exc.retry_after == 0 or isinstance(exc, NOT_ASKED):
        return exc.retry_after
    return max(exc.retry_after, BACKOFF.wait(failures, random.random))


def _fail(
    due: Due, connection: Connection, run: SyncRun, code: str, error: str, *, calls: int
) -> None:
    _end(run, SyncRun.State.FAILED, calls=calls, code=code, error=error)
    record_event(
        AuditAction.SYNC_FAILED,
        outcome=Outcome.FAILED,
        actor=ENGINE,
        target=connection,
        detail={**attempt_of(due), "run": str(run.pk), "code": code, "error": error},
    )
    _publish_counts(connection)


def _say_what_is_wrong(connection: Connection, code: str, error: str) -> None:
    """Of a connection that is paused, or was found broken meanwhile, that says enough."""
    if not connection.can_sync:
        return
    connection.error_code, connection.error = code, error
    connection.save(update_fields=["error_code", "error", "updated_at"])
    status.publish(connection)


def _say_what_is_missing(connection: Connection, reasons: dict[str, str]) -> None:
    """A connection without some entity types is limited, until it has them all again."""
    was_missing = connection.error_code == TYPE_UNAVAILABLE
    if reasons and connection.status == Connection.Status.ACTIVE:
        connection.status = Connection.Status.LIMITED
        connection.error_code = TYPE_UNAVAILABLE
        connection.error = f"Without {', '.join(reasons)}: {next(iter(reasons.values()))}"[:500]
    elif was_missing and not reasons:
        say_working(connection)
    else:
        return
    connection.save(
        update_fields=["status", "error_code", "error", "customer_message", "updated_at"]
    )
    status.publish(connection)


def _compare(connection: Connection, run: SyncRun, *, calls: int) -> None:
    """Say of a run over all types whether it read everything, or how many calls that has saved.

    Measured against the last run that did read everything; unknown while there is none.
    """
    if run.entity_types:
        return
    run.is_whole = all(line.get("from_start", False) for line in run.counts.values())
    if run.is_whole:
        return
    whole = SyncRun.objects.filter(connection=connection, is_whole=True).exclude(pk=run.pk)
    of_sync = F("calls") - F("preflight_calls")
    before = whole.order_by("-created_at").values_list(of_sync, flat=True).first()
    mine = calls - run.preflight_calls
    run.calls_saved = None if before is None else max(0, before - mine)


def _end(
    run: SyncRun, state: SyncRun.State, *, calls: int, code: str = "", error: str = ""
) -> None:
    run.state = state
    run.ended_at = max(database_now(), run.started_at or run.created_at)
    run.error_code, run.error = code, error
    run.calls = run.calls + calls
    run.save(
        update_fields=[
            "state",
            "ended_at",
            "error_code",
            "error",
            "calls",
            "is_whole",
            "calls_saved",
        ]
    )
    status.publish_run(run)


def _release(due: Due, **changes: Any) -> None:
    """Give the lease back. The lane "backfill" has work only while its run is open."""
    mine = Due.objects.filter(pk=due.pk, fence=due.fence, lease_until__isnull=False)
    is_through = due.lane == SyncRun.Lane.BACKFILL and "run_id" in changes
    held = mine.delete()[0] if is_through else mine.give_back(**changes)
    if not held:
        raise FencedError("Another worker has taken over.")


def _next(connection: Connection, run: SyncRun | None = None) -> Combinable:
    """When the schedule comes round again, after what `run` has read; by the database's clock."""
    try:
        types = in_order(lanes.types_of(connection))
    except UnknownProviderError:  # its connector is not installed here, or not yet
        types = []
    statuses = positions.statuses_of(connection, types)
    states = {name: line.get("state") for name, line in run.counts.items()} if run else {}
    untouched = {each.name for each in types if states.get(each.name, "waiting") == "waiting"}
    passed_over = untouched if run else ()
    next_at = rhythm.next_at(connection, types, statuses, passed_over=passed_over)
    return Now() + (next_at - database_now())


def _asked_to_end(run: SyncRun) -> CancelledError | None:
    """Why the run ends rather than waits; it is held, so that nobody asks before it waits."""
    if SyncRun.objects.select_for_update().get(pk=run.pk).cancel_asked_at is not None:
        return CancelledError("Somebody cancelled the run.")
    # Looked up once the run is held: whoever pauses holds it too, and may just have committed.
    paused = Connection.objects.filter(pk=run.connection_id, status=Connection.Status.PAUSED)
    return CancelledError("The connection is paused now.") if paused.exists() else None


def _hold(run: SyncRun) -> Connection:
    """Hold the run and then its connection, before anything else, and return that as it is now.

    Whoever changes a connection has it first, and its work and what operations see of it after.
    """
    SyncRun.objects.select_for_update().filter(pk=run.pk).first()
    return _held(run.connection)


def _held(connection: Connection) -> Connection:
    """The row as it is now; nobody pauses, resumes or reconnects it before the end.

    Whoever does makes its work due before that is committed, and here it must not be undone. Runs
    are held before it, as everywhere.
    """
    row: Connection = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    return row


def _has_new_access(connection: Connection) -> bool:
    """Whether somebody reconnected it since this slice was refused."""
    now = _held(connection)
    return now.can_sync and now.credential_generation != connection.credential_generation


def _publish_counts(connection: Connection) -> None:
    system = connection.source_system  # whichever connection has read it
    records = Record.objects.present().filter(source_system=system).count()
    rejected = RejectedRecord.objects.filter(source_system=system, resolved_at=None).count()
    ConnectionStatus.objects.filter(connection_id=connection.pk).update(
        records=records, rejected=rejected
    )
