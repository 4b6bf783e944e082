"""F6: a sync that needs more memory than its process may take ends parked; the others go on."""

import pytest

from hub.audit.models import AuditEvent
from hub.fleet.claims import CRASH_LOOP, MAX_ATTEMPTS, park_crash_loops
from hub.fleet.models import Due
from integrations.models import SyncRun
from integrations.services.syncs import end_parked_run
from tests.harness.bombs import page_bomb
from tests.harness.checker import check
from tests.harness.hub import Hub, due_of, let_waits_pass
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.django_db(transaction=True)

MEMORY_MB = 250


def test_a_page_that_takes_all_memory_each_time_parks_its_sync_and_no_other(
    hub: Hub, simulator: Simulator
) -> None:
    """As the worker unit does it: see tests/worker/test_unit.py for the unit itself.

    Of the five attempts the first and the last are made.
    """
    accounts = {name: simulator.account(name, companies=6, people=4) for name in ("big", "small")}
    big, small = (hub.connect(name) for name in accounts)
    due = Due.objects.filter(object_id=big)
    for attempt in (1, MAX_ATTEMPTS):
        assert not park_crash_loops()
        due.update(attempts=attempt - 1)
        let_waits_pass(big)
        simulator.weather = lambda number, path: page_bomb()
        said = hub.work(big, memory=MEMORY_MB)
        simulator.heal()
        assert said["said"] == "Failed (MemoryError)." or said["signal"], said
        assert due.get().attempts == attempt
    assert hub.work(small, memory=MEMORY_MB)["said"].startswith("Synced")

    let_waits_pass(big)
    for parked in park_crash_loops():
        end_parked_run(due=parked)

    assert due.get().parked_reason == CRASH_LOOP
    run = SyncRun.objects.get(connection=big)
    assert (run.state, run.error_code) == ("failed", CRASH_LOOP)
    assert "memory" in run.error
    failed = AuditEvent.objects.get(action="sync.failed")
    assert failed.detail["code"] == CRASH_LOOP
    assert not due_of(big)
    assert check(small, accounts["small"]) == {}

    hub.ask(do="request", connection=big)  # somebody has seen to it
    assert hub.work(big, memory=MEMORY_MB)["said"].startswith("Synced")
    assert check(big, accounts["big"]) == {}
