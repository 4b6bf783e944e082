"""The worker unit: claims due work, rings it, and replaces the processes beneath when they hang.

A queue cluster that lost one idle process can hang for good while it looks alive, so the unit
believes only a beat: a tiny task that must go all the way round (queue, process, acknowledgement)
whenever a process is free. If none does, or rung work does not begin, the whole group is killed and
a new one started on a new queue; the work it held is free again at once.

A unit rings only what its free processes can begin, so any number of units on any number of hosts
share the work by claiming it, and a unit that dies costs no more than the leases of its slices.
"""

import logging
import os
import random
import select
import signal
import socket
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from math import inf
from time import monotonic
from types import FrameType
from typing import Any, Protocol
from uuid import UUID

from django.db import Error, connection, transaction
from django.db.models.functions import Now

from hub.audit.partitions import ensure_partitions
from hub.clock import database_now
from hub.database_faults import BEHIND, code_of, fault_of
from hub.fields import uuid7
from hub.fleet.attempts import free_lost
from hub.fleet.claims import Claim, claim, park_crash_loops
from hub.fleet.forgetting import forget_ended
from hub.fleet.limits import forget_unused
from hub.fleet.models import Due, RunHour, Worker
from hub.fleet.processes import ProcessGroup

LOOK_SECONDS = 1.0
HURRY_SECONDS = 0.1  # after a claim, because short work may be done already
PATIENCE_SECONDS = 30.0
BEATS_PER_PATIENCE = 3
START_SECONDS = 60.0  # until a new cluster must have answered its first beat
START_AGAIN_AT_MOST_SECONDS = 30.0
STOP_SECONDS = 25.0  # for slices to reach their next position
HOUSEKEEPING_SECONDS = 60.0
PARKING_SECONDS = 5.0
FORGOTTEN_AFTER = timedelta(minutes=10)
RUN_HOURS_KEPT = timedelta(days=90)
PUT_OFF = timedelta(minutes=5)  # what is due of suspended tenants; so late it begins when resumed

log = logging.getLogger(__name__)


class Bell(Protocol):
    """What the unit needs of the queue; integrations.queue is one."""

    def ring(self, claims: Sequence[Claim], *, queue: str) -> None: ...
    def ring_beat(self, worker_id: UUID, *, queue: str) -> int: ...
    def has_come_round(self, beat: int) -> bool: ...
    def forget_queue(self, queue: str) -> None: ...
    def forget_queues_except(self, queues: Sequence[str]) -> int: ...


class StopSignals:
    """SIGTERM and SIGINT, heard between two looks and never in the middle of one."""

    def __init__(self) -> None:
        self.is_set = False
        self._read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)

    def wait(self, seconds: float) -> bool:
        """Return whether one was sent, after so many seconds or as soon as it is."""
        if not self.is_set and select.select([self._read], [], [], seconds)[0]:
            os.read(self._read, 100)
        return self.is_set

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True


class Unit:
    """One worker unit with its row in the fleet, its queue and the processes beneath."""

    def __init__(
        self,
        *,
        processes: int,
        bell: Bell,
        start: Callable[[str], ProcessGroup],
        on_parked: Callable[[Due], None],
        lease_seconds: float,
        per_tenant: int,
        per_provider: int,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`start` takes the name of a queue and starts a cluster that works on it."""
        self.bell = bell
        self.start = start
        self.on_parked = on_parked
        self.lease_seconds = lease_seconds
        self.per_tenant = per_tenant
        self.per_provider = per_provider
        self.patience = patience_seconds
        self.worker = Worker(
            id=uuid7(), host=socket.gethostname(), pid=os.getpid(), processes=processes
        )
        self.group: ProcessGroup | None = None
        self.start_at = 0.0  # monotonic, as all times below
        self.silent_starts = 0  # in a row, without a beat
        self.is_ready = False  # the cluster has answered a beat
        self.beat: int | None = None
        self.beat_at = -inf
        self.free_since: float | None = None
        self.due_at: dict[str, float] = {}
        self.swept_on: date | None = None
        self.is_database_away = False

    def run(self, stop: StopSignals, *, until_idle: bool = False) -> None:
        """Work until told to stop, or until nothing is due. Leaves no process and no lease."""
        self._sign_in()
        self._say("worker started", processes=self.worker.processes)
        pause = 0.0
        try:
            while not stop.wait(pause):
                try:
                    claimed = self._look()
                    if until_idle and not claimed and self._is_idle():
                        break
                except Error as exc:
                    self._database_away(exc)
                    claimed = 0
                pause = HURRY_SECONDS if claimed else min(LOOK_SECONDS, 2 * pause + HURRY_SECONDS)
        finally:
            self._stop()

    def _look(self) -> int:
        """Do what is to be done now; return how much was claimed."""
        if self._is_time("sign in", LOOK_SECONDS):
            self._sign_in()
            self._watch()
        if self._is_time("parking", PARKING_SECONDS):
            self._park()
        if self._is_time("housekeeping", HOUSEKEEPING_SECONDS):
            self._keep_house()
        return self._dispatch() if self.is_ready else 0

    def _dispatch(self) -> int:
        """Claim and ring what the free processes can begin, in one transaction."""
        free = self.worker.processes - Due.objects.held_by(self.worker.pk).count()
        if free <= 0:
            return 0
        with transaction.atomic():
            claims = claim(
                worker_id=self.worker.pk,
                limit=free,
                lease_seconds=self.lease_seconds,
                per_tenant=self.per_tenant,
                per_provider=self.per_provider,
            )
            self.bell.ring(claims, queue=self.worker.cluster)
        if claims:
            log.debug("claimed", extra={"claims": len(claims), "free": free})
        return len(claims)

    def _park(self) -> None:
        """Park what kills its processes, each together with the end of what it was for.

        Where that cannot be said, as in a schema that lags behind, it is tried again later.
        """
        passed: list[UUID] = []
        while True:
            count = len(passed)
            try:
                with transaction.atomic():
                    for due in park_crash_loops(at_most=1, passed=passed):
                        passed.append(due.pk)
                        said = {"due_id": str(due.pk), "tenant_id": str(due.tenant_id)}
                        self.on_parked(due)
                        what = "work parked: its process dies again and again"
                        self._say(what, logging.ERROR, **said)
            except Exception as exc:  # whatever is wrong with one, the others are parked
                if len(passed) == count or fault_of(exc) not in (None, BEHIND):
                    raise
                what, error = "work cannot be parked", type(exc).__name__
                self._say(what, logging.ERROR, **said, error=error)
            if len(passed) == count:
                return

    def _watch(self) -> None:
        """Start the cluster, or replace it if it ended, gives no beat, or begins nothing."""
        now = monotonic()
        if self.group is None:
            if now >= self.start_at:
                self._start_cluster()
            return
        if self.group.has_ended:
            self._replace("it ended")
            return
        held = Due.objects.held_by(self.worker.pk)
        if held.exclude(started_at=None).count() >= self.worker.processes:
            self.free_since = None
            return
        self.free_since = self.free_since or now
        if self.beat is None:
            if now - self.beat_at >= self.patience / BEATS_PER_PATIENCE:
                self.beat = self.bell.ring_beat(self.worker.pk, queue=self.worker.cluster)
                self.beat_at = now
        elif self.bell.has_come_round(self.beat):
            self.beat, self.is_ready, self.silent_starts = None, True, 0
        patience = self.patience if self.is_ready else START_SECONDS
        if now - self.free_since < patience:
            return
        if self.beat is not None and now - self.beat_at >= patience:
            self._replace("no beat came round")
        elif held.filter(
            started_at=None, claimed_at__lt=Now() - timedelta(seconds=self.patience)
        ).exists():
            self._replace("rung work did not begin")

    def _start_cluster(self) -> None:
        self.worker.cluster = f"hub-{self.worker.pk.hex}-{self.worker.restarts}"
        Worker.objects.filter(pk=self.worker.pk).update(
            cluster=self.worker.cluster, restarts=self.worker.restarts, beat_at=None
        )
        self.group = self.start(self.worker.cluster)
        self.silent_starts += 1

    def _replace(self, reason: str) -> None:
        """Kill the cluster and free what it held; the next look starts another."""
        assert self.group is not None
        self._say("cluster replaced", logging.WARNING, reason=reason)
        self.group.kill()
        self.group, self.is_ready = None, False
        self.beat, self.beat_at, self.free_since = None, -inf, None
        wait = 2 ** (self.silent_starts - 1) if self.silent_starts else 0
        self.start_at = monotonic() + min(START_AGAIN_AT_MOST_SECONDS, wait)
        self.worker.restarts += 1
        self.bell.forget_queue(self.worker.cluster)
        free_lost(self.worker.pk)
        self._watch()

    def _sign_in(self) -> None:
        """Say that the unit lives. Its row is written anew if others thought it dead."""
        present = Worker.objects.filter(pk=self.worker.pk).update(seen_at=Now())
        if not present:
            self.worker.save(force_insert=True)
        if self.is_database_away:
            self._say("the database serves us again")
        self.is_database_away = False

    def _keep_house(self) -> None:
        today = database_now().date()
        if self.swept_on != today:
            ensure_partitions(today)
            RunHour.objects.forget_older(RUN_HOURS_KEPT)
            forget_unused()
            Due.objects.plan_housekeeping()
            self.swept_on = today if forget_ended() else None  # else the rest in a minute
        Due.objects.put_off_inactive(PUT_OFF)
        Worker.objects.filter(seen_at__lt=Now() - FORGOTTEN_AFTER).delete()
        self.bell.forget_queues_except(list(Worker.objects.values_list("cluster", flat=True)))

    def _stop(self) -> None:
        """End within half a minute: slices at their next position, then whatever remains."""
        self._say("worker stopping")
        try:
            self._tell_slices()
        finally:
            if self.group is not None:
                self.group.ask_to_end()
                if not self.group.wait(STOP_SECONDS):
                    self._say("slices did not end in time and were killed", logging.WARNING)
                self.group.kill()
        try:
            free_lost(self.worker.pk)
            self.bell.forget_queue(self.worker.cluster)
            Worker.objects.filter(pk=self.worker.pk).delete()
        except Error as exc:
            self._database_away(exc)
        self._say("worker stopped", restarts=self.worker.restarts)

    def _tell_slices(self) -> None:
        """Let what runs end at its next position, and take back what was only rung."""
        try:
            Worker.objects.filter(pk=self.worker.pk).update(stopping_at=Now())
            self.bell.forget_queue(self.worker.cluster)
            Due.objects.free_all(self.worker.pk, only_rung=True)
        except Error as exc:
            self._database_away(exc)

    def _database_away(self, exc: Error) -> None:
        """Go on without: leases run out by themselves, and the next look tries again."""
        if not self.is_database_away:
            said = {"error": type(exc).__name__, "sqlstate": code_of(exc)}
            self._say("the database does not serve us", logging.WARNING, **said)
        self.is_database_away = True
        connection.close()

    def _is_idle(self) -> bool:
        return self.is_ready and not Due.objects.is_any_due(self.worker.pk)

    def _is_time(self, chore: str, every: float) -> bool:
        """Whether the chore is to be done now; several units do theirs at different times."""
        now = monotonic()
        if now < self.due_at.get(chore, 0.0):
            return False
        self.due_at[chore] = now + every * random.uniform(0.9, 1.0)
        return True

    def _say(self, what: str, level: int = logging.INFO, **values: Any) -> None:
        said = {"worker_id": str(self.worker.pk), "queue": self.worker.cluster, **values}
        log.log(level, what, extra=said)
