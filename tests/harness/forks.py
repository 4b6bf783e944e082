"""The hub as processes that may be killed: one warm process that forks another for every order.

`python -m tests.harness.forks` reads orders as lines of JSON and answers each with one line:

    {"id": 1, "do": "connect", "account": "a1"}             {"id": 1, "said": "<connection>"}
    {"id": 2, "do": "request", "connection": "…"}           {"id": 2, "said": "<run>"}
    {"id": 3, "do": "work", "due": "…", "crash": "after_commit:1:KILL", "timeout": 2}
                                  {"id": 3, "said": "", "signal": 9, "acted": true}
    {"id": 4, "do": "wake", "order": 3}                     {"id": 4, "said": "woken"}
    {"id": 5, "do": "end"}                                  {"id": 5, "said": "ended"}

A forked process that stops itself is answered at once with "stopped": true, and a second time when
it has been woken and has ended. "without" names rules that are taken out of it, see `mutants`;
"slice" says after how many seconds it makes room, by default never; "clock" how wrong its clock is,
see `clocks`; "options" what its sessions ask of the database, by default to be patient; "call" for
how many seconds it waits for an answer of the provider; "memory" how many megabytes it may take.
"""

import json
import os
import select
import signal
import sys
import threading
from typing import Any
from uuid import UUID, uuid4

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db import Error, connections  # noqa: E402

from hub.fleet.claims import claim_one  # noqa: E402
from hub.fleet.models import Due  # noqa: E402
from hub.fleet.processes import limit_memory  # noqa: E402
from integrations import crash, tasks  # noqa: E402
from integrations.http import client  # noqa: E402
from integrations.models import Connection, SyncRun  # noqa: E402
from integrations.queue import SliceTimeoutError  # noqa: E402
from integrations.services.syncs import request_sync  # noqa: E402
from tenants.context import get_tenant, in_tenant  # noqa: E402
from tests.harness import clocks, mutants  # noqa: E402
from tests.harness.apps import replace  # noqa: E402
from tests.harness.estate import ACTOR, connected  # noqa: E402
from tests.harness.hub import PATIENT  # noqa: E402

Order = dict[str, Any]
POLL_SECONDS = 0.01
LONGEST_SECONDS = 170
AGAIN_SECONDS = 5  # an alarm that comes while Python cleans up is not heard
FROZEN_SECONDS = 600  # the alarm goes on while a process stands still, and others take their time


def connect(order: Order) -> str:
    """Connect the account; its first sync is due."""
    with in_tenant(get_tenant(order["tenant"])):
        return connected(order["account"])


def request(order: Order) -> str:
    """Ask for a sync, in whatever mode."""
    with in_tenant(get_tenant(order["tenant"])):
        run = request_sync(
            connection=Connection.objects.get(pk=order["connection"]),
            actor=ACTOR,
            trigger=SyncRun.Trigger.MANUAL,
            mode=order.get("mode", SyncRun.Mode.INCREMENTAL),
        )
    return str(run.pk)


def work(order: Order) -> str:
    """Claim the due row and do what the queue's process would do with it."""
    due = UUID(order["due"])
    lease = settings.HUB_LEASE_SECONDS
    settings.HUB_SLICE_SECONDS = order.get("slice", LONGEST_SECONDS)
    replace(tasks, SHARE_SECONDS=LONGEST_SECONDS)  # it makes room when the order says so
    try:
        tenant = Due.objects.values_list("tenant_id", flat=True).get(pk=due)
        claimed = claim_one(due, worker_id=uuid4(), lease_seconds=lease)
    except Error as exc:  # a frozen process holds the row, or the order's options are too tight
        return f"not claimed: {type(exc).__name__}"
    if claimed is None:
        return "not claimed: somebody holds it"
    crash.arm(order.get("crash", ""))  # the claim is made elsewhere, by the unit
    return tasks.work(str(tenant), str(due), claimed.fence)


ORDERS = {"connect": connect, "request": request, "work": work}


def obey(order: Order, answers: int) -> None:
    """What the forked process does with its order, before it ends."""
    crash.arm("" if order["do"] == "work" else order.get("crash", ""))
    mutants.take_out(order.get("without", ()))
    # One that is to freeze keeps to the settings' short times: its locks are soon given up.
    options = order.get("options", "" if _is_to_freeze(order) else PATIENT)
    if options:
        connections.settings["default"]["OPTIONS"]["options"] = options
    if "call" in order:
        replace(client, CALL_SECONDS=order["call"])
    clocks.set_clock(order.get("clock", ()))
    limit_memory(order.get("memory", 0))
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, _seconds_of(order), AGAIN_SECONDS)
    try:
        said = ORDERS[order["do"]](order)
    except SliceTimeoutError:
        said = "timed out"
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(answers, json.dumps({"said": said, "acted": crash.has_acted()}).encode())


def _is_to_freeze(order: Order) -> bool:
    return str(order.get("crash", "")).endswith(":STOP")


def _seconds_of(order: Order) -> float:
    if _is_to_freeze(order):
        return FROZEN_SECONDS
    return float(order.get("timeout", LONGEST_SECONDS))


def _out_of_time(number: int, frame: object) -> None:
    raise SliceTimeoutError("The slice took too long.")


class Forks:
    """The processes under way and the pipes on which they answer."""

    def __init__(self) -> None:
        self.running: dict[int, tuple[int, int]] = {}  # process → its order's id, its pipe

    def begin(self, order: Order) -> None:
        if order["do"] == "wake":
            for pid, (id, _) in self.running.items():
                if id == order["order"]:
                    os.kill(pid, signal.SIGCONT)
            say(id=order["id"], said="woken")
            return
        if order["do"] == "end":
            self.end()
            say(id=order["id"], said="ended")
            return
        reads, writes = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reads)
            code = 1
            try:
                obey(order, writes)
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writes)
        self.running[pid] = (order["id"], reads)

    def look(self) -> None:
        """Answer for those that have ended or stopped."""
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                say(id=self.running[pid][0], said="", stopped=True, acted=True)
                continue
            id, reads = self.running.pop(pid)
            with os.fdopen(reads) as pipe:
                told = pipe.read()
            number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
            acted = {"acted": number == signal.SIGKILL}
            say(id=id, signal=number, **(json.loads(told) if told else {"said": "", **acted}))

    def end(self) -> None:
        """Kill whatever runs, without an answer."""
        for pid, (_, reads) in self.running.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reads)
        self.running.clear()


def say(**answer: Any) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    assert threading.active_count() == 1, "only a process of one thread may fork"
    forks = Forks()
    buffered = b""
    os.set_blocking(0, False)
    try:
        while True:
            if select.select([0], [], [], POLL_SECONDS if forks.running else 1.0)[0]:
                read = os.read(0, 65_536)
                if not read:
                    return
                *lines, buffered = (buffered + read).split(b"\n")
                for line in lines:
                    forks.begin(json.loads(line))
            forks.look()
    finally:
        forks.end()


if __name__ == "__main__":
    main()
