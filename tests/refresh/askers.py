"""Twenty processes that ask for the same access, again and again, all at the same moment.

    python -m tests.refresh.askers <connection> <processes>

Each line read from stdin is one round: the access is let end in a second, every process reads the
row, waits at a barrier for the others, and asks. Each round is answered by one line: a JSON list
with what every process got, {"token": …} or {"error": …}. With the end of
stdin they all end.
"""

import json
import multiprocessing
import os
import sys
import threading
from datetime import timedelta
from multiprocessing.connection import Connection as Pipe
from typing import Any

import django

django.setup()

from django.db import connection as database  # noqa: E402
from django.utils import timezone  # noqa: E402

from integrations.errors import HubError  # noqa: E402
from integrations.models import Connection  # noqa: E402
from integrations.sync.credentials import access_for  # noqa: E402
from tenants.actor import Actor  # noqa: E402
from tenants.context import get_tenant, in_tenant  # noqa: E402

ROUND_SECONDS = 180  # on a busy machine
FORK = multiprocessing.get_context("fork")


def ask(pk: str, together: Any, orders: Pipe, answers: Pipe) -> None:
    """Serve rounds for as long as the process that gives the orders lives."""
    parent = os.getppid()
    while True:
        while not orders.poll(1):
            if os.getppid() != parent:
                return
        orders.recv()
        with in_tenant(get_tenant("acme")):
            row = Connection.objects.get(pk=pk)
            together.wait(ROUND_SECONDS)
            try:
                found = access_for(row, actor=Actor.system("worker"), reason="sync")
                answers.send({"token": found.access_token})
            except HubError as exc:
                answers.send({"error": f"{exc.code}: {exc}"})


def main() -> None:
    pk, processes = sys.argv[1], int(sys.argv[2])
    together = FORK.Barrier(processes)
    pipes = [(FORK.Pipe(duplex=False), FORK.Pipe(duplex=False)) for _ in range(processes)]
    for (orders, _), (_, answers) in pipes:
        FORK.Process(target=ask, args=(pk, together, orders, answers), daemon=True).start()
    tenant = get_tenant("acme")
    for _ in sys.stdin:
        with in_tenant(tenant):
            soon = timezone.now() + timedelta(seconds=1)
            Connection.objects.filter(pk=pk).update(access_expires_at=soon)
        for (_, order), _ in pipes:
            order.send("ask")
        said = [answer.recv() if answer.poll(ROUND_SECONDS) else {} for _, (answer, _) in pipes]
        print(json.dumps(said), flush=True)
    database.close()


if __name__ == "__main__":
    assert threading.active_count() == 1, "only a process of one thread may fork"
    main()
