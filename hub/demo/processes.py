"""The processes of the demo: started together, watched, ended together."""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

END_SECONDS = 35.0  # a worker may finish its batch
READY_SECONDS = 60.0
LAST_LINES = 8


class ChildEndedError(Exception):
    """A process of the demo ended by itself; the message shows its last lines."""


class Children:
    """Start processes with their logs in a folder; `end` leaves none behind."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self.logs = logs
        self.environment = {**os.environ, **environment}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def are_alone(self) -> bool:
        """Whether no other demo uses this folder; from now on none can until this one ends."""
        self._lock = (self.logs / "demo.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def start(self, name: str, *command: str) -> None:
        with (self.logs / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C reaches only us; we end them in order
            )

    def check(self) -> None:
        """Raise ChildEndedError if one of them is gone."""
        for name, child in self._running.items():
            if child.poll() is not None:
                lines = (self.logs / f"{name}.log").read_text(errors="replace").splitlines()
                raise ChildEndedError(
                    f"The {name} ended by itself; its last lines were:\n"
                    + "\n".join(lines[-LAST_LINES:])
                )

    def wait_for_file(self, path: Path) -> str:
        """Return the file's text once a child has written it."""
        until = time.monotonic() + READY_SECONDS
        while not path.exists():
            self.check()
            if time.monotonic() > until:
                raise ChildEndedError(f"{path.name} did not appear in {READY_SECONDS:.0f} s.")
            time.sleep(0.05)
        return path.read_text()

    def wait_for_port(self, port: int) -> None:
        """Return once something listens on the loopback port."""
        until = time.monotonic() + READY_SECONDS
        while not is_taken(port):
            self.check()
            if time.monotonic() > until:
                raise ChildEndedError(f"Nothing listens on port {port}.")
            time.sleep(0.05)

    def end(self) -> None:
        """Ask all to end, the last started first; kill what has not ended in time."""
        for child in reversed(self._running.values()):
            if child.poll() is None:
                child.terminate()
        until = time.monotonic() + END_SECONDS
        for child in self._running.values():
            try:
                child.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, 9)
                child.wait()
        self._running.clear()


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port(wanted: int) -> int:
    """Return `wanted`, or the next port that is free."""
    return next(port for port in range(wanted, wanted + 100) if not is_taken(port))
