"""F13: whoever is in the hub's way in its own database costs it time, and nothing else.

A slice stands still at a point, somebody else takes what it will need next, and it goes on.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from django.db import connection as database

from hub.fleet.claims import MAX_ATTEMPTS
from hub.fleet.models import Due
from tenants.context import current_tenant
from tests.faults.conftest import database_url
from tests.harness.chain import TRIES
from tests.harness.checker import check
from tests.harness.hub import (
    PATIENT,
    Hub,
    due_of,
    let_leases_run_out,
    let_waits_pass,
    open_runs,
)
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.django_db(transaction=True)

LOCK_TIMEOUT = "-c lock_timeout=50ms"
STATEMENT_TIMEOUT = "-c lock_timeout=0 -c statement_timeout=400ms"
KEPT = "its lease runs out by itself"  # is logged of work that could not even be given back
RUN = "SELECT FROM integrations_syncrun WHERE id = %s FOR UPDATE"
DUE = "SELECT FROM public.fleet_due WHERE id = %s FOR UPDATE"

Session = psycopg.Connection[Any]


@contextmanager
def somebody_else() -> Iterator[Session]:
    """Another session in the tenant, in a transaction of its own, which waits without end."""
    options = f"-c search_path={current_tenant().schema_name},public -c deadlock_timeout=10min"
    with psycopg.connect(database_url(), options=options) as session:
        yield session


@pytest.fixture
def logged(hub: Hub) -> Callable[[], str]:
    """What the hub's processes have logged since the test began."""
    begun_at = hub.log.stat().st_size
    return lambda: hub.log.read_bytes()[begun_at:].decode()


def stopped_at(hub: Hub, connection: str, point: str, options: str) -> int:
    """A slice of the connection that stands still at the point, as an order to wake.

    On a busy machine a first one may be too slow for its `options`, and only wait.
    """
    for _ in range(TRIES):
        let_waits_pass(connection)
        due = due_of(connection)[0]
        number = hub.order(do="work", due=str(due.pk), crash=f"{point}:1:STOP", options=options)
        if hub.answer(number).get("stopped"):
            return number
    raise AssertionError(f"no slice came to {point}")


def wait_until_it_waits(session: Session) -> None:
    """Until the session waits for a lock."""
    asked = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    until = monotonic() + 60
    with database.cursor() as cursor:
        while True:
            cursor.execute(asked, [session.info.backend_pid])
            if cursor.fetchone() == (True,):
                return
            assert monotonic() < until, "it got the lock"
            sleep(0.01)


def test_f13_a_batch_that_is_ended_to_resolve_a_deadlock_is_written_at_once_again(
    hub: Hub, simulator: Simulator, logged: Callable[[], str]
) -> None:
    """Two crossing updates: it holds its due row and needs its run, the other the other way."""
    account = simulator.account("a1")
    connection = hub.connect("a1")
    number = stopped_at(hub, connection, "before_checkpoint", f"{PATIENT} -c deadlock_timeout=50ms")
    due, run = Due.objects.get(object_id=connection), open_runs(connection)[0]
    asked = len(simulator.asked)

    with somebody_else() as session, ThreadPoolExecutor(1) as pool:
        session.execute(RUN, [run.pk])
        crossing = pool.submit(session.execute, DUE, [due.pk])
        wait_until_it_waits(session)
        hub.ask(do="wake", order=number)
        crossing.result(120)
    said = hub.answer(number)["said"]

    assert '"sqlstate": "40P01"' in logged()
    assert said.startswith("Synced"), said
    assert "/companies" not in [one.path for one in simulator.asked[asked:]], "it is read once"
    hub.drain(connection)
    assert check(connection, account) == {}


def test_f13_a_batch_that_cannot_be_serialized_is_written_at_once_again(
    hub: Hub, simulator: Simulator, logged: Callable[[], str]
) -> None:
    """Where the server is set to a stricter isolation than the hub asks for."""
    account = simulator.account("a1")
    connection = hub.connect("a1")
    strict = rf"{PATIENT} -c default_transaction_isolation=repeatable\ read"
    number = stopped_at(hub, connection, "before_checkpoint", strict)
    run = open_runs(connection)[0]

    with somebody_else() as session:
        session.execute("UPDATE integrations_syncrun SET trigger = trigger WHERE id = %s", [run.pk])
    hub.ask(do="wake", order=number)
    said = hub.answer(number)["said"]

    assert '"sqlstate": "40001"' in logged()
    assert said.startswith("Synced"), said
    hub.drain(connection)
    assert check(connection, account) == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [(LOCK_TIMEOUT, "working on the same thing"), (STATEMENT_TIMEOUT, "took too long")],
    ids=["lock", "statement"],
)
def test_f13_however_often_a_slice_times_out_it_is_never_given_up(
    options: str, says: str, hub: Hub, simulator: Simulator, logged: Callable[[], str]
) -> None:
    account = simulator.account("a1")
    connection = hub.connect("a1")
    number = stopped_at(hub, connection, "after_fetch", options)
    run = open_runs(connection)[0]

    with somebody_else() as session:
        session.execute(RUN, [run.pk])
        hub.ask(do="wake", order=number)
        said = [hub.answer(number)["said"]]
        while len(said) <= MAX_ATTEMPTS:
            let_waits_pass(connection)
            one = hub.work(connection, options=options)["said"]
            said += [] if one.startswith("not claimed") else [one]  # too slow for even that

    assert all(one.startswith("Waits") and says in one for one in said), said
    due = Due.objects.get(object_id=connection)
    assert (due.failures, due.parked_reason) == (0, "")
    assert due.attempts <= logged().count(KEPT)  # on a busy machine giving back is too slow, too
    hub.drain(connection)
    assert check(connection, account) == {}


def test_f13_a_lease_that_somebody_holds_on_to_costs_its_slice_time_only(
    hub: Hub, simulator: Simulator, logged: Callable[[], str]
) -> None:
    """As after a restart, when a session of before is not gone yet: not even giving back works."""
    account = simulator.account("a1")
    connection = hub.connect("a1")
    number = stopped_at(hub, connection, "after_fetch", LOCK_TIMEOUT)
    due = Due.objects.get(object_id=connection)

    with somebody_else() as session:
        session.execute(DUE, [due.pk])
        hub.ask(do="wake", order=number)
        said = hub.answer(number)["said"]

    assert said.startswith("Waits"), said
    assert KEPT in logged()
    let_leases_run_out(connection)
    hub.drain(connection)
    assert check(connection, account) == {}
