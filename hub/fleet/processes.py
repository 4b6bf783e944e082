"""The processes beneath a worker unit: a group of their own that never outlives the unit.

Each process asks the kernel to be killed when its parent dies, so that a unit, a cluster or a
sentinel that ends by SIGKILL leaves no orphan at work. Where the kernel cannot do that (it is a
Linux call), leases and fences still keep orphans from committing anything.
"""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)
KILL_SECONDS = 5.0  # until the kernel has ended a killed group
LOOK_SECONDS = 0.05

_forking_pid = 0


class ProcessGroup:
    """A command running in a process group of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._main = subprocess.Popen(
            command, env=dict(environment), process_group=0, stdin=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        return self._main.pid

    @property
    def has_ended(self) -> bool:
        """Whether the main process has ended, whatever became of the others."""
        return self._main.poll() is not None

    def ask_to_end(self) -> None:
        """Send SIGTERM to the main process alone: the others would die in the middle of work."""
        if not self.has_ended:
            self._main.terminate()

    def wait(self, seconds: float) -> bool:
        """Return whether the main process ended within so many seconds."""
        try:
            self._main.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End the whole group now, and return when it is gone. Safe to call twice."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._main.wait()
        until = time.monotonic() + KILL_SECONDS
        while self._is_there() and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)

    def _is_there(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def die_with(parent_pid: int) -> None:
    """Have this process, and all that it forks, killed when its parent dies.

    Ends the process at once if the parent is already gone.
    """
    _die_with(parent_pid)
    os.register_at_fork(before=_note_parent, after_in_child=lambda: _die_with(_forking_pid))


def limit_memory(megabytes: int) -> None:
    """Refuse this process, and each that it forks, more memory than so many megabytes; 0: none.

    What asks for more ends in a MemoryError there, before the kernel would end whatever it chooses.
    Shared memory and files do not count. Linux alone keeps to it.
    """
    if megabytes:
        most = megabytes * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def _note_parent() -> None:
    global _forking_pid
    _forking_pid = os.getpid()


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)
