"""The hub's own database runs out of what it needs, for a while.

    python -m tests.harness.shortages --copy <address>

- connections: all are taken, then all but one;
- room: the disk with the tables is full;
- folder: the disk with everything else is full, which PostgreSQL does not survive.

Each time the hub works on while people and programs ask it for something; then there is enough
again. Without --copy on an empty server. Ends with 77 where nobody may mount a disk.
"""

import argparse
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from html import escape
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import psycopg

from tests.harness.simulator import ORIGIN, Account, Simulator
from tests.harness.small_disk import NoSmallDiskError, mount_apart

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from tests.harness.cluster import Cluster

CANNOT = 77
NAMES = ("connections", "room", "folder")
CONNECTIONS = 20
SETTINGS = f"""
max_connections = {CONNECTIONS}
superuser_reserved_connections = 0
max_wal_senders = 0
autovacuum = off
min_wal_size = 32MB
max_wal_size = 48MB
"""
DISK = 256 * 1024 * 1024  # most of it is memory only while it is full
ATTEMPTS = 6  # of due work: with the fifth it would be parked if they counted
WAITS = 9  # of a run: with the ninth it would fail
CALLS_AT_MOST = 500  # until the room left in the last pages of a table is used up
SECONDS = 120.0  # until what must come in the end, on a busy machine
SIGN_IN = {"username": "ada@acme.example", "password": "wrong", "tenant": "acme"}
LIMITS = "limits cannot be read"
SENTENCE = "The hub's database does not answer; please try again soon."
MEGABYTE = "SELECT pg_logical_emit_message(true, 'harness', repeat('x', 1000000))"


def main() -> int:
    """Return 0 if nothing was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copy", default="")
    parser.add_argument("--only", default=",".join(NAMES))
    options = parser.parse_args()
    from tests.harness.cluster import Cluster

    with ExitStack() as stack:
        try:
            mount_apart()
            cluster = stack.enter_context(Cluster(SETTINGS, disk=DISK, table_disk=DISK))
        except NoSmallDiskError as exc:
            print(exc)
            return CANNOT
        if options.copy:
            cluster.fill(options.copy)
        simulator = stack.enter_context(Simulator())
        addresses = json.dumps({ORIGIN: simulator.url})
        cluster.set_up_hub(
            HUB_PROVIDER_ADDRESSES=addresses, HUB_BATCH_ROWS="20", HUB_CALL_SECONDS="45"
        )
        logging.disable(logging.CRITICAL)  # hundreds of tracebacks
        from tests.harness.estate import prepared

        prepared(stack, is_empty=not options.copy)
        shortages = _Shortages(cluster, simulator)
        found = [shortages.meet(name) for name in options.only.split(",")]
    return 1 if any(found) else 0


class _Shortages:
    """The hub in this process, and whoever asks it for something."""

    def __init__(self, cluster: "Cluster", simulator: Simulator) -> None:
        from django.test import Client

        from tenants.context import current_tenant
        from tests.api.caller import Caller, with_key
        from tests.harness.here import Here

        self.cluster = cluster
        self.simulator = simulator
        self.hub = Here(cluster.home / "hub.log")
        self.program = with_key(current_tenant())
        self.stranger = Caller("hub_nobody_knows")
        self.person = Client(raise_request_exception=False)
        self.wrong: list[str] = []

    def meet(self, name: str) -> list[str]:
        """What is wrong once a connection has got over the shortage."""
        from tests.harness.checker import check

        self.wrong = []
        account = self.simulator.account(name, companies=80, people=10)
        connection = self.hub.connect(name)
        self.hub.work(connection, slice=0.01)  # something is there already
        getattr(self, f"_run_out_of_{name}")(account, connection)
        self.hub.drain(connection)
        self.wrong += [f"{what}: {found}" for what, found in check(connection, account).items()]
        print(f"{name}: {self.wrong or 'nothing wrong'}", flush=True)
        return self.wrong

    # What runs out

    def _run_out_of_connections(self, account: Account, connection: str) -> None:
        from django.db import connection as database

        from hub.audit.record import own_connection
        from tests.harness.hub import due_of, let_waits_pass

        let_waits_pass(connection)
        due = str(due_of(connection)[0].pk)
        self.hub.close()
        taken = self._take_all()
        self._is_refused_to_all(connection)
        said = self.hub.ask(do="work", due=due)["said"]
        self._expect("a claim", said, "not claimed: OperationalError")
        self._give_back(taken.pop(), database)
        self._works_in_vain(account, connection, ATTEMPTS, "does not answer")
        self._give_back(taken.pop(), own_connection())
        self._works_in_vain(account, connection, WAITS, LIMITS)
        for each in taken:
            each.close()

    def _run_out_of_room(self, account: Account, connection: str) -> None:
        self.cluster.disks["tables"].fill()
        self._works_in_vain(account, connection, ATTEMPTS, "no room left", LIMITS)
        self._is_refused_unless_audited()
        self._health(503, "has no room left")
        self.cluster.disks["tables"].free()
        self._health(200, "ok")
        self._expect("a link", self._link().status_code, 201)
        self._expect("a stranger", self._ask_as_stranger().status_code, 401)

    def _run_out_of_folder(self, account: Account, connection: str) -> None:
        self.cluster.disks["data"].fill()
        self._write_until_it_ends()
        self._is_refused_to_all(connection)
        self._health(503, "does not answer")
        self.cluster.disks["data"].free()
        until = monotonic() + SECONDS
        while not self._answers():
            assert monotonic() < until, "the server does not come back"
            if not self.cluster.is_running:
                with suppress(subprocess.CalledProcessError):
                    self.cluster.start()
            sleep(0.1)
        self._health(200, "ok")

    # What is seen of it

    def _works_in_vain(self, account: Account, connection: str, slices: int, *says: str) -> None:
        """Slice after slice only waits: nothing is lost, nothing counts, nothing is given up."""
        from hub.fleet.models import Due
        from integrations.models import SyncRun
        from tests.harness.checker import early
        from tests.harness.hub import let_waits_pass

        said = []
        for _ in range(slices):
            let_waits_pass(connection)
            said.append(self.hub.work(connection)["said"])
            self.wrong += early(connection, account)
        waits = [one.startswith("Waits") and any(text in one for text in says) for one in said]
        self._expect(f"slices that wait, {said}", all(waits), True)
        for due in Due.objects.filter(object_id=connection):
            kept = (due.attempts, due.failures, due.parked_reason)
            self._expect("attempts, failures and parking", kept, (0, 0, ""))
        states = set(SyncRun.objects.filter(connection_id=connection).values_list("state"))
        self._expect("states of runs", states, {("running",)})

    def _is_refused_to_all(self, connection: str) -> None:
        """Programs, people and probes are told 503, when to come back, and one sentence."""
        path = f"connections/{connection}/"
        problems = {
            "a read": self._ask(lambda: self.program.get(path)),
            "a write": self._ask(lambda: self.program.post(f"{path}sync-runs/")),
            "a link": self._link(),
            "a stranger": self._ask_as_stranger(),
            "a token": self._ask(lambda: self.stranger.post("token/", SIGN_IN)),
        }
        for what, answer in problems.items():
            self._expect(what, answer.status_code, 503)
            self._expect(what, answer.json()["code"], "hub_unavailable")
            self._expect(what, answer.json()["detail"], SENTENCE)
            self._expect(what, int(answer.get("Retry-After", 0)) > 0, True)
        pages = {
            "a connect page": self._ask(lambda: self.person.get("/connect/some-token/")),
            "a callback": self._ask(lambda: self.person.get("/oauth/copper/callback/?state=x")),
            "a tenant's page": self._ask(lambda: self.person.get("/t/nobody/admin/")),
            "a sign-in": self._ask(lambda: self.person.post("/admin/login/", SIGN_IN)),
        }
        for what, answer in pages.items():
            self._expect(what, answer.status_code, 503)
            self._expect(what, escape(SENTENCE) in answer.content.decode(), True)
            self._expect(what, int(answer.get("Retry-After", 0)) > 0, True)
        self._health(503, "does not answer")

    def _is_refused_unless_audited(self) -> None:
        """As long as an event finds room in a page that is there, things go on; then none does."""
        from hub.audit.models import AuditAction, AuditEvent
        from hub.connect.models import ConnectSession

        def audited(action: str) -> int:
            return AuditEvent.objects.filter(action=action).count()

        refused, made = AuditAction.ACCESS_REFUSED, AuditAction.CONNECT_LINK_CREATED
        before = audited(refused), audited(made), ConnectSession.objects.count()
        strangers = self._until_unavailable("a stranger", self._ask_as_stranger, 401)
        links = self._until_unavailable("a link", self._link, 201)
        after = audited(refused), audited(made), ConnectSession.objects.count()
        added = tuple(now - then for now, then in zip(after, before, strict=True))
        self._expect("events and links", added, (strangers, links, links))

    def _until_unavailable(self, what: str, ask: Callable[[], Any], status: int) -> int:
        """How often it was served with `status` before it was refused."""
        for number in range(CALLS_AT_MOST):
            answer = ask()
            if answer.status_code != status:
                self._expect(what, answer.status_code, 503)
                self._expect(what, "no room left" in answer.json()["detail"], True)
                return number
        self.wrong.append(f"{what} was never refused")
        return CALLS_AT_MOST

    def _health(self, status: int, says: str) -> None:
        """What probes are told; on a busy machine one may be too slow to be told that."""
        until = monotonic() + SECONDS
        while True:
            answer = self._ask(lambda: self.person.get("/health/ready/"))
            found = answer.status_code, answer.json()["database"]
            if found == (status, says) or monotonic() > until:
                break
            sleep(0.1)
        self._expect("health", found, (status, says))

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: {found!r} instead of {wanted!r}")

    # How it is asked

    def _ask(self, ask: Callable[[], Any]) -> Any:
        """As the server begins each request: without a connection that is of no use any more."""
        from django.db import close_old_connections

        close_old_connections()
        return ask()

    def _link(self) -> Any:
        return self._ask(lambda: self.program.post("connect-sessions/", {"end_user": "x" * 100}))

    def _ask_as_stranger(self) -> Any:
        return self._ask(lambda: self.stranger.get("connections/"))

    # How it is brought about

    def _take_all(self) -> list[psycopg.Connection[Any]]:
        """Every connection the server has to give."""
        taken: list[psycopg.Connection[Any]] = []
        until = monotonic() + SECONDS
        while len(taken) < CONNECTIONS:  # those that were closed a moment ago come free one by one
            assert monotonic() < until, f"only {len(taken)} connections come free"
            with suppress(psycopg.OperationalError):
                while True:
                    taken.append(psycopg.connect(self.cluster.url))
            sleep(0.05)
        return taken

    def _give_back(self, taken: psycopg.Connection[Any], own: "BaseDatabaseWrapper") -> None:
        """One connection comes free, and the hub takes it."""
        from django.db import Error

        taken.close()
        for _ in range(200):
            with suppress(Error):
                own.ensure_connection()
                break
            sleep(0.05)

    def _write_until_it_ends(self) -> None:
        """The log of changes needs a new file sooner or later, and there is no room for one."""
        until = monotonic() + SECONDS
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(self.cluster.url, autocommit=True) as session,
        ):
            while monotonic() < until:
                session.execute(MEGABYTE)
        while self._answers():
            assert monotonic() < until, "the server goes on without room"
            sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.cluster.url).close()
        except psycopg.OperationalError:
            return False
        return True


if __name__ == "__main__":
    sys.exit(main())
