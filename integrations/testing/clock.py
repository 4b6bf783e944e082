"""A clock on which nobody waits."""

from datetime import datetime, timedelta

from integrations.resilience.clock import SystemClock


class SkippingClock(SystemClock):
    """The computer's clock, which jumps ahead instead of sleeping; `slept` holds the seconds.

    Its stopwatch counts them alone: how long a busy machine takes decides nothing.
    """

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
