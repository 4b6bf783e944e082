"""A real worker unit as a process of its own, on the database of the tests."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from hub.fleet.models import Worker

LEASE_SECONDS = 6  # longer than a busy machine lets a process stand still
PATIENCE_SECONDS = 5  # the same
READY_SECONDS = 240  # two interpreters start, on a machine that may be busy


def wait_until(what: Callable[[], object], *, seconds: float) -> float:
    """Return after how many seconds `what()` became true; fail if it takes longer."""
    begun = monotonic()
    while not what():
        assert monotonic() - begun < seconds, f"not within {seconds} s"
        sleep(0.05)
    return monotonic() - begun


class RunningUnit:
    """`manage.py worker` and the processes beneath it."""

    def __init__(self, log: Path, *options: str) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "worker", f"--patience={PATIENCE_SECONDS}", *options],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": _database_url(),
                "DJANGO_SETTINGS_MODULE": "tests.worker.settings",
                "HUB_LEASE_SECONDS": str(LEASE_SECONDS),
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
        with suppress(psutil.NoSuchProcess):
            found = psutil.Process(self._process.pid).children(recursive=True)
            self.seen.update(found)
            return [one for one in found if one.status() != psutil.STATUS_ZOMBIE]
        return []

    def under_the_sentinel(self) -> list[psutil.Process]:
        """Workers, monitor and pusher in the order in which they were started."""
        sentinel = self.beneath()[1]
        return sorted(sentinel.children(), key=lambda one: (one.create_time(), one.pid))

    def left_over(self) -> list[psutil.Process]:
        """Processes of any of its clusters that are still there."""
        return [
            one for one in self.seen if one.is_running() and one.status() != psutil.STATUS_ZOMBIE
        ]

    def send(self, number: signal.Signals) -> None:
        self.beneath()
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def end(self) -> None:
        for one in [*self.beneath(), *self.left_over()]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def start_unit(transactional_db: None, tmp_path: Path) -> Iterator[Callable[..., RunningUnit]]:
    """Start a unit with these options and wait until its processes answer."""
    units: list[RunningUnit] = []

    def start(*options: str, wait: bool = True) -> RunningUnit:
        unit = RunningUnit(tmp_path / f"unit-{len(units)}.log", *options)
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
