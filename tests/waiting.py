"""Wait for what other processes and threads do."""

from collections.abc import Callable
from time import monotonic, sleep


def wait_until(what: Callable[[], object], *, seconds: float) -> None:
    """Return as soon as `what()` is true; fail if it takes longer."""
    assert comes_true(what, seconds=seconds), f"not within {seconds} s"


def comes_true(what: Callable[[], object], *, seconds: float) -> bool:
    """Whether `what()` becomes true within so many seconds; return as soon as it is."""
    begun = monotonic()
    while not (found := what()) and monotonic() - begun < seconds:
        sleep(0.05)
    return bool(found)
