"""A real worker unit as a process of its own, on the database of the tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from hub.fleet.models import Worker
from tests.waiting import wait_until

SHORT_SECONDS = 6  # of leases and of patience, where a test waits until what is dead is replaced
LONG_SECONDS = 600  # the same elsewhere: nothing that merely stands still is taken for dead
READY_SECONDS = 240  # two interpreters start, on a machine that may be busy
GONE_SECONDS = 120  # until the kernel has ended what was killed


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it may end between two questions
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def kill(processes: Iterable[psutil.Process]) -> None:
    """End those of them that are still there."""
    for one in processes:
        with suppress(psutil.NoSuchProcess):
            one.kill()


class RunningUnit:
    """`manage.py worker` and the processes beneath it."""

    def __init__(self, log: Path, *options: str, lease: float, patience: float) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", f"--patience={patience}", *options],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": _database_url(),
                "DJANGO_SETTINGS_MODULE": "tests.worker.settings",
                "HUB_LEASE_SECONDS": str(lease),
            },
            stderr=log.open("w"),
        )
        self.seen: set[psutil.Process] = set()

    @property
    def row(self) -> Worker | None:
        return Worker.objects.filter(pid=self._process.pid).first()

    @property
    def restarts(self) -> int:
        return self.row.restarts if self.row else 0

    def is_ready(self) -> bool:
        """Whether its present cluster has answered a beat."""
        assert self._process.poll() is None, self.log.read_text()
        row = self.row
        return row is not None and row.beat_at is not None and len(self.beneath()) >= 5

    def beneath(self) -> list[psutil.Process]:
        """The cluster's main process, its sentinel, then workers, monitor and pusher."""
        if self._process.poll() is not None:
            return []  # its number may be another's by now
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self._process.pid).children(recursive=True)
            self.seen.update(found)
            return [one for one in found if lives(one)]
        return []

    def under_the_sentinel(self) -> list[psutil.Process]:
        """Workers, monitor and pusher in the order in which they were started."""
        with suppress(psutil.NoSuchProcess, IndexError):  # the cluster is being replaced
            sentinel = self.beneath()[1]
            return sorted(sentinel.children(), key=lambda one: (one.create_time(), one.pid))
        return []

    def left_over(self) -> list[psutil.Process]:
        """Processes of any of its clusters that are still there."""
        return [one for one in self.seen if lives(one)]

    def send(self, number: signal.Signals) -> None:
        self.beneath()
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def end(self) -> None:
        self.beneath()
        self._process.kill()  # first, or it would replace the others
        self._process.wait()
        kill(self.left_over())
        wait_until(lambda: not self.left_over(), seconds=GONE_SECONDS)


@pytest.fixture
def start_unit(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., RunningUnit]]:
    """Start a unit with these options and wait until its processes answer."""
    units: list[RunningUnit] = []

    def start(
        *options: str,
        wait: bool = True,
        lease: float = LONG_SECONDS,
        patience: float = LONG_SECONDS,
    ) -> RunningUnit:
        log = tmp_path / f"unit-{len(units)}.log"
        unit = RunningUnit(log, *options, lease=lease, patience=patience)
        units.append(unit)
        if wait:
            wait_until(unit.is_ready, seconds=READY_SECONDS)
        return unit

    yield start
    for unit in units:
        unit.end()
        sys.stderr.write(unit.log.read_text())


def _database_url() -> str:
    used = connection.settings_dict
    known = {
        "dbname": "NAME",
        "user": "USER",
        "password": "PASSWORD",
        "host": "HOST",
        "port": "PORT",
    }
    return make_conninfo(**{name: used[key] for name, key in known.items() if used[key]})
