"""A hub under random faults for as long as one likes: `python -m tests.harness.soak --seconds 600`.

Two real worker units sync some accounts that change all the time, over proxies, on a PostgreSQL
server of their own; the calendars of the two are an hour or two apart, or jump (F33). Every 2 to 10
seconds something happens to them (see `nemesis`). In the end everything is healed, all work is
drained, and the checker must find nothing. The same seed strikes in the same order; what each
strike meets depends on the machine.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from itertools import cycle
from random import Random
from typing import Any

ACCOUNTS = 6
PAUSE = (2.0, 10.0)  # seconds between two strikes
DRAIN_SECONDS = 180.0
LOOK_SECONDS = 0.25
DISK = 384 * 1024 * 1024  # bytes; of which only what is stored is memory, but while it is full
CLOCKS = (  # of one unit and the next, see `clocks`
    {"HUB_CLOCK": "3600", "TZ": "America/New_York"},
    {"HUB_CLOCK": "-3600", "TZ": "Europe/Berlin"},
    {"HUB_CLOCK": "600,-3600,3600", "TZ": "Pacific/Apia"},
)


def main() -> int:
    """Return 0 if the checker has found nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--only", default="", help="deeds, separated by commas; default all")
    parser.add_argument("--pause", type=float, nargs=2, default=PAUSE, help="seconds, from and to")
    parser.add_argument("--copy", default="", help="address of a database to begin with")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)

    from tests.harness.cluster import Cluster
    from tests.harness.small_disk import NoSmallDiskError, mount_apart

    with ExitStack() as stack:
        try:
            mount_apart()
        except NoSmallDiskError as exc:
            print(f"the disk is never full: {exc}")
            cluster = stack.enter_context(Cluster())
        else:
            cluster = stack.enter_context(Cluster(table_disk=DISK))
        if options.copy:
            cluster.fill(options.copy)
        cluster.set_up_hub()
        soak = _Soak(stack, cluster, Random(options.seed))
        soak.prepare(is_empty=not options.copy)
        soak.run(
            options.seconds, tuple(options.pause), tuple(filter(None, options.only.split(",")))
        )
        wrong = soak.judge()
    for account, found in wrong.items():
        print(f"WRONG {account}: {found}")
    print(f"{soak.summary}; {len(wrong)} accounts wrong; seed {options.seed}")
    return 1 if wrong else 0


class _Soak:
    """Everything that runs, and the person who presses the buttons."""

    def __init__(self, stack: ExitStack, cluster: Any, rng: Random) -> None:
        from tests.harness.hub import environment
        from tests.harness.nemesis import LEASE_SECONDS, Nemesis
        from tests.harness.simulator import Simulator
        from tests.harness.tcp_chaos import TcpChaos
        from tests.harness.unit import WorkerUnit

        self.stack = stack
        self.rng = rng
        self.log = cluster.home / "worker.log"
        self.simulator = stack.enter_context(Simulator())
        to_provider = stack.enter_context(TcpChaos(self.simulator.port))
        to_database = stack.enter_context(TcpChaos(cluster.socket))
        used = environment(
            f"postgresql://postgres@127.0.0.1:{to_database.port}/hub",
            f"http://127.0.0.1:{to_provider.port}",
            HUB_LEASE_SECONDS=str(LEASE_SECONDS),
            HUB_SLICE_SECONDS="3",
            HUB_LOG_LEVEL="INFO",
            HUB_WORKER_MEMORY_MB="300",
        )
        clocks = cycle(CLOCKS)
        self.nemesis = Nemesis(
            rng=rng,
            simulator=self.simulator,
            cluster=cluster,
            to_provider=to_provider,
            to_database=to_database,
            start_unit=lambda: WorkerUnit({**used, **next(clocks)}, self.log),
        )
        self.connections: dict[str, str] = {}
        self.asked = self.reconnected = 0

    @property
    def summary(self) -> str:
        done = self.nemesis.done
        told = ", ".join(f"{times} {name}" for name, times in sorted(done.items()))
        asked = f"{self.asked} syncs asked for, {self.reconnected} times reconnected"
        return f"{sum(done.values())} faults ({told}), {asked}"

    def prepare(self, *, is_empty: bool) -> None:
        """Tables, a tenant, its connections, and two units that are ready."""
        from tests.harness.estate import connected, prepared

        prepared(self.stack, is_empty=is_empty)
        for number in range(ACCOUNTS):
            name = f"a{number}"
            account = self.simulator.account(name, companies=60, people=40)
            account.grant.grace = 3600
            self.connections[name] = connected(name)
        self.nemesis.units = [self.nemesis.start_unit() for _ in range(2)]
        self.stack.callback(lambda: [unit.kill() for unit in self.nemesis.units])
        for unit in self.nemesis.units:
            unit.wait_until_ready()

    def run(self, seconds: float, pause: tuple[float, ...], only: tuple[str, ...]) -> None:
        """Strike, change rows and ask for syncs until the time is over."""
        until = time.monotonic() + seconds
        strike_at = time.monotonic() + self.rng.uniform(*pause) / 2
        chance = Random(self.rng.random())  # so that strikes do not depend on how often we look
        while time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            name = chance.choice(sorted(self.connections))
            with self.simulator.lock:
                self.simulator.accounts[name].change(chance, 2)
            self._ask(name)
            if time.monotonic() >= strike_at:
                print(f"{seconds - (until - time.monotonic()):6.1f} s  {self.nemesis.strike(only)}")
                sys.stdout.flush()
                strike_at = time.monotonic() + self.rng.uniform(*pause)

    def judge(self) -> dict[str, Any]:
        """Heal, drain twice (a full list, then what changed meanwhile), end, and check."""
        from tests.harness.checker import check

        self.nemesis.heal()
        for _ in range(2):
            for name in self.connections:
                until = time.monotonic() + DRAIN_SECONDS
                while not self._ask(name) and time.monotonic() < until:
                    time.sleep(LOOK_SECONDS)
            self._wait_until_idle()
        accounts = self.simulator.accounts
        found = {name: check(pk, accounts[name]) for name, pk in self.connections.items()}
        for unit in self.nemesis.units:
            unit.end()
        wrong = {name: each for name, each in found.items() if each}
        if wrong:
            print(self.log.read_text()[-20_000:])
        return wrong

    def _ask(self, name: str) -> bool:
        """Ask for a sync of the account; whether the database took it.

        Where access was refused again and again the customer reconnects, as people do.
        """
        from django.db import Error, connection

        from integrations.errors import HubError
        from integrations.models import Connection, SyncRun
        from integrations.services.syncs import request_sync
        from tests.harness.estate import ACTOR, connected

        try:
            row = Connection.objects.get(pk=self.connections[name])
            if row.status == Connection.Status.NEEDS_REAUTH:
                with self.simulator.lock:
                    tokens = self.simulator.accounts[name].consent()
                connected(name, tokens)
                self.reconnected += 1
                row.refresh_from_db()
            request_sync(connection=row, actor=ACTOR, trigger=SyncRun.Trigger.MANUAL)
        except (Error, HubError) as exc:
            if isinstance(exc, Error):
                connection.close()
            return False
        self.asked += 1
        return True

    def _wait_until_idle(self) -> None:
        from hub.fleet.models import Due
        from integrations.models import SyncRun

        until = time.monotonic() + DRAIN_SECONDS
        while SyncRun.objects.open().exists() or Due.objects.exclude(lease_until=None).exists():
            if time.monotonic() > until:
                print(f"not done after {DRAIN_SECONDS:.0f} s")
                return
            time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
