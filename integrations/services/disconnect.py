"""Disconnecting, a saga: stop, revoke at the provider, forget, keep or purge records, done.

Each step leaves a line in the Disconnection when it is over and is safe to take again, so whoever
finds one under way goes on at the first step without a line: a worker, whose due row stays until
the last one. The first step is taken where it is asked for, so nothing more arrives from then on.
A provider that cannot be reached is asked again for a while; then the saga goes on without it, and
says so: credentials are forgotten in any case.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from time import monotonic
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from hub.audit.models import AuditAction, Outcome
from hub.audit.record import record_event, record_now
from hub.clock import database_now
from hub.fleet.models import ConnectionStatus, Due
from integrations import crash
from integrations.errors import FencedError, OperatorRequiredError, RetryableError
from integrations.identity.step import forget_account
from integrations.models import Connection, Disconnection, SyncRun
from integrations.resilience.backoff import Backoff
from integrations.services.purge import purge_account
from integrations.services.revocation import Revoked, failed, revoke_access
from integrations.sync.credentials import forget_credentials
from integrations.sync.feed import raise_floor
from integrations.sync.lease import LeaseWatch
from integrations.sync.status import publish, publish_run
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.roles import Role

SAGA = Actor.system("disconnect")
REVOKE_TRIES = 6  # over about a quarter of an hour
REVOKE_BACKOFF = Backoff(first=15, longest=600)  # seconds
TRIES_AT_ONCE = 2  # while somebody waits for the end


@dataclass(frozen=True)
class Pace:
    """How long to go on: until a worker is asked to stop, is overtaken or its slice is over, and
    how often a provider is asked.
    """

    watch: LeaseWatch = field(default_factory=LeaseWatch)
    tries: int = REVOKE_TRIES
    ends_at: float = inf  # monotonic
    claim: tuple[UUID, int] | None = None  # due row and fence; None for whoever waits for the end

    def stop_if_overtaken(self) -> None:
        """Called last before a call: what a provider ends knows no fence.

        Raises:
            FencedError: another worker has taken over; the account may be connected again by now.
        """
        if self.claim is not None and not Due.objects.is_held(self.claim[0], fence=self.claim[1]):
            raise FencedError("Another worker has taken over.")

    def stop_if_asked(self) -> None:
        if self.watch.stop.is_set() or self.watch.lost.is_set():
            raise LaterError(0, "The worker makes room.")

    def stop_if_over(self) -> None:
        """Called when something was done, so that every slice gets on."""
        self.stop_if_asked()
        if monotonic() >= self.ends_at:
            raise LaterError(0, "There are more records to delete.")


Step = Callable[[Disconnection, Pace], None]


class LaterError(Exception):
    """The rest is to be done in `seconds`. Raised and caught here."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds


@requires_role(Role.ADMIN)
def disconnect(*, connection: Connection, keep_records: bool, actor: Actor) -> Disconnection:
    """End the connection for good; return what is under way, which a worker finishes.

    When this returns nothing is read any more. Without `keep_records` its records, rejected
    records, checkpoints and runs are deleted. A second call changes nothing that was asked for
    before; it wakes work that was parked, and after the end returns how it went.
    """
    asked = _ask(connection, keep_records, actor)
    if asked.is_under_way:
        _take("stop", asked, Pace())
        _make_due(asked)
    connection.refresh_from_db(fields=("status",))
    return asked


def disconnect_at_once(*, connection: Connection, actor: Actor) -> Revoked:
    """Stop, revoke and forget here and now, for a tenant that is closed; return how revoking ended.

    What happens to records is the caller's. Safe to call again after a crash.
    """
    asked = _ask(connection, False, actor)
    for name in ("stop", "revoke", "forget"):
        while True:
            try:
                _take(name, asked, Pace(tries=TRIES_AT_ONCE))
                break
            except LaterError:
                continue
    line = asked.steps["revoke"]
    return Revoked(Disconnection.Outcome(line["outcome"]), line["sentence"])


def go_on(*, due_id: UUID, fence: int, watch: LeaseWatch, seconds: float = inf) -> str:
    """Take the steps that are left of the due row's disconnect for about `seconds`, and give the
    lease back.

    Called inside the tenant, with the lease held; returns a short sentence.

    Raises:
        FencedError: another worker has taken over; the provider was not asked.
    """
    due = Due.objects.get(pk=due_id)
    found = Disconnection.objects.select_related("connection").filter(pk=due.object_id).first()
    pace = Pace(watch, ends_at=monotonic() + seconds, claim=(due_id, fence))
    if found is not None and found.is_under_way:
        try:
            for name in STEPS:
                pace.stop_if_asked()
                _take(name, found, pace)
        except LaterError as later:
            due_at = Now() + timedelta(seconds=later.seconds)
            Due.objects.release(due_id, fence=fence, due_at=due_at, attempts=0)
            return f"Goes on in {later.seconds:.0f} s: {later}"
    Due.objects.filter(pk=due_id, fence=fence).delete()
    return "Disconnected."


@transaction.atomic
def end_parked_disconnect(*, due: Due) -> None:
    """Say of work that was parked that it waits for somebody to disconnect again."""
    asked = Disconnection.objects.filter(pk=due.object_id, ended_at=None).first()
    if asked is None:
        return
    row = Connection.objects.select_for_update(no_key=True).get(pk=asked.connection_id)
    row.error_code = due.parked_reason
    row.error = (
        f"The worker ended {due.attempts} times on the way to disconnect it, so it is not tried "
        "again by itself. Look for memory or time limits, then disconnect it again."
    )
    row.save(update_fields=["error_code", "error", "updated_at"])
    publish(row)
    detail = {"code": row.error_code, "sentence": row.error}
    action = AuditAction.CONNECTION_DISCONNECT_STEP
    record_event(action, actor=SAGA, outcome=Outcome.FAILED, target=row, detail=detail)


def _ask(connection: Connection, keep_records: bool, actor: Actor) -> Disconnection:
    """The disconnect that is under way or over, or a new one; from its commit on nothing renews."""
    with transaction.atomic():
        # Batches that are being committed refer to this row; they need not wait.
        row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
        known = row.disconnections.select_related("connection").first()
        if known is not None and row.is_leaving:
            return known
        row.status = Connection.Status.DISCONNECTING
        row.save(update_fields=["status", "updated_at"])
        asked = Disconnection.objects.create(
            connection=row,
            keep_records=keep_records,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_label=actor.label[:200],
        )
        _make_due(asked)
        record_event(
            AuditAction.CONNECTION_DISCONNECTING,
            actor=actor,
            target=row,
            detail={"keep_records": keep_records},
        )
    return asked


def _make_due(asked: Disconnection) -> None:
    """A worker takes the steps that are left, whatever stopped it before."""
    tenant = current_tenant()
    if not tenant.is_active:
        return  # it is being closed, which takes the steps itself
    work, is_new = Due.objects.get_or_create(
        tenant=tenant,
        kind=Due.Kind.DISCONNECT,
        object_id=asked.pk,
        lane="live",
        defaults={"provider": asked.connection.provider, "due_at": Now()},
    )
    if not is_new:
        parked = Due.objects.filter(pk=work.pk, due_at=None)
        parked.update(due_at=Now(), parked_reason="", attempts=0)


def _take(name: str, asked: Disconnection, pace: Pace) -> None:
    if name not in asked.steps:
        crash.hit(f"before_{name}")
        STEPS[name](asked, pace)
        crash.hit(f"after_{name}")


def _stop(asked: Disconnection, pace: Pace) -> None:
    """Runs end, and a slice that is at work commits nothing any more: its claim is gone."""
    connection = asked.connection
    # Apart: a batch holds its due row and then its run, and what ends a slice the run first. A run
    # that is asked for at this moment is committed before its due row can be deleted.
    with transaction.atomic():
        if not _is_open(asked, "stop"):
            return
        while Due.objects.for_object(connection).delete()[0]:
            pass  # a run that has just moved to its other lane is due there
    with transaction.atomic():
        if not _is_open(asked, "stop"):
            return
        ended = _end_runs(connection)
        publish(connection)
        sentence = "Its run was cancelled." if ended else "No run was open."
        _note(asked, "stop", Disconnection.Outcome.DONE, f"{sentence} Nothing is read any more.")


def _end_runs(connection: Connection) -> int:
    runs = list(SyncRun.objects.open().select_for_update().filter(connection=connection))
    for run in runs:
        run.connection = connection
        run.state = SyncRun.State.CANCELLED
        run.ended_at = database_now()
        run.save(update_fields=["state", "ended_at"])
        publish_run(run)
    return len(runs)


def _revoke(asked: Disconnection, pace: Pace) -> None:
    asked.connection.refresh_from_db()
    try:
        revoked = revoke_access(asked.connection, actor=SAGA, before=pace.stop_if_overtaken)
    except (RetryableError, OperatorRequiredError) as exc:
        Disconnection.objects.filter(pk=asked.pk).update(revoke_tries=F("revoke_tries") + 1)
        asked.refresh_from_db(fields=("revoke_tries",))
        if asked.revoke_tries < pace.tries:
            wait = REVOKE_BACKOFF.wait(asked.revoke_tries, random.random)
            asked_for = getattr(exc, "retry_after", None) or 0
            raise LaterError(min(max(1.0, wait, asked_for), 3600), str(exc)) from exc
        revoked = failed(asked.connection, exc)
    crash.hit("after_revoke_call")
    with transaction.atomic():
        if _is_open(asked, "revoke"):
            _note(asked, "revoke", revoked.outcome, revoked.sentence)


@transaction.atomic
def _forget(asked: Disconnection, pace: Pace) -> None:
    if not _is_open(asked, "forget"):
        return
    outcome = Disconnection.Outcome
    if forget_credentials(asked.connection):
        _note(asked, "forget", outcome.DONE, "The credentials are gone from the hub.")
    else:
        _note(asked, "forget", outcome.NOT_NEEDED, "The hub held no credentials.")


def _records(asked: Disconnection, pace: Pace) -> None:
    """Keep or purge. Nobody writes to this account's records: until the end it cannot be connected
    again, and the claim of a slice that was at work is gone.
    """
    sentence = "The records stay."
    if not asked.keep_records:
        purge_account(asked, after_chunk=pace.stop_if_over)
        sentence = "The records, rejected records, checkpoints and runs are deleted."
    with transaction.atomic():
        if _is_open(asked, "records"):
            if not asked.keep_records:
                raise_floor()
                forget_account(asked.connection.source_system)
            _note(asked, "records", Disconnection.Outcome.DONE, sentence)


@transaction.atomic
def _finish(asked: Disconnection, pace: Pace) -> None:
    """The status says so, and where the provider did not take part the reason says what is left."""
    if not _is_open(asked, "finish"):
        return
    row = Connection.objects.select_for_update(no_key=True).get(pk=asked.connection_id)
    revoked = asked.steps["revoke"]
    outcomes = Disconnection.Outcome
    is_left = revoked["outcome"] in (outcomes.NOT_POSSIBLE, outcomes.FAILED)
    row.status = Connection.Status.DISCONNECTED
    row.error_code = f"revoke_{revoked['outcome']}" if is_left else ""
    row.error = revoked["sentence"][:500] if is_left else ""
    row.customer_message = ""
    row.save(update_fields=["status", "error_code", "error", "customer_message", "updated_at"])
    publish(row)
    if not asked.keep_records:
        ConnectionStatus.objects.filter(connection_id=row.pk).update(records=0, rejected=0)
    asked.connection = row
    asked.ended_at = database_now()
    _note(asked, "finish", outcomes.DONE, "Disconnected.")
    record_event(
        AuditAction.CONNECTION_DISCONNECTED,
        actor=SAGA,
        target=row,
        detail={name: line["outcome"] for name, line in asked.steps.items()},
    )


def _is_open(asked: Disconnection, step: str) -> bool:
    """Hold the disconnect until the transaction ends; whether the step is still to be noted."""
    fresh = Disconnection.objects.select_for_update(no_key=True).get(pk=asked.pk)
    asked.steps, asked.ended_at = fresh.steps, fresh.ended_at
    return step not in asked.steps


def _note(asked: Disconnection, step: str, outcome: Disconnection.Outcome, sentence: str) -> None:
    asked.note(step, outcome, sentence)
    asked.save(update_fields=["steps", "ended_at"])
    detail = {"step": step, "outcome": outcome, "sentence": sentence}
    action, target = AuditAction.CONNECTION_DISCONNECT_STEP, asked.connection
    if outcome == Disconnection.Outcome.FAILED:
        record_now(action, actor=SAGA, outcome=Outcome.FAILED, target=target, detail=detail)
    else:
        record_event(action, actor=SAGA, target=target, detail=detail)


# In their order.
STEPS: dict[str, Step] = {
    "stop": _stop,
    "revoke": _revoke,
    "forget": _forget,
    "records": _records,
    "finish": _finish,
}
