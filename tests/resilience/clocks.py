"""A clock that stands still unless somebody sleeps on it."""

from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakeClock:
    """`now` and `monotonic` move together; `slept` holds every sleep."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def pass_by(self, seconds: float) -> None:
        """Time goes on without anybody sleeping."""
        self.seconds += seconds
