"""F1, F2, F8, F9, F23: at whatever point a slice dies, breaks, hangs or freezes, nothing is lost.

Nothing is stored twice either, no checkpoint runs ahead, no run stays open. A slice that froze is
overtaken by another worker and wakes up afterwards. The points are those of `crash.POINTS`, so a
new one is tested by being listed. `make soak` takes each by itself, with many seeds.
"""

from random import Random

import pytest

from integrations import crash
from tests.harness.chain import SHORTEST_SECONDS, SWEPT, Chain
from tests.harness.hub import Hub
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.django_db(transaction=True)

SEED = 20
GRACE_SECONDS = 600  # in which a provider takes a refresh token again whose answer was lost


@pytest.mark.parametrize("action", crash.ACTIONS)
def test_a_sync_that_meets_a_fault_at_every_point_ends_with_what_the_provider_has(
    action: crash.Action, hub: Hub, simulator: Simulator
) -> None:
    account = simulator.account("a1")
    account.grant.grace = GRACE_SECONDS
    chain = Chain(hub, account, hub.connect("a1"), Random(SEED))

    wrong = chain.through(SWEPT, action)

    assert wrong == {}, f"seed {SEED}"


@pytest.mark.parametrize("action", ["KILL", "STOP"])
def test_a_first_read_in_very_short_slices_survives_faults_while_it_changes_lanes(
    action: crash.Action, hub: Hub, simulator: Simulator
) -> None:
    account = simulator.account("a1")
    chain = Chain(hub, account, hub.connect("a1"), Random(SEED), slice_seconds=SHORTEST_SECONDS)

    wrong = chain.through(("before_release", "after_release", "after_commit"), action)

    assert wrong == {}, f"seed {SEED}"
