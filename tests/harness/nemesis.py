"""What happens to a running hub, at random: processes, database, network and provider."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from random import Random

import psutil
import psycopg

from tests.harness.bombs import page_bomb
from tests.harness.cluster import Cluster
from tests.harness.simulator import Account, Fault, Simulator
from tests.harness.tcp_chaos import TcpChaos, Trouble
from tests.harness.unit import PARTS, WorkerUnit

LEASE_SECONDS = 4.0
WEATHER = (
    Fault(500, body=b"{}"),
    Fault(503, body=b"<html>"),
    Fault(200, body=b""),
    Fault(cut=100),
    Fault(reset=True),
    Fault(429, (("Retry-After", "1"),), b"{}"),
    Fault(delay=0.3),
)
NETWORK = (
    Trouble(black_hole=True),
    Trouble(drip=0.02),
    Trouble(reset_after=300),
    Trouble(cut_after=300),
    Trouble(half_open=True),
    Trouble(rate=2_000),
)
TOKEN_FAULTS = (Fault(500), Fault(503, body=b"<html>"), Fault(429, (("Retry-After", "1"),)))


@dataclass
class Nemesis:
    """Everything it may touch, and how often it did what."""

    rng: Random
    simulator: Simulator
    cluster: Cluster
    to_provider: TcpChaos
    to_database: TcpChaos
    start_unit: Callable[[], WorkerUnit]
    units: list[WorkerUnit] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def strike(self, only: tuple[str, ...] = ()) -> str:
        """Do one thing, and say what."""
        deeds = {name: deed for name, deed in self.deeds().items() if not only or name in only}
        name = self.rng.choice(sorted(deeds))
        deeds[name]()
        self.done[name] += 1
        self.replace_the_dead()
        return name

    def deeds(self) -> dict[str, Callable[[], object]]:
        kills = {
            f"kill {part}": lambda part=part: self._send(part, signal.SIGKILL) for part in PARTS
        }
        return {
            **kills,
            "freeze worker": self.freeze_worker,
            "deploy": self.deploy,
            "restart database": self.restart_database,
            "drop database connections": self.to_database.drop_all,
            "lose commit": self.lose_commit,
            "weather": self.weather,
            "network": self.network,
            "page bomb": self.page_bomb,
            "take connections": self.take_connections,
            "hold rows": self.hold_rows,
            **({"fill disk": self.fill_disk} if self.cluster.disks else {}),
            "token endpoint": self.token_endpoint,
            "expire tokens": self.expire_tokens,
        }

    def heal(self) -> None:
        """Nothing is wrong any more; two units work."""
        self.simulator.heal()
        self.to_provider.set()
        self.to_database.set()
        if not self.cluster.is_running:
            self.cluster.start()
        self.replace_the_dead()

    def replace_the_dead(self) -> None:
        for index, unit in enumerate(self.units):
            if not unit.is_alive:
                unit.kill()
                self.units[index] = self.start_unit()

    def freeze_worker(self) -> None:
        """A process stands still for longer than its lease, then goes on."""
        unit = self.rng.choice(self.units)
        for process in unit.find("worker")[:1]:
            process.suspend()
            wake = threading.Timer(3 * LEASE_SECONDS, _wake, (process,))
            wake.daemon = True
            wake.start()

    def deploy(self) -> None:
        """A unit is told to end and another takes its place."""
        index = self.rng.randrange(len(self.units))
        self.units[index].end()
        self.units[index] = self.start_unit()

    def restart_database(self) -> None:
        self.cluster.stop()
        time.sleep(self.rng.uniform(0.2, 2))
        self.cluster.start()

    def take_connections(self) -> None:
        """The database has none left for anybody else."""
        with ExitStack() as taken:
            with suppress(psycopg.OperationalError):
                while True:
                    taken.enter_context(psycopg.connect(self.cluster.url))
            time.sleep(self.rng.uniform(0.3, 2))

    def hold_rows(self) -> None:
        """Somebody else has taken all work that is due, and all runs there are."""
        with suppress(psycopg.OperationalError), psycopg.connect(self.cluster.url) as session:
            session.execute("SET lock_timeout = '1s'")
            (schema,) = session.execute("SELECT schema_name FROM public.tenants_tenant").fetchone()
            for table in ("public.fleet_due", f"{schema}.integrations_syncrun"):
                session.execute(f"SELECT FROM {table} FOR UPDATE")
            time.sleep(self.rng.uniform(0.3, 2))

    def fill_disk(self) -> None:
        """There is no room for the tables."""
        disk = self.cluster.disks["tables"]
        disk.fill()
        try:
            time.sleep(self.rng.uniform(0.3, 3))
        finally:
            disk.free()

    def lose_commit(self) -> None:
        """Batches are committed, and nobody is told."""
        self._for_a_while(
            self.to_database, Trouble(cut_at=(b"INSERT INTO integrations_record AS", b"COMMIT"))
        )

    def network(self) -> None:
        self._for_a_while(self.to_provider, self.rng.choice(NETWORK))

    def weather(self) -> None:
        """A share of the answers is spoiled until the next weather."""
        chance, share = Random(self.rng.random()), self.rng.choice((0, 0.1, 0.3))

        def spoiled(number: int, path: str) -> Fault | None:
            return chance.choice(WEATHER) if chance.random() < share else None

        self.simulator.weather = spoiled

    def page_bomb(self) -> None:
        """One of the next answers takes more memory than a worker may have."""
        self.simulator.faults[self.simulator.next_number + self.rng.randrange(3)] = page_bomb()

    def token_endpoint(self) -> None:
        self.simulator.token_faults += self.rng.choices(TOKEN_FAULTS, k=3)
        self.expire_tokens()

    def expire_tokens(self) -> None:
        for account in self._accounts():
            account.grant.left = self.rng.randrange(5)

    def _for_a_while(self, chaos: TcpChaos, trouble: Trouble) -> None:
        chaos.set(trouble)
        time.sleep(self.rng.uniform(0.3, 1.5))
        chaos.set()

    def _send(self, part: str, number: signal.Signals) -> None:
        self.rng.choice(self.units).send(part, number, self.rng.randrange(8))

    def _accounts(self) -> list[Account]:
        return list(self.simulator.accounts.values())


def _wake(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.resume()
