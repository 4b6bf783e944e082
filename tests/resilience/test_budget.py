"""A budget never lets more through in any window than its limit, whoever leases what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.resilience.budget import Budget, lease_seconds
from integrations.types import Limit

NOW = 1_000.0
MINUTE = Limit(60, 60)


def test_what_fits_is_taken_at_once_and_more_waits_for_a_window_to_pass() -> None:
    budget, _ = Budget().take(MINUTE, 60, NOW)

    assert budget.used(NOW) == 60
    assert budget.wait(MINUTE, 1, NOW) == pytest.approx(62.0, abs=1.3)
    assert budget.wait(MINUTE, 1, NOW + 63) == 0


def test_one_waits_only_for_as_much_as_one_needs() -> None:
    budget, _ = Budget().take(MINUTE, 20, NOW)
    budget, _ = budget.take(MINUTE, 40, NOW + 30)

    assert budget.wait(MINUTE, 10, NOW + 30) == pytest.approx(32, abs=1.3)
    assert budget.wait(MINUTE, 30, NOW + 30) == pytest.approx(62, abs=1.3)


def test_what_was_leased_and_not_used_is_given_back() -> None:
    budget, until = Budget().take(MINUTE, 60, NOW)

    budget = budget.give_back(15, until)

    assert budget.used(NOW) == 45
    assert budget.give_back(5, until + 1) == budget  # a block nobody knows
    assert budget.give_back(100, until).used(NOW) == 0


def test_what_was_taken_or_held_before_the_clock_was_set_back_keeps_nobody_waiting() -> None:
    later = NOW + 3_600
    budget, _ = Budget(slots={"dead": later + 45}).take(MINUTE, 60, later)

    assert budget.wait(MINUTE, 60, NOW) == 0
    assert budget.enter(1, "alive", NOW) is not None
    budget, _ = budget.take(MINUTE, 60, NOW)
    assert budget.used(NOW) == 60
    assert budget.wait(MINUTE, 1, NOW) == pytest.approx(62.0, abs=1.3)


def test_what_was_taken_counts_though_the_clock_went_back_by_a_little() -> None:
    budget, _ = Budget(slots={"alive": NOW + 45}).take(MINUTE, 60, NOW)

    assert budget.wait(MINUTE, 1, NOW - 10) > 60
    assert budget.enter(1, "other", NOW - 10) is None


def test_a_pause_the_provider_asked_for_is_kept_and_never_shortened() -> None:
    budget = Budget().paused(NOW + 30).paused(NOW + 10)

    assert budget.wait(MINUTE, 1, NOW) == 30
    assert budget.wait(MINUTE, 1, NOW + 30) == 0


def test_a_call_dearer_than_the_whole_limit_waits_for_an_empty_window() -> None:
    dear = Limit(10, 60, cost=50)
    budget, _ = Budget().take(dear, 1, NOW)

    assert Budget().wait(dear, 50, NOW) == 0
    assert budget.wait(dear, 50, NOW) > 59


@settings(max_examples=150)
@given(
    limit=st.builds(
        Limit, requests=st.integers(1, 40), per_seconds=st.sampled_from([1.0, 10.0, 60.0, 3600.0])
    ),
    asks=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 12), st.floats(0, 1)), max_size=60),
)
def test_no_window_of_the_provider_ever_holds_more_than_the_limit(
    limit: Limit, asks: Sequence[tuple[float, int, float]]
) -> None:
    """Each ask: after a part of a window, for some tokens, used somewhen until they lapse."""
    budget, now, sent = Budget(), NOW, list[float]()
    for pause, tokens, lateness in asks:
        now += pause * limit.per_seconds / 4
        tokens = min(tokens, limit.requests)
        if budget.wait(limit, tokens, now) == 0:
            budget, _ = budget.take(limit, tokens, now)
            sent += [now + lateness * lease_seconds(limit)] * tokens

    for moment in sent:
        window = [other for other in sent if moment <= other < moment + limit.per_seconds]
        assert len(window) <= limit.requests


def test_a_budget_remembers_a_bounded_number_of_moments() -> None:
    hour, budget = Limit(1_000_000, 3600), Budget()
    for second in range(7_000):
        budget, _ = budget.take(hour, 1, NOW + second)

    assert len(budget.taken) <= 60


def test_slots_are_given_to_who_waited_first_and_end_by_themselves() -> None:
    budget = Budget().enter(1, "a", NOW)
    assert budget is not None
    assert budget.enter(1, "b", NOW) is None

    waiting = budget.waits("b", NOW, 2).waits("c", NOW + 0.1, 2).leave("a")

    assert waiting.enter(1, "c", NOW + 0.5) is None  # b was first
    assert waiting.enter(1, "a", NOW + 0.5) is None
    entered = waiting.enter(1, "b", NOW + 0.5)
    assert entered is not None
    assert list(entered.waiting) == ["c"]
    assert entered.enter(1, "c", NOW + 46) is not None  # b has died


def test_a_budget_is_the_same_after_it_was_kept() -> None:
    budget, _ = Budget().take(MINUTE, 7, NOW)
    budget = budget.paused(NOW + 5).waits("a", NOW, 3)
    budget = budget.enter(3, "b", NOW) or budget
    kept: dict[str, Any] = budget.as_document()

    assert Budget.of_document(kept) == budget
    assert Budget.of_document(None) == Budget()
