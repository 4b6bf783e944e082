"""Clocks that are wrong: a process's calendar is shifted, or jumps to and fro; no stopwatch is.

A process of the hub that is started with HUB_CLOCK goes by such a clock, and so does all that it
forks: "3600" is an hour ahead; "3600,-3600" jumps between an hour ahead and an hour behind.
"""

import itertools
import os
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import time_machine

JUMP_SECONDS = 0.05


def of_environment(text: str) -> list[float]:
    return [float(part) for part in text.split(",") if part]


def set_clock(offsets: Sequence[float]) -> None:
    """Shift this process's calendar by so many seconds, or let it jump among several."""
    if not offsets:
        return
    clock = time_machine.travel(datetime.now(UTC) + timedelta(seconds=offsets[0])).start()
    if len(offsets) == 1:
        return

    def jump() -> None:
        for before, after in itertools.pairwise(itertools.cycle(offsets)):
            time.sleep(JUMP_SECONDS)
            clock.shift(after - before)

    def begin() -> None:
        threading.Thread(target=jump, name="clock", daemon=True).start()

    begin()
    os.register_at_fork(after_in_child=begin)
