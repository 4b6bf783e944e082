"""A real `manage.py worker` and the processes beneath it, to be killed, frozen and replaced."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
from django.conf import settings

from hub.fleet.models import Worker

PARTS = ("worker", "monitor", "pusher", "sentinel", "main process", "unit")
READY_SECONDS = 240.0


class WorkerUnit:
    """One unit; `patience` is how long it bears with a silent cluster, in seconds."""

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        *,
        processes: int = 2,
        patience: float | None = 3,
    ) -> None:
        self.processes = processes
        self._names: dict[int, str] = {}  # of the processes beneath the sentinel
        options = [f"--processes={processes}"]
        if patience is not None:
            options.append(f"--patience={patience}")
        with log.open("a") as file:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "worker", *options],
                cwd=settings.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def is_ready(self) -> bool:
        """Whether its present cluster is complete and has answered a beat."""
        row = Worker.objects.filter(pid=self._process.pid).first()
        below = self._beneath_sentinel()
        is_whole = len(below) >= self.processes + 2
        if is_whole:
            self._name(below)
        return row is not None and row.beat_at is not None and is_whole

    def wait_until_ready(self) -> None:
        until = monotonic() + READY_SECONDS
        while not self.is_ready:
            assert self.is_alive, "the unit ended"
            assert monotonic() < until, "the unit did not become ready"
            sleep(0.1)

    def find(self, part: str) -> list[psutil.Process]:
        """The processes that are this part, in the order in which they were started."""
        if part == "unit":
            return [psutil.Process(self._process.pid)] if self.is_alive else []
        heads = self._heads()
        if part == "main process":
            return heads[:1]
        if part == "sentinel":
            return heads[1:2]
        below = self._beneath_sentinel()
        self._name(below)
        return [one for one in below if self._names.get(one.pid) == part]

    def send(self, part: str, number: signal.Signals, index: int = 0) -> int:
        """Signal one process; its pid, or 0 if there is none at present."""
        found = self.find(part)
        if not found:
            return 0
        victim = found[index % len(found)]
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(number)
        return int(victim.pid)

    def end(self, seconds: float = 35) -> bool:
        """Ask it to end as a deploy does; whether it did by itself."""
        if self.is_alive:
            self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """The unit and all beneath it."""
        with suppress(psutil.NoSuchProcess):
            for one in psutil.Process(self._process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self._process.kill()
        self._process.wait()

    def _name(self, below: list[psutil.Process]) -> None:
        """The sentinel starts its parts in order, and another in the place of one that died."""
        missing = ["worker"] * self.processes + ["monitor", "pusher"]
        pids = [one.pid for one in below]
        for pid in pids:
            if self._names.get(pid) in missing:
                missing.remove(self._names[pid])
        for pid in pids:
            if pid not in self._names and missing:
                self._names[pid] = missing.pop(0)

    def _heads(self) -> list[psutil.Process]:
        """The cluster's main process and its sentinel."""
        with suppress(psutil.NoSuchProcess):
            for main in psutil.Process(self._process.pid).children():
                return [main, *sorted(main.children(), key=_age)[:1]]
        return []

    def _beneath_sentinel(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess, IndexError):
            return sorted(self._heads()[1].children(), key=_age)
        return []


def _age(process: psutil.Process) -> tuple[float, int]:
    with suppress(psutil.NoSuchProcess):
        return process.create_time(), process.pid
    return 0.0, process.pid
