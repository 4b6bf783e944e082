"""What a call passes before it leaves, and how seldom that asks anybody."""

from __future__ import annotations

import pytest

from integrations.errors import (
    BudgetSpentError,
    CircuitOpenError,
    RateLimitError,
    RetryableError,
)
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import LONGEST_SLEEP_SECONDS, Guard
from integrations.resilience.store import Change, Documents, MemoryStore, Subject
from integrations.types import Limit, Quota
from tests.resilience.clocks import FakeClock

APP = Subject("circuit", "app", "app-1", "acme")
ONE, TWO = (Subject("circuit", "connection", name, "acme") for name in ("one", "two"))


def budget(limit: Limit, owner: str = "one") -> Subject:
    return Subject("budget", limit.per, owner, "acme", limit=limit)


class Processes:
    """Guards of several processes that share a store, on one clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)

    def guard(self, *limits: Limit, who: str = "one:p1", quotas: tuple[Quota, ...] = ()) -> Guard:
        slots = [
            Subject("slots", each.per, "one", "acme", limit=each)
            for each in limits
            if each.concurrent
        ]
        return Guard(
            label="Acme",
            who=who,
            store=self.store,
            clock=self.clock,
            circuits=[APP, TWO if who.startswith("two") else ONE],
            budgets=[*slots, *(budget(limit) for limit in limits)],
            quotas=quotas,
        )

    def ask(self, guard: Guard, path: str = "/items", seconds: float = 1_000) -> None:
        guard.admit(path, Deadline.after(seconds, self.clock))

    def call(self, guard: Guard, path: str = "/items", took: float = 0.0) -> None:
        self.ask(guard, path)
        self.clock.pass_by(took)
        guard.answered({})


@pytest.fixture
def processes() -> Processes:
    return Processes()


def opened(processes: Processes, guard: Guard) -> None:
    for _ in range(5):
        processes.ask(guard)
        guard.failed("Acme did not answer in time.")


def test_a_second_of_calls_asks_the_store_a_handful_of_times(processes: Processes) -> None:
    guard = processes.guard(Limit(6_000, 60))

    for _ in range(100):
        processes.call(guard, took=0.01)

    assert processes.store.changes <= 6
    before = processes.store.changes
    for _ in range(500):
        processes.call(guard, took=0.01)
    assert processes.store.changes - before <= 10  # five seconds


def test_an_open_circuit_refuses_at_once_in_every_process(processes: Processes) -> None:
    mine, others = processes.guard(), processes.guard(who="two:p2")
    opened(processes, mine)
    processes.clock.pass_by(18)

    for guard in (mine, others):
        with pytest.raises(CircuitOpenError) as raised:
            processes.ask(guard)
        assert raised.value.retry_after == 42
    assert processes.clock.slept == []


def test_a_connection_that_fails_alone_leaves_the_others_alone(processes: Processes) -> None:
    mine, others = processes.guard(), processes.guard(who="two:p2")
    for _ in range(5):
        processes.ask(mine)
        mine.failed("broken pipe")
        processes.clock.pass_by(1)  # as long as news may be old
        processes.call(others)

    with pytest.raises(CircuitOpenError):
        processes.ask(mine)
    processes.call(others)


def test_a_connection_broken_for_good_does_not_keep_the_others_waiting(
    processes: Processes,
) -> None:
    broken, well = processes.guard(), processes.guard(who="two:p2")
    opened(processes, broken)
    with pytest.raises(CircuitOpenError):
        processes.ask(well)
    processes.clock.pass_by(60)

    processes.ask(broken)  # its own trial, and the app's
    broken.failed("still broken")

    processes.call(well)
    processes.call(well)
    with pytest.raises(CircuitOpenError) as raised:
        processes.ask(broken)
    assert raised.value.retry_after == 60


def test_of_all_processes_one_tries_after_a_minute(processes: Processes) -> None:
    guards = [processes.guard(who=f"one:p{number}") for number in range(5)]
    opened(processes, guards[0])
    processes.clock.pass_by(60)

    admitted = []
    for guard in guards:
        try:
            processes.ask(guard)
            admitted.append(guard)
        except CircuitOpenError as error:
            assert error.retry_after == 45

    assert admitted == guards[:1]
    admitted[0].answered({})
    for guard in guards:
        processes.call(guard)


def test_a_trial_that_fails_opens_the_circuit_for_another_minute(processes: Processes) -> None:
    guard = processes.guard()
    opened(processes, guard)
    processes.clock.pass_by(60)

    processes.ask(guard)
    guard.failed("still down")

    with pytest.raises(CircuitOpenError) as raised:
        processes.ask(guard)
    assert raised.value.retry_after == 60


def test_a_trial_that_never_reached_the_provider_leaves_it_to_the_next(
    processes: Processes,
) -> None:
    first, second = processes.guard(), processes.guard(who="one:p2")
    opened(processes, first)
    processes.clock.pass_by(60)
    processes.ask(first)

    first.gave_up()

    processes.call(second)
    processes.call(first)


def test_short_waits_for_budget_are_slept_and_long_ones_raised(processes: Processes) -> None:
    guard = processes.guard(Limit(3, 1))
    for _ in range(7):
        processes.call(guard)
    assert sum(processes.clock.slept) == pytest.approx(2.8, abs=0.4)

    minute = processes.guard(Limit(2, 60), who="one:p2")
    processes.call(minute)
    processes.call(minute)
    with pytest.raises(BudgetSpentError) as raised:
        processes.ask(minute)
    assert 55 < (raised.value.retry_after or 0) < 65


def test_who_has_not_called_yet_leaves_its_process_to_others_while_budget_is_spent(
    processes: Processes,
) -> None:
    limit = Limit(10, 3)
    busy, late = processes.guard(limit), processes.guard(limit, who="one:p2")
    for _ in range(10):
        processes.call(busy)

    with pytest.raises(BudgetSpentError) as raised:
        processes.ask(late)

    assert 2 < (raised.value.retry_after or 0) < LONGEST_SLEEP_SECONDS
    assert processes.clock.slept == []
    processes.call(busy)  # it may be in the middle of what it cannot begin again
    assert sum(processes.clock.slept) > 2


def test_nothing_is_slept_for_that_the_deadline_would_not_outlive(processes: Processes) -> None:
    guard = processes.guard(Limit(1, 2))
    processes.call(guard)

    with pytest.raises(RateLimitError):
        processes.ask(guard, seconds=1)

    assert processes.clock.slept == []


def test_processes_share_one_budget(processes: Processes) -> None:
    guards = [processes.guard(Limit(10, 60), who=f"one:p{number}") for number in range(4)]

    calls = 0
    for _ in range(10):
        for guard in guards:
            try:
                processes.call(guard, took=0.3)
                calls += 1
            except RateLimitError:
                continue

    assert 8 <= calls <= 10


def test_what_was_not_used_is_given_back_at_the_end(processes: Processes) -> None:
    for number in range(10):
        guard = processes.guard(Limit(10, 60), who=f"one:p{number}")
        processes.call(guard)
        guard.close()
        guard.close()

    with pytest.raises(RateLimitError):
        processes.ask(processes.guard(Limit(10, 60)))


LIMITS = (Limit(2, 60, path="*/search"), Limit(4, 60), Limit(5, 60, per="account"))


@pytest.mark.parametrize(
    ("paths", "passed"),
    [
        (["/people/search"] * 5, 2),  # the first that matches of each scope
        (["/people"] * 5, 4),
        (["/people/search", "/people/search", *["/people"] * 5], 5),  # the account's on top
    ],
)
def test_every_scope_counts_by_its_first_limit_whose_path_matches(
    processes: Processes, paths: list[str], passed: int
) -> None:
    guard, calls = processes.guard(*LIMITS), 0
    for path in paths:
        try:
            processes.call(guard, path)
            calls += 1
        except RateLimitError:
            continue

    assert calls == passed


def test_calls_that_cost_more_take_more_of_the_same_allowance(processes: Processes) -> None:
    guard = processes.guard(Limit(100, 60, path="/dear", cost=40), Limit(100, 60, cost=5))
    processes.call(guard, "/dear")
    processes.call(guard, "/dear")

    for _ in range(4):
        processes.call(guard, "/cheap")
    with pytest.raises(RateLimitError):
        processes.ask(guard, "/cheap")


def test_a_pause_asked_for_holds_for_every_process_of_the_narrowest_budget(
    processes: Processes,
) -> None:
    limits = (Limit(100, 60), Limit(100, 60, per="account"))
    mine, others = processes.guard(*limits), processes.guard(*limits, who="two:p2")
    processes.call(mine)
    processes.call(others)

    mine.asked_to_wait("/items", 30)
    processes.clock.pass_by(1)

    for guard in (mine, others):
        with pytest.raises(RateLimitError) as raised:
            processes.ask(guard)
        assert raised.value.retry_after == 29


@pytest.mark.parametrize(
    ("said", "is_paused"),
    [
        ("api-usage=79/100", False),
        ("api-usage=80/100", True),
        ("nonsense", False),
        ("api-usage=5/0", False),
    ],
)
def test_the_providers_own_count_pauses_before_it_is_used_up(
    processes: Processes, said: str, is_paused: bool
) -> None:
    quota = Quota("X-Usage", r"api-usage=(?P<used>\d+)/(?P<limit>\d+)", 0.8)
    guard = processes.guard(Limit(1_000, 60, per="account"), quotas=(quota,))
    processes.ask(guard)
    guard.answered({"x-usage": said})

    if not is_paused:
        processes.call(guard)
        return
    with pytest.raises(RateLimitError) as raised:
        processes.ask(guard)
    assert raised.value.retry_after == 900
    processes.clock.pass_by(900)
    processes.call(guard)


def test_a_count_of_what_is_left_is_measured_by_the_declared_limit(processes: Processes) -> None:
    guard = processes.guard(Limit(1_000, 60), quotas=(Quota("X-Left", r"(?P<left>\d+)", 0.9),))
    processes.ask(guard)
    guard.answered({"x-left": "101"})
    processes.ask(guard)
    guard.answered({"x-left": "100"})

    with pytest.raises(RateLimitError):
        processes.ask(guard)


def test_only_so_many_calls_are_under_way_at_one_time(processes: Processes) -> None:
    limit = Limit(1_000, 60, concurrent=2)
    guards = [processes.guard(limit, who=f"one:p{number}") for number in range(3)]
    processes.ask(guards[0])
    processes.ask(guards[1])

    with pytest.raises(RateLimitError):
        processes.ask(guards[2])
    assert sum(processes.clock.slept) <= 5

    guards[0].close()
    processes.ask(guards[2])


def test_while_the_store_is_away_nobody_calls(processes: Processes) -> None:
    class Away:
        def change(self, subjects: object, change: Change) -> Documents:
            raise RetryableError("The hub's limits cannot be read.", 5.0)

    guard = Guard(
        label="Acme", who="one:p1", store=Away(), clock=processes.clock, circuits=[APP, ONE]
    )

    with pytest.raises(RetryableError):
        processes.ask(guard)
    guard.close()
