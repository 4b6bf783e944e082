"""Several processes of one installation that call a provider as fast as they may.

    python -m tests.resilience.spenders <provider> <secrets as JSON> <processes> <seconds>

Prints a JSON list: per process how many calls were answered, and how many seconds one of them took
at most, from being let through.
"""

import json
import multiprocessing
import sys
from collections.abc import Mapping
from time import monotonic
from typing import Any

import django

django.setup()

from django.db import connection as database  # noqa: E402

from hub.fields import uuid7  # noqa: E402
from integrations.connectors.registry import get_connector  # noqa: E402
from integrations.errors import RateLimitError  # noqa: E402
from integrations.http.client import ProviderClient  # noqa: E402
from integrations.models import Connection  # noqa: E402
from integrations.resilience.clock import SystemClock  # noqa: E402
from integrations.resilience.deadline import Deadline  # noqa: E402
from integrations.resilience.guard import Gate  # noqa: E402
from integrations.sync.guards import guard_for  # noqa: E402
from integrations.sync.outside import egress_of_settings  # noqa: E402
from integrations.types import Credentials  # noqa: E402
from tenants.context import get_tenant, in_tenant  # noqa: E402

START_SECONDS = 60.0  # on a busy machine
FORK = multiprocessing.get_context("fork")


class Timed:
    """A gate that notes how long a call takes at most once it was let through."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._begun = 0.0
        self.longest = 0.0

    def admit(self, path: str, deadline: Deadline) -> None:
        self._gate.admit(path, deadline)
        self._begun = monotonic()

    def answered(self, headers: Mapping[str, str]) -> None:
        self._note()
        self._gate.answered(headers)

    def asked_to_wait(self, path: str, seconds: float | None) -> None:
        self._note()
        self._gate.asked_to_wait(path, seconds)

    def failed(self, reason: str) -> None:
        self._gate.failed(reason)

    def gave_up(self) -> None:
        self._gate.gave_up()

    def close(self) -> None:
        self._gate.close()

    def _note(self) -> None:
        self.longest = max(self.longest, monotonic() - self._begun)


def spend(slug: str, secrets: dict[str, str], row: Connection, together: Any, until: Any) -> Any:
    """Call until the time is over or the budget is spent for longer than one sleeps.

    All wait for each other at `together`, which sets `until`, the same for all.
    """
    clock = SystemClock()
    connector = get_connector(slug)
    named = {name: secrets.pop(name) for name in ("key", "access_token") if name in secrets}
    context = connector().authenticate(Credentials(**named, extra=secrets))
    gate = Timed(guard_for(row, connector.provider, base_url=context.base_url, clock=clock))
    client = ProviderClient(
        connector.provider,
        context,
        egress=egress_of_settings(),
        clock=clock,
        gate=gate,
    )
    answered = 0
    together.wait(START_SECONDS)
    with client:
        while monotonic() < until.value:
            try:
                client.get(connector.provider.identity.path, rows_at=None)
            except RateLimitError:
                break
            answered += 1
    return answered, gate.longest


def main() -> None:
    slug, secrets, processes, seconds = sys.argv[1:5]
    number = int(processes)
    with in_tenant(get_tenant("acme")):
        row = Connection(id=uuid7(), provider=slug, source_system=f"{slug}:1", auth_kind="api_key")
        database.close()  # no process may speak on another's connection
        until, results = FORK.Value("d", 0.0), FORK.Queue()

        def begin() -> None:
            until.value = monotonic() + float(seconds)

        together = FORK.Barrier(number, action=begin)

        def work() -> None:
            results.put(spend(slug, json.loads(secrets), row, together, until))

        children = [FORK.Process(target=work) for _ in range(number)]
        for child in children:
            child.start()
        print(json.dumps([results.get(timeout=2 * START_SECONDS) for _ in children]))
        for child in children:
            child.join(30)


if __name__ == "__main__":
    main()
