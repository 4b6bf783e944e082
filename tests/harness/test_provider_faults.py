"""Whatever the provider or the network does, what is stored ends as what the provider has.

One connection meets fault after fault, and is compared with the provider after each of them.
"""

from datetime import timedelta
from random import Random

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import Due
from integrations.models import Checkpoint, EntityTypeStatus, SyncRun
from tests.harness.checker import Wrong, check, early
from tests.harness.hub import Hub, let_leases_run_out, let_waits_pass, open_runs
from tests.harness.simulator import Account, Fault, Simulator
from tests.harness.tcp_chaos import TcpChaos, Trouble

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 31
HTML = b"<!doctype html><h1>Maintenance</h1>"

CALL_SECONDS = 0.7  # for which an answer is waited that never comes
TRIES = 3  # as often a call is made before the slice gives up
ANSWERS = {
    # F15: the body ends early, at the first byte, in the middle, at the last one
    "cut at the first byte": Fault(cut=0),
    "cut in the middle": Fault(cut=150),
    "cut near its end": Fault(cut=400),
    "connection reset": Fault(reset=True),
    # F18: not what it looks like
    "500": Fault(500, body=b"{}"),
    "503 as a web page": Fault(503, body=HTML),
    "200 as a web page": Fault(200, body=HTML),
    "200 and empty": Fault(200, body=b""),
    "200 without a list": Fault(200, body=b'{"ok": true}'),
    "200 with an error": Fault(200, body=b'{"error": "cannot_now"}'),
    "200 that is no JSON": Fault(200, body=b'{"items": ['),
    # F16: told to wait, and not told for how long
    "429 for a second": Fault(429, (("Retry-After", "1"),), b"{}"),
    "429 without a time": Fault(429, (), b"{}"),
    "429 with junk": Fault(429, (("Retry-After", "abc"),), b"{}"),
}
TROUBLES = {
    # F19: the network instead of the provider
    "black hole": Trouble(black_hole=True),
    "a byte now and then": Trouble(drip=0.05),
    "reset in the answer": Trouble(reset_after=200),
}


def begun(hub: Hub, simulator: Simulator, name: str) -> tuple[str, Account]:
    """A connection that is in the middle of its first sync."""
    account = simulator.account(name)
    connection = hub.connect(name)
    assert hub.work(connection, crash="after_commit:2:KILL")["acted"]
    let_leases_run_out(connection)
    return connection, account


def survived(hub: Hub, connection: str, account: Account) -> Wrong:
    """What is wrong once the fault is over and the source has changed."""
    wrong = {"early": found} if (found := early(connection, account)) else {}
    account.change(Random(SEED), 5)
    hub.drain(connection)
    return {**check(connection, account), **wrong}


def test_an_answer_that_is_spoiled_is_never_taken_for_data(hub: Hub, simulator: Simulator) -> None:
    """F15, F16, F18: each try of a call meets another fault, until the slice gives up."""
    connection, account = begun(hub, simulator, "a1")
    rng, wrong = Random(SEED), {}
    names = list(ANSWERS)
    rng.shuffle(names)
    for start in range(0, len(names), TRIES):
        together = names[start : start + TRIES]
        for number, name in enumerate(together):
            simulator.faults[simulator.next_number + 1 + number] = ANSWERS[name]
        hub.work(connection)
        checked = {"early": found} if (found := early(connection, account)) else {}
        hub.drain(connection, also=start == 0)  # once the list, then what has changed
        if found_at_rest := {**check(connection, account), **checked}:
            wrong[", ".join(together)] = found_at_rest
        account.change(rng, 5)
        hub.ask(do="request", connection=connection)

    assert simulator.faults == {}
    assert wrong == {}


def test_a_network_that_is_spoiled_costs_time_and_no_record(
    hub: Hub, simulator: Simulator, network: TcpChaos
) -> None:
    """F19."""
    connection, account = begun(hub, simulator, "a1")
    hub.drain(connection)
    wrong: dict[str, Wrong] = {}
    for name, trouble in TROUBLES.items():
        account.change(Random(SEED), 5)
        network.set(trouble)
        hub.ask(do="request", connection=connection)
        hub.work(connection, call=CALL_SECONDS)
        network.set()
        if found := survived(hub, connection, account):
            wrong[name] = found

    assert wrong == {}


def test_a_slice_that_is_told_to_wait_gives_its_worker_back(hub: Hub, simulator: Simulator) -> None:
    """F16: nothing is asked before the time is over."""
    connection, account = begun(hub, simulator, "a1")
    simulator.weather = lambda number, path: Fault(429, (("Retry-After", "90"),), b"{}")

    said = hub.work(connection)["said"]

    simulator.heal()
    asked = simulator.next_number
    assert said.startswith("Waits 90 s")
    due = Due.objects.get(object_id=connection, run_id__isnull=False)
    assert due.lease_until is None
    assert due.claimed_at + timedelta(seconds=80) < due.due_at
    assert due.due_at <= timezone.now() + timedelta(seconds=91)
    assert simulator.next_number == asked
    assert survived(hub, connection, account) == {}


def test_a_cursor_that_expired_begins_one_full_read_that_survives_being_killed(
    hub: Hub, simulator: Simulator
) -> None:
    """F29."""
    account = simulator.account("a1")
    connection = hub.connect("a1")
    hub.drain(connection)
    account.change(Random(SEED), 20)
    account.floor = account.last
    hub.ask(do="request", connection=connection)

    for point in ("before_commit:1", "after_commit:1", "before_checkpoint:2"):
        assert hub.work(connection, crash=f"{point}:KILL")["acted"]
        assert early(connection, account) == []
        let_leases_run_out(connection)
    account.floor = 0
    hub.drain(connection)

    assert check(connection, account) == {}
    status = EntityTypeStatus.objects.get(connection=connection, entity_type="companies")
    assert status.generation == 2
    begun = AuditEvent.objects.filter(action=AuditAction.SYNC_BEGUN_AGAIN)
    assert begun.get().detail["entity_type"] == "companies"


def test_a_list_that_leads_in_a_circle_fails_the_run_and_keeps_the_checkpoint(
    hub: Hub, simulator: Simulator
) -> None:
    """F30."""
    connection, account = begun(hub, simulator, "a1")
    kept = list(Checkpoint.objects.values_list("entity_type", "cursor"))
    again = b'{"items": [], "last": 20, "next": 10}'
    simulator.weather = lambda number, path: Fault(200, body=again)

    while open_runs(connection):
        let_waits_pass(connection)
        hub.work(connection)

    simulator.heal()
    run = SyncRun.objects.get()
    assert (run.state, run.error_code) == ("failed", "fatal")
    assert "circle" in run.error
    assert list(Checkpoint.objects.values_list("entity_type", "cursor")) == kept
    hub.drain(connection)  # the list; what changes from here on comes as changes
    assert survived(hub, connection, account) == {}


def test_rows_that_change_while_they_are_listed_are_all_there_after_the_next_run(
    hub: Hub, simulator: Simulator
) -> None:
    """F31: before every page something is inserted, changed or deleted."""
    wrong: dict[int, Wrong] = {}
    for seed in range(2):
        rng = Random(seed)
        account = simulator.account(f"a{seed}", companies=20, people=15)
        connection = hub.connect(account.name)
        simulator.between = lambda account, number, rng=rng: account.change(rng, 2)  # type: ignore[misc]
        hub.drain(connection)
        simulator.heal()
        hub.drain(connection)
        if found := check(connection, account):
            wrong[seed] = found

    assert wrong == {}
