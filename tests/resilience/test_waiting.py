"""Back-off and deadlines, without waiting for either."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.resilience.backoff import Backoff
from integrations.resilience.deadline import Deadline


class StandingClock:
    """Moves only when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize(("attempt", "ceiling"), [(1, 1), (2, 2), (3, 4), (7, 60), (10_000, 60)])
def test_the_ceiling_doubles_up_to_the_longest(attempt: int, ceiling: float) -> None:
    assert Backoff(first=1, longest=60).wait(attempt, lambda: 1.0) == ceiling


@given(st.integers(1, 50), st.floats(0, 0.999))
def test_any_wait_below_the_ceiling_can_happen(attempt: int, chance: float) -> None:
    wait = Backoff(first=1, longest=60).wait(attempt, lambda: chance)

    assert wait == pytest.approx(chance * min(60, 2 ** (attempt - 1)))


def test_a_deadline_counts_down_and_then_is_over() -> None:
    clock = StandingClock()
    deadline = Deadline.after(10, clock)

    clock.sleep(4)

    assert deadline.remaining == 6
    assert not deadline.is_over
    clock.sleep(20)
    assert deadline.remaining == 0
    assert deadline.is_over


def test_the_sooner_of_two_deadlines_counts() -> None:
    clock = StandingClock()

    assert Deadline.after(10, clock).within(3).remaining == 3
    assert Deadline.after(2, clock).within(30).remaining == 2
    assert Deadline.never(clock).within(30).remaining == 30
