"""How runs begin and how slices end: run, lease, connection and fleet, in one transaction each."""

import random
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fields import uuid7
from hub.fleet.models import ConnectionStatus, Due
from integrations import crash
from integrations.errors import (
    AccessTokenRefusedError,
    AppRefusedError,
    CancelledError,
    FencedError,
    HubError,
    ReauthorizationRequiredError,
    RetryableError,
)
from integrations.models import Connection, EntityTypeStatus, Record, RejectedRecord, SyncRun
from integrations.resilience.backoff import Backoff
from integrations.sync import status
from integrations.sync.health import APP_PROBE, mark_needs_reauth, mark_working, say_working
from tenants.actor import Actor

ENGINE = Actor.system("engine")
TRIES = 8  # waits in a row without progress; then the run fails and the interval decides
BACKOFF = Backoff(first=15, longest=900)  # seconds
TYPE_UNAVAILABLE = "entity_type_unavailable"
JITTER = 0.05  # of the interval, so that connections made together do not stay together


def opened_run(due: Due, connection: Connection) -> SyncRun:
    """Return the run this slice works for: the open one, or a new one for the schedule."""
    with transaction.atomic():
        run = SyncRun.objects.open().filter(connection=connection, lane=due.lane).first()
        if run is None:
            run = SyncRun(id=due.run_id or uuid7(), connection=connection, lane=due.lane)
        if run.state == SyncRun.State.QUEUED:
            run.state = SyncRun.State.RUNNING
            run.started_at = timezone.now()
            run.counts = {}
        run.slices += 1
        run.save()
        held = Due.objects.filter(pk=due.pk, fence=due.fence).update(run_id=run.pk)
        if not held:
            raise FencedError("Another worker has taken over.")
        status.publish_run(run)
    return run


def nothing_to_do(due: Due, connection: Connection | None) -> None:
    """Give the lease back: the connection is gone, paused or waits for a person."""
    with transaction.atomic():
        if connection is not None:
            SyncRun.objects.open().filter(connection=connection, lane=due.lane).update(
                state=SyncRun.State.CANCELLED, ended_at=timezone.now()
            )
        Due.objects.release(due.pk, fence=due.fence, due_at=None, run_id=None, attempts=0)


def to_be_continued(due: Due, run: SyncRun, *, calls: int) -> None:
    """Give the lease back with the run open and due at once."""
    with transaction.atomic():
        SyncRun.objects.filter(pk=run.pk).update(calls=F("calls") + calls)
        _release(due, due_at=Now())


def succeeded(due: Due, connection: Connection, run: SyncRun, *, calls: int) -> None:
    """End the run well: the connection works, whatever was said of it before."""
    crash.hit("before_release")
    with transaction.atomic():
        unavailable = EntityTypeStatus.objects.filter(connection=connection).exclude(
            unavailable_reason=""
        )
        reasons = dict(unavailable.values_list("entity_type", "unavailable_reason"))
        _compare(connection, run, calls=run.calls + calls)
        _end(run, SyncRun.State.SUCCEEDED, calls=calls)
        mark_working(connection)
        _say_what_is_missing(connection, reasons)
        _publish_counts(connection)
        _release(due, due_at=_next(connection), run_id=None, attempts=0, failures=0)
    crash.hit("after_release")


def stopped(due: Due, connection: Connection, run: SyncRun, exc: HubError, *, calls: int) -> str:
    """End the slice, and perhaps the run, as the class of `exc` asks; return one sentence."""
    with transaction.atomic():
        if isinstance(exc, CancelledError):
            _end(run, SyncRun.State.CANCELLED, calls=calls, exc=exc)
            due_at = _next(connection) if _can_sync_now(connection) else None
            _release(due, due_at=due_at, run_id=None, attempts=0)
            return str(exc)
        if isinstance(exc, RetryableError) and due.failures < TRIES:
            wait = _wait(exc, due.failures)
            SyncRun.objects.filter(pk=run.pk).update(
                calls=F("calls") + calls, error_code=exc.code, error=str(exc)[:500]
            )
            failures = F("failures") + (1 if wait else 0)
            _release(due, due_at=Now() + timedelta(seconds=wait), failures=failures, attempts=0)
            return f"Waits {wait:.0f} s: {exc}"
        _end(run, SyncRun.State.FAILED, calls=calls, exc=exc)
        record_event(
            AuditAction.SYNC_FAILED,
            actor=ENGINE,
            target=connection,
            detail={"run": str(run.pk), "code": exc.code, "error": str(exc)[:500]},
        )
        _publish_counts(connection)
        needs_person = isinstance(exc, ReauthorizationRequiredError | AccessTokenRefusedError)
        due_at = None if needs_person else _next(connection)
        if isinstance(exc, AppRefusedError):
            due_at = Now() + APP_PROBE
        _release(due, due_at=due_at, run_id=None, attempts=0, failures=F("failures") + 1)
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
        else:
            connection.error_code = exc.code
            connection.error = str(exc)[:500]
            connection.save(update_fields=["error_code", "error", "updated_at"])
            status.publish(connection)
    return str(exc)


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
    before = whole.order_by("-created_at").values_list("calls", flat=True).first()
    run.calls_saved = None if before is None else max(0, before - calls)


def _end(run: SyncRun, state: SyncRun.State, *, calls: int, exc: HubError | None = None) -> None:
    run.state = state
    run.ended_at = timezone.now()
    run.error_code = exc.code if exc else ""
    run.error = str(exc)[:500] if exc else ""
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
    if not Due.objects.release(due.pk, fence=due.fence, **changes):
        raise FencedError("Another worker has taken over.")


def _wait(exc: RetryableError, failures: int) -> float:
    if exc.retry_after is not None:
        return exc.retry_after
    return max(1.0, BACKOFF.wait(failures + 1, random.random))


def _next(connection: Connection) -> Any:
    spread = 1 + random.uniform(-JITTER, JITTER)
    return Now() + timedelta(seconds=connection.interval_seconds * spread)


def _can_sync_now(connection: Connection) -> bool:
    return Connection.objects.active().filter(pk=connection.pk).exists()


def _publish_counts(connection: Connection) -> None:
    records = Record.objects.present().filter(connection_id=connection.pk).count()
    rejected = RejectedRecord.objects.filter(connection=connection, resolved_at=None).count()
    ConnectionStatus.objects.filter(connection_id=connection.pk).update(
        records=records, rejected=rejected
    )
