"""The hub under test, seen from outside: orders to its processes, and looks into its database."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import select
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.models import Q
from django.db.models.functions import Now

from hub.fleet.models import Due
from integrations.models import SyncRun
from tests.harness.simulator import ORIGIN

SLUG = "acme_faulty"
ANSWER_SECONDS = 180.0  # on a busy machine
LEASE_SECONDS = 600.0  # tests let it run out by hand; by itself it never does
LOCK_SECONDS = 60.0
# For which a call to the provider is waited, unless an order says less: so long a busy machine may
# keep the provider from answering.
CALL_SECONDS = 45.0
TURNS = 100  # slices until everything must be done; those that wait for a breaker count, too
# Options of the database's sessions for processes that no other may be in the way of; the settings
# of the harness end a transaction that is idle for a second, as one of a frozen process is.
PATIENT = "-c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"


class Hub:
    """Processes of the hub on `database_url`, whose provider is at `provider_url`."""

    def __init__(self, database_url: str, provider_url: str, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.forks"],
            cwd=settings.BASE_DIR,
            env=environment(database_url, provider_url, HUB_CALL_SECONDS=str(CALL_SECONDS)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("w"),
        )
        self._answers: dict[int, list[dict[str, Any]]] = {}
        self._buffered = b""
        self._orders = 0

    def order(self, **order: Any) -> int:
        """Begin something; its answers come under the number returned."""
        self._orders += 1
        line = json.dumps({"id": self._orders, "tenant": "acme", **order}) + "\n"
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        return self._orders

    def answer(self, order: int, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """The next answer to the order; waits for it."""
        until = monotonic() + seconds
        while not self._answers.get(order):
            assert self._read(until - monotonic()), f"no answer to {order}:\n{self.log.read_text()}"
        return self._answers[order].pop(0)

    def ask(self, **order: Any) -> dict[str, Any]:
        return self.answer(self.order(**order))

    def connect(self, account: str) -> str:
        """The id of a connection to the account."""
        return str(self.ask(do="connect", account=account)["said"])

    def work(self, connection: str, **how: Any) -> dict[str, Any]:
        """One slice of whatever of the connection is due."""
        dues = due_of(connection)
        assert dues, "nothing is due"
        return self.ask(do="work", due=str(dues[0].pk), **how)

    def drain(self, connection: str, *, also: bool = True) -> int:
        """Work until nothing of the connection is open; return how many slices that took.

        `also`: ask for one more sync then, so that what changed meanwhile is read as well.
        """
        for turn in range(TURNS):
            let_waits_pass(connection)
            dues = due_of(connection)
            if not dues and not open_runs(connection):
                if not also:
                    return turn
                said = self.ask(do="request", connection=connection)
                assert said["said"], self.log.read_text()
                also = False
                continue
            for due in dues:
                self.ask(do="work", due=str(due.pk))
        raise AssertionError(f"not done after {TURNS} slices:\n{self.log.read_text()[-4000:]}")

    def end_all(self) -> None:
        """No process is at work any more."""
        self.ask(do="end")

    def close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()

    def _read(self, seconds: float) -> bool:
        out = self._process.stdout
        assert out is not None
        if not select([out], [], [], max(0.0, seconds))[0]:
            return False
        read = os.read(out.fileno(), 65_536)
        if not read:
            return False
        *lines, self._buffered = (self._buffered + read).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            self._answers.setdefault(answer["id"], []).append(answer)
        return True


def environment(database_url: str, provider_url: str, **more: str) -> dict[str, str]:
    """What a process of the hub is started with."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "DJANGO_SETTINGS_MODULE": "tests.harness.settings",
        "HUB_CONNECTOR_MODULES": "tests.harness.connector",
        "HUB_PROVIDER_ADDRESSES": json.dumps({ORIGIN: provider_url}),
        "HUB_LEASE_SECONDS": str(LEASE_SECONDS),
        "HUB_BATCH_ROWS": "1",
        **more,
    }


def due_of(connection: str) -> list[Due]:
    """What of the connection can be claimed now, of whatever lane."""
    rows = Due.objects.filter(object_id=connection, kind=Due.Kind.SYNC, parked_reason="")
    free = Q(lease_until=None, due_at__lte=Now()) | Q(lease_until__lt=Now())
    return list(rows.filter(free).order_by("lane"))


def open_runs(connection: str) -> list[SyncRun]:
    return list(SyncRun.objects.open().filter(connection_id=connection))


def let_waits_pass(connection: str) -> None:
    """As if the time were over for which an open run waits, or a dead worker holds its lease."""
    rows = Due.objects.filter(object_id=connection, kind=Due.Kind.SYNC)
    later = rows.filter(lease_until=None, due_at__gt=Now()).exclude(run_id=None)
    _in_spite_of_locks(lambda: later.update(due_at=Now()))
    if rows.filter(lease_until__gte=Now()).exists():
        let_leases_run_out(connection)


def let_leases_run_out(connection: str) -> None:
    """As if whoever holds work of the connection had given no sign of life for too long."""
    rows = Due.objects.filter(object_id=connection, lease_until__isnull=False)
    _in_spite_of_locks(lambda: rows.update(lease_until=Now()))


def _in_spite_of_locks(change: Callable[[], object]) -> None:
    """A process that stands still in a transaction holds its rows until the server ends it."""
    until = monotonic() + LOCK_SECONDS
    while True:
        try:
            change()
        except OperationalError:
            if monotonic() > until:
                raise
        else:
            return
