"""A process that comes to a crash point and is killed, breaks, hangs or freezes there.

`HUB_SWEEP=all` takes every point with every action (`make soak`); a test run takes a few.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from integrations import crash
from tests import warm

IS_LONG = os.environ.get("HUB_SWEEP") == "all"
LONGEST_SECONDS = 120.0  # until a process comes to its point
BLOCKED_SECONDS = 30.0  # who takes over waits so long for what the frozen one holds
LOOK_SECONDS = 0.02

Process: TypeAlias = "warm.Process | subprocess.Popen[str]"
Start = Callable[[str], Process]


def cases(points: Iterable[str], others: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each point with KILL but for `others`, which name an action; the long way all with all."""
    if IS_LONG:
        return [(point, action) for point in points for action in crash.ACTIONS]
    return [(point, dict(others).get(point, "KILL")) for point in points]


def interrupt(
    start: Start, point: str, action: str, go_on: Callable[[], Process]
) -> tuple[int, str]:
    """Let a process of `start` come to the point; another of `go_on` finishes what it left.

    Returns how the other ended, and what it wrote where it should not have. One that is frozen
    wakes when that is done, or when the other waits for what it holds. One that hangs is stopped
    there as well, or nobody could tell it from one that waits for an answer; SIGTERM ends it.
    """
    how = "STOP" if action == "HANG" else action
    process = start(f"{point}:{how}" if ":" in point else f"{point}:1:{how}")
    if how == "STOP":
        _wait_until(lambda: _state(process.pid) == "T")
    if action == "HANG":
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGCONT)
    if action != "STOP":
        code, said = process.wait(LONGEST_SECONDS), process.communicate()[1]
        if action == "RAISE":
            assert crash.CrashError.__name__ in said, said
        else:
            assert code == -(signal.SIGKILL if action == "KILL" else signal.SIGTERM), said
    other = go_on()
    if action == "STOP":
        _wait(other, BLOCKED_SECONDS)
        os.kill(process.pid, signal.SIGCONT)
        process.wait(LONGEST_SECONDS)
    said = other.communicate(timeout=LONGEST_SECONDS)[1]
    return other.wait(), said


def _wait(process: Process, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and _state(process.pid) not in ("", "Z"):
        time.sleep(LOOK_SECONDS)


def _wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + LONGEST_SECONDS
    while not is_so():
        assert time.monotonic() < until, "the process did not come to its point"
        time.sleep(LOOK_SECONDS)


def _state(pid: int) -> str:
    """One letter, as in proc(5); '' once it is gone."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return found[0]
