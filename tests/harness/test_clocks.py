"""F33: processes whose clocks are wrong, jump, or lie an hour apart work on one connection.

Each slice runs in a process of its own with a clock of its own; leases, schedules and the times of
runs go by the database's. In `make soak` the clocks of whole worker units are hours apart.
"""

from datetime import datetime, timedelta
from itertools import cycle

import pytest
from django.db.models.functions import Now

from hub.fleet.models import Due
from integrations.models import EntityTypeStatus, SyncRun
from tenants.models import Tenant
from tests.harness.checker import check
from tests.harness.hub import PATIENT, Hub, due_of, let_waits_pass, open_runs
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, TEN_MINUTES = 3600, 600
CLOCKS = {
    "apart": ([HOUR], [-TEN_MINUTES], [-HOUR], [TEN_MINUTES]),
    "jumping": ([HOUR, 0, -HOUR, 0],),
}
MINUTE = timedelta(minutes=1)


def time_of_the_database() -> datetime:
    now = Tenant.objects.values_list(Now(), flat=True).first()
    assert now is not None
    return now


@pytest.mark.parametrize("clocks", CLOCKS.values(), ids=CLOCKS)
def test_slices_in_processes_with_wrong_clocks_store_everything_once_and_in_time(
    clocks: tuple[list[int], ...], hub: Hub, simulator: Simulator
) -> None:
    account = simulator.account("a1", companies=6, people=6)
    connection = hub.connect("a1")
    turns = cycle(clocks)
    begun_at = time_of_the_database()
    for is_first in (True, False):
        if not is_first:
            account.touch(account.tables["companies"]["c3"])
            account.touch(account.tables["people"]["p4"], is_deleted=True)
            hub.ask(do="request", connection=connection)
        while dues := due_of(connection):
            order = {"do": "work", "due": str(dues[0].pk), "options": PATIENT}
            said = hub.ask(**order, slice=0.02, clock=next(turns))
            assert said["said"].startswith(("Goes on", "Synced")), said
            let_waits_pass(connection)
        assert not open_runs(connection)

    assert check(connection, account) == {}
    now = time_of_the_database()
    for run in SyncRun.objects.all():
        assert run.started_at and run.ended_at
        assert begun_at - MINUTE < run.started_at <= run.ended_at <= now
    for status in EntityTypeStatus.objects.all():
        assert status.walked_at and begun_at - MINUTE < status.walked_at <= now
    due_at = Due.objects.get(object_id=connection).due_at
    assert due_at and timedelta(minutes=55) < due_at - begun_at
    assert due_at - now < timedelta(minutes=65)


def test_a_process_with_a_wrong_clock_takes_no_lease_that_is_held(
    hub: Hub, simulator: Simulator
) -> None:
    simulator.account("a1", companies=1, people=1)
    connection = hub.connect("a1")
    due = str(due_of(connection)[0].pk)
    frozen = hub.order(do="work", due=due, crash="after_audit:1:STOP", options=PATIENT)
    assert hub.answer(frozen)["stopped"]

    for clock in ([HOUR], [-HOUR]):
        said = hub.ask(do="work", due=due, clock=clock)["said"]
        assert said == "not claimed: somebody holds it"

    hub.ask(do="wake", order=frozen)
    assert hub.answer(frozen)["said"].startswith("Synced")
