"""A moment by which something must be over, immune to changes of the calendar clock."""

import math
from dataclasses import dataclass

from integrations.resilience.clock import Clock


@dataclass(frozen=True, slots=True)
class Deadline:
    """Reached when `clock.monotonic()` is at `at`."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> "Deadline":
        return cls(clock, clock.monotonic() + seconds)

    @classmethod
    def never(cls, clock: Clock) -> "Deadline":
        return cls(clock, math.inf)

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def is_over(self) -> bool:
        return self.clock.monotonic() >= self.at

    def within(self, seconds: float) -> "Deadline":
        """This deadline, or the one `seconds` from now if that comes sooner."""
        return Deadline(self.clock, min(self.at, self.clock.monotonic() + seconds))
