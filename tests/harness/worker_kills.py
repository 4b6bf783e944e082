"""Kills the processes of a worker unit in turn while they sync, and measures the recovery.

python -m tests.harness.worker_kills          every process in turn, times of production
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.harness.cluster import Cluster
    from tests.harness.simulator import Account, Fault, Simulator
    from tests.harness.unit import WorkerUnit

WITHIN_SECONDS = 120.0
CONNECTIONS = 2
PAGE_SECONDS = 0.08  # so that a sync takes seconds and is met in its middle
BEGIN_SECONDS = 180.0


class NotFinishedError(AssertionError):
    """Runs were open for too long after a kill."""


class Kills:
    """A unit, some connections whose first sync takes a while, and a clock."""

    def __init__(
        self,
        simulator: "Simulator",
        connect: Callable[[str], str],
        environment: dict[str, str],
        log: Path,
        *,
        patience: float | None,
    ) -> None:
        self.simulator = simulator
        self.connect = connect
        self.environment = environment
        self.log = log
        self.patience = patience
        self.read: dict[str, Account] = {}  # by the connection's id

    @contextmanager
    def unit_at_work(self) -> Iterator[None]:
        self.unit = self._started()
        self.simulator.weather = _slow
        try:
            yield
        finally:
            self.unit.end()

    def kill(self, part: str, *, seconds: float = WITHIN_SECONDS) -> float:
        """Kill the eldest such part of the unit amid syncs; seconds until all have finished.

        Raises:
            NotFinishedError: that took longer than `seconds`.
        """
        begun = [self._begin() for _ in range(CONNECTIONS)]
        self._wait(lambda: self._are_in_the_middle(begun), BEGIN_SECONDS, "begin")
        self._wait(
            lambda: bool(self.unit.send(part, signal.SIGKILL)), BEGIN_SECONDS, f"have a {part}"
        )
        if part == "unit":
            self.unit.kill()
            self.unit = self._started(wait=False)
        return self._wait(lambda: self._have_finished(begun), seconds, f"finish after {part}")

    def judge(self) -> dict[str, Any]:
        """What the checker finds wrong, by account."""
        from tests.harness.checker import check

        found = {account.name: check(pk, account) for pk, account in self.read.items()}
        return {name: wrong for name, wrong in found.items() if wrong}

    def _started(self, *, wait: bool = True) -> "WorkerUnit":
        from tests.harness.unit import WorkerUnit

        unit = WorkerUnit(self.environment, self.log, patience=self.patience)
        if wait:
            unit.wait_until_ready()
        return unit

    def _begin(self) -> str:
        name = f"k{len(self.read)}"
        account = self.simulator.account(name, companies=80, people=40)
        connection = self.connect(name)
        self.read[connection] = account
        return connection

    def _are_in_the_middle(self, connections: list[str]) -> bool:
        from integrations.models import Checkpoint

        known = Checkpoint.objects.filter(connection__in=connections)
        return known.values("connection").distinct().count() == len(connections)

    def _have_finished(self, connections: list[str]) -> bool:
        from hub.fleet.models import Due
        from integrations.models import SyncRun

        ended = SyncRun.objects.filter(connection__in=connections, state="succeeded")
        held = Due.objects.filter(object_id__in=connections).exclude(lease_until=None)
        return ended.count() == len(connections) and not held.exists()

    def _wait(self, what: Callable[[], bool], seconds: float, word: str) -> float:
        begun_at = time.monotonic()
        while not what():
            if time.monotonic() - begun_at > seconds:
                print(self.log.read_text()[-4000:])
                raise NotFinishedError(f"runs did not {word} within {seconds:.0f} s")
            time.sleep(0.05)
        return time.monotonic() - begun_at


def _slow(number: int, path: str) -> "Fault":
    from tests.harness.simulator import Fault

    return Fault(delay=PAGE_SECONDS)


def main() -> int:
    """Return 0 if all runs finished in time and the checker finds nothing."""
    from tests.harness.cluster import Cluster

    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        cluster.set_up_hub()
        try:
            return _all_in_turn(stack, cluster)
        except NotFinishedError as exc:
            print(exc)
            return 1


def _all_in_turn(stack: ExitStack, cluster: "Cluster") -> int:
    from hub.fleet.unit import PATIENCE_SECONDS
    from tests.harness.estate import connected, prepared
    from tests.harness.hub import environment
    from tests.harness.simulator import Simulator
    from tests.harness.unit import PARTS

    simulator = stack.enter_context(Simulator())
    prepared(stack)
    used = environment(cluster.url, simulator.url)
    for name in ("HUB_LEASE_SECONDS", "HUB_SLICE_SECONDS"):
        used.pop(name, None)  # as in production
    kills = Kills(simulator, connected, used, cluster.home / "unit.log", patience=PATIENCE_SECONDS)
    taken: list[float] = []
    with kills.unit_at_work():
        for part in PARTS:
            for number in range(1, 1 + (kills.unit.processes if part == "worker" else 1)):
                taken.append(kills.kill(part))
                print(f"kill -9 of {part} {number}: all runs finished after {taken[-1]:.1f} s")
                sys.stdout.flush()
        wrong = kills.judge()
    print(
        f"{len(taken)} processes killed in turn, all runs finished within {max(taken):.0f} s;"
        f" the checker finds {wrong or 'nothing'}"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
