"""What it costs a call to ask breakers and budgets first: almost nothing while a lease covers it.

One process calls as fast as it may and at 100 calls a second; then several ask for leases of the
same budget as fast as they can, which is far more often than they would.
"""

import multiprocessing
import sys
from statistics import median
from time import monotonic, perf_counter, sleep
from typing import Any

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import machine, table

CALLS = 20_000
PACED_CALLS, PER_SECOND = 500, 100
PROCESSES, LEASE_SECONDS = 4, 3.0
MOST_MICROSECONDS = 50.0  # a covered call
MOST_STATEMENTS = 0.1  # per call, at 100 calls a second
MOST_LEASE_MILLISECONDS = 20.0  # of a budget that several processes want


def main() -> int:
    from django.test.utils import CaptureQueriesContext

    from integrations.sync.shared import OwnConnection

    connection = OwnConnection()
    gate, deadline = _guard(connection, "alone")
    gate.admit("/items", deadline)
    covered = []
    for _ in range(CALLS):
        begun = perf_counter()
        gate.admit("/items", deadline)
        gate.answered({})
        covered.append(perf_counter() - begun)
    with CaptureQueriesContext(connection._opened()) as asked:
        begun = monotonic()
        for number in range(PACED_CALLS):
            sleep(max(0.0, begun + number / PER_SECOND - monotonic()))
            gate.admit("/items", deadline)
            gate.answered({})
    connection.close()

    microseconds = median(covered) * 1e6
    statements = len(asked) / PACED_CALLS
    leases = _contended()
    milliseconds = median(leases) * 1e3
    rows = [
        ("a covered call", f"{microseconds:.1f} µs"),
        ("statements per call at 100 calls a second", f"{statements:.3f}"),
        (f"a lease of a budget {PROCESSES} processes want", f"{milliseconds:.2f} ms"),
        ("leases a second, all together", f"{len(leases) / LEASE_SECONDS:,.0f}"),
    ]
    print(table(("what", "cost"), rows))
    print(f"\n{server()}")
    print(
        f"{microseconds:.1f} µs a covered call, {statements:.3f} statements a call, "
        f"{milliseconds:.2f} ms a lease"
    )
    met = (
        microseconds <= MOST_MICROSECONDS
        and statements <= MOST_STATEMENTS
        and milliseconds <= MOST_LEASE_MILLISECONDS
    )
    return 0 if met else 1


def _guard(connection: Any, who: str) -> Any:
    """A guard of one connection with a large budget, and a deadline far away."""
    from integrations.resilience.clock import SystemClock
    from integrations.resilience.deadline import Deadline
    from integrations.resilience.guard import Guard
    from integrations.resilience.store import Subject
    from integrations.sync.shared import PostgresStore
    from integrations.types import Limit

    clock = SystemClock()
    scopes = ("app", "account", "connection", "tenant")
    budgets = [Subject("budget", one, "1", "acme", limit=Limit(9_000_000, 60)) for one in scopes]
    gate = Guard(
        label="Acme",
        who=f"one:{who}",
        store=PostgresStore(connection),
        clock=clock,
        circuits=[Subject("circuit", "app", "1", "acme")],
        budgets=budgets,
    )
    return gate, Deadline.never(clock)


def _contended() -> list[float]:
    """Seconds of every lease that processes took of the same four budgets."""
    fork = multiprocessing.get_context("fork")
    results: Any = fork.Queue()
    children = [fork.Process(target=_lease, args=(n, results)) for n in range(PROCESSES)]
    for child in children:
        child.start()
    found = [took for _ in children for took in results.get(timeout=60)]
    for child in children:
        child.join(30)
    return found


def _lease(number: int, results: Any) -> None:
    from integrations.sync.shared import OwnConnection

    gate, deadline = _guard(OwnConnection(), f"p{number}")
    took, until = [], monotonic() + LEASE_SECONDS
    while monotonic() < until:
        begun = perf_counter()
        gate.admit("/items", deadline)
        took.append(perf_counter() - begun)
        gate._purses.clear()  # as if the second were over
    results.put(took)


if __name__ == "__main__":
    print(machine(), flush=True)
    with own_database():
        met = main()
    sys.exit(met)
