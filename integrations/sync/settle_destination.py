"""How a destination's runs begin and its slices end: run, lease, destination and fleet together."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fleet.attempts import attempt_of, audit_failed
from hub.fleet.models import Due
from integrations import crash
from integrations.destinations.postgres import hold_fence
from integrations.errors import (
    AccessTokenRefusedError,
    FencedError,
    HubError,
    HubUnavailableError,
    RateLimitError,
    RetryableError,
    StalledError,
)
from integrations.models import Destination, DestinationRun
from integrations.resilience.backoff import Backoff
from integrations.sync.changes import lag_behind
from integrations.sync.destination_status import LOOK_EVERY, publish_destination
from integrations.sync.failures import NOT_ASKED
from integrations.sync.ledger import try_soon
from integrations.sync.open_destination import FOLLOWER
from integrations.sync.overdue import is_stalled

TRIES = 8  # failures in a row without progress; then the destination counts as blocked
# Waits that somebody asked for, or that spare a call: they use up no tries.
ORDERLY = (*NOT_ASKED, RateLimitError)
BACKOFF = Backoff(first=15, longest=900)  # seconds
PROBES = (60, 120, 300, 600, 1800, 3600)  # seconds until a blocked one is looked at again
WAITS = "waits"


def opened_run(due: Due, destination: Destination) -> DestinationRun:
    """Return the run this slice works for: the open one, or a new one."""
    with transaction.atomic():
        hold_fence(due.pk, due.fence)
        run = find_open_run(destination)
        if run is None:
            run = DestinationRun(
                destination=destination,
                from_change=destination.checkpoint,
                to_change=destination.checkpoint,
            )
        run.slices += 1
        run.save()
    return run


def find_open_run(destination: Destination) -> DestinationRun | None:
    return DestinationRun.objects.filter(destination=destination, state="running").first()


def held(due: Due, destination: Destination) -> bool:
    """Hold lease and feed until the transaction ends; False if the feed was begun again meanwhile.

    What was written for the feed before says nothing of the one that follows.
    """
    row = Destination.objects.select_for_update(no_key=True).filter(pk=destination.pk)
    generation = row.values_list("generation", flat=True).first()
    hold_fence(due.pk, due.fence)
    return generation == destination.generation


def note_reached(due: Due, destination: Destination, schema: dict[str, Any]) -> None:
    """Remember what was found or made there; what was blocked works again.

    Where everything is to be written anew, what was found before that is not remembered.
    """
    with transaction.atomic():
        row = Destination.objects.select_for_update(no_key=True).get(pk=destination.pk)
        hold_fence(due.pk, due.fence)
        was_blocked = row.status == Destination.Status.BLOCKED
        if row.generation == destination.generation:
            row.schema = schema
        row.error_code = row.error = ""
        if was_blocked:
            row.status = Destination.Status.ACTIVE
            try_soon(row)
            record_event(AuditAction.DESTINATION_REPAIRED, actor=FOLLOWER, target=row)
        row.save(update_fields=["schema", "status", "error_code", "error", "updated_at"])
    for name in ("schema", "status", "error_code", "error"):
        setattr(destination, name, getattr(row, name))


def nothing_to_do(due: Due, destination: Destination | None) -> None:
    """Give the lease back: the destination is gone or paused, unless somebody just resumed it."""
    with transaction.atomic():
        if destination is not None:
            row = Destination.objects.select_for_update(no_key=True).filter(pk=destination.pk)
            if (now := row.first()) is not None and not now.is_paused:
                Due.objects.release(due.pk, fence=due.fence, due_at=Now(), attempts=0)
                return
            open_runs = DestinationRun.objects.filter(destination=destination, state="running")
            open_runs.update(state=DestinationRun.State.CANCELLED, ended_at=database_now())
        Due.objects.release(due.pk, fence=due.fence, due_at=None, attempts=0)


def to_be_continued(
    due: Due, destination: Destination, run: DestinationRun | None, *, calls: int
) -> None:
    """Give the lease back with the run open and due at once."""
    with transaction.atomic():
        _add_calls(run, calls)
        destination.refresh_from_db(fields=("status", "checkpoint"))
        _release(due, due_at=Now(), parked_reason="", failures=0)
        publish_destination(destination, with_counts=run is not None)


def caught_up(due: Due, destination: Destination, run: DestinationRun | None, *, calls: int) -> str:
    """End the run well. What changed meanwhile is due at once."""
    crash.hit("before_destination_release")
    with transaction.atomic():
        # Whoever changed records and woke us is either committed, and seen below, or waits for
        # the due row and wakes us afterwards. The destination's row comes first, as everywhere.
        Destination.objects.select_for_update(no_key=True).filter(pk=destination.pk).first()
        Due.objects.select_for_update().filter(pk=due.pk).first()
        destination.refresh_from_db(fields=("checkpoint", "status"))
        destination.caught_up_at = database_now()
        Destination.objects.filter(pk=destination.pk).update(caught_up_at=destination.caught_up_at)
        if run is not None:
            _end(run, DestinationRun.State.SUCCEEDED, calls=calls)
        has_more = lag_behind(destination.checkpoint).changes > 0
        publish_destination(destination, with_counts=run is not None)
        due_at = Now() if has_more else Now() + _spread(LOOK_EVERY)
        _release(due, due_at=due_at, parked_reason="", failures=0)
    if run is None:
        return "Nothing has changed."
    totals = run.totals
    return "Caught up: " + ", ".join(f"{n} {name}" for name, n in totals.items() if n) + "."


def stopped(
    due: Due,
    destination: Destination,
    run: DestinationRun | None,
    exc: HubError,
    *,
    calls: int,
    has_progressed: bool,
) -> str:
    """Wait, or say what must be repaired and look again later; return one sentence."""
    if isinstance(exc, RetryableError):
        exc = _gets_nowhere(run, exc) or exc
    has_tries = due.failures < TRIES or isinstance(exc, ORDERLY)
    if isinstance(exc, RetryableError) and has_tries:
        return _waits(due, destination, run, exc, calls=calls, has_progressed=has_progressed)
    sentence = str(exc)
    if isinstance(exc, AccessTokenRefusedError):
        sentence = "The access is no longer accepted. Enter a new one."
    with transaction.atomic():
        row = Destination.objects.select_for_update(no_key=True).get(pk=destination.pk)
        # Of what may pass by itself the sentence says for how many seconds, differently each time.
        is_known = isinstance(exc, RetryableError) or row.error == sentence[:500]
        is_known = is_known and row.error_code == exc.code
        is_news = row.status != Destination.Status.BLOCKED or not is_known
        if not row.is_paused:
            row.status = Destination.Status.BLOCKED
            row.error_code, row.error = exc.code, sentence[:500]
            row.save(update_fields=["status", "error_code", "error", "updated_at"])
        if run is not None:
            _end(run, DestinationRun.State.FAILED, calls=calls, code=exc.code, error=sentence)
        publish_destination(row, with_counts=run is not None)
        if is_news:
            record_event(
                AuditAction.DESTINATION_BLOCKED,
                actor=FOLLOWER,
                target=row,
                detail={**attempt_of(due), "code": exc.code, "reason": sentence[:500]},
            )
        elif not isinstance(exc, NOT_ASKED):
            audit_failed(due, reason=exc.code, target=row)
        wait = PROBES[min(due.failures, len(PROBES) - 1)]
        due_at = None if row.is_paused else Now() + timedelta(seconds=wait)
        _release(due, due_at=due_at, parked_reason=row.status, failures=F("failures") + 1)
    return sentence


def added(before: dict[str, Any], counts: Counter[str]) -> dict[str, int]:
    """The counts of a run with these on top; "read" is the sum of all but "linked"."""
    names = (*DestinationRun.OUTCOMES, "linked")
    after = {name: int(before.get(name, 0)) + counts[name] for name in names}
    return {"read": sum(after[name] for name in DestinationRun.OUTCOMES), **after}


def _waits(
    due: Due,
    destination: Destination,
    run: DestinationRun | None,
    exc: RetryableError,
    *,
    calls: int,
    has_progressed: bool,
) -> str:
    wait = exc.retry_after
    if wait is None:
        wait = max(1.0, BACKOFF.wait(due.failures + 1, random.random))
    with transaction.atomic():
        _add_calls(run, calls)
        if run is not None:
            run.error_code, run.error = exc.code, str(exc)[:500]
            run.save(update_fields=["error_code", "error"])
        destination.refresh_from_db(fields=("status", "checkpoint"))
        if wait and not has_progressed and not isinstance(exc, NOT_ASKED):
            audit_failed(due, reason=exc.code, target=destination)
        has_failed = wait and not isinstance(exc, ORDERLY)
        _release(
            due,
            due_at=Now() + timedelta(seconds=wait),
            parked_reason=WAITS if wait else "",
            failures=F("failures") + (1 if has_failed else 0),
        )
        publish_destination(destination)
    return f"Waits {wait:.0f} s: {exc}"


def _gets_nowhere(run: DestinationRun | None, exc: RetryableError) -> StalledError | None:
    """What is said of a run that has only waited for too long, whatever it waited for.

    Never while the hub's own database or store does not serve us: that is nothing to repair there.
    """
    if run is None or isinstance(exc, HubUnavailableError):
        return None
    if not is_stalled(run.started_at, run.progress_at):
        return None
    hours = f"{settings.HUB_RUN_HOURS:g} hours"
    return StalledError(f"Nothing could be written there for more than {hours}: {exc}")


def _add_calls(run: DestinationRun | None, calls: int) -> None:
    if run is not None:
        DestinationRun.objects.filter(pk=run.pk).update(calls=F("calls") + calls)


def _end(
    run: DestinationRun,
    state: DestinationRun.State,
    *,
    calls: int,
    code: str = "",
    error: str = "",
) -> None:
    run.state = state
    run.ended_at = database_now()
    run.error_code, run.error = code, error[:500]
    run.calls += calls
    run.save(update_fields=["state", "ended_at", "error_code", "error", "calls"])


def _release(due: Due, **changes: Any) -> None:
    if not Due.objects.release(due.pk, fence=due.fence, attempts=0, **changes):
        raise FencedError("Another worker has taken over.")


def _spread(span: timedelta) -> timedelta:
    return span * random.uniform(0.9, 1.1)
