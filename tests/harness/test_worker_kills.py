"""worker-kills: kill -9 of any process of a worker unit in the middle of syncs; all runs finish.

F4, F5. The short form scales the lease and the unit's patience down and takes one worker and the
main process; `python -m tests.harness.worker_kills` takes every process in turn, with the times of
production.
"""

from pathlib import Path

import pytest

from tests.faults.conftest import database_url
from tests.harness.hub import CALL_SECONDS, Hub, environment
from tests.harness.simulator import Simulator
from tests.harness.worker_kills import Kills

pytestmark = pytest.mark.django_db(transaction=True)

RECOVERY_SECONDS = 180  # of two leases and two times the patience, on a busy machine


def test_runs_whose_worker_or_its_head_are_killed_finish_all_the_same(
    hub: Hub, simulator: Simulator, tmp_path: Path
) -> None:
    used = environment(
        database_url(),
        simulator.url,
        HUB_LEASE_SECONDS="3",
        HUB_SLICE_SECONDS="10",
        HUB_CALL_SECONDS=str(CALL_SECONDS),
    )
    kills = Kills(simulator, hub.connect, used, tmp_path / "unit.log", patience=5)

    with kills.unit_at_work():
        for part in ("worker", "main process"):
            taken = kills.kill(part, seconds=RECOVERY_SECONDS)
            assert taken < RECOVERY_SECONDS, part
        wrong = kills.judge()

    assert wrong == {}
