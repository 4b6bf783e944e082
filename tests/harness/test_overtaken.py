"""F8: a slice that froze and was overtaken changes nothing any more when it wakes up."""

import pytest

from integrations.models import Checkpoint, EntityTypeStatus, Record, SyncRun
from tests.harness.checker import check
from tests.harness.hub import PATIENT, Hub, due_of, let_leases_run_out
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.django_db(transaction=True)


def everything_stored() -> list[object]:
    """Every row that a slice writes, but for when it was written."""
    return [
        list(SyncRun.objects.order_by("id").values("state", "counts", "calls", "slices")),
        list(EntityTypeStatus.objects.order_by("id").values()),
        list(Checkpoint.objects.order_by("id").values()),
        list(Record.objects.order_by("id").values_list("id", "change_seq", "generation")),
    ]


@pytest.mark.parametrize("mode", ["incremental", "full"])
def test_a_slice_frozen_before_its_first_page_changes_nothing_when_it_wakes(
    mode: str, hub: Hub, simulator: Simulator
) -> None:
    account = simulator.account("a1")
    connection = hub.connect("a1")
    hub.drain(connection, also=False)
    hub.ask(do="request", connection=connection, mode=mode)
    due = due_of(connection)[0]
    order = {"crash": "after_audit:1:STOP", "options": PATIENT}
    frozen = hub.order(do="work", due=str(due.pk), **order)
    assert hub.answer(frozen)["stopped"]
    let_leases_run_out(connection)
    hub.drain(connection, also=False)
    before = everything_stored()

    hub.ask(do="wake", order=frozen)
    said = hub.answer(frozen)["said"]

    assert everything_stored() == before
    assert said == "Taken over while working."
    assert check(connection, account) == {}
