"""How long to wait before trying again when nobody said so.

Full jitter: any time between nothing and a ceiling that doubles, so that callers that failed
together do not come back together. (tenacity wraps whole calls; here the wait must also be able
to become an error that frees the worker, so only the arithmetic is ours.)
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """`first` seconds is the ceiling of the first wait, `longest` the ceiling of any."""

    first: float = 1.0
    longest: float = 60.0

    def wait(self, attempt: int, chance: Callable[[], float]) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1).

        `chance` gives a number from 0 up to 1, as random.random does.
        """
        ceiling = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return ceiling * chance()
