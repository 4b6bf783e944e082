"""What others wait while one provider's connections want far more than it allows (F17).

One worker unit with PROCESSES, of which one provider may take PER_PROVIDER. TENANTS small tenants
have one connection each, due every 20 s; STORM_TENANTS have together CONNECTIONS of one provider
app that may ask ten times a minute. The unit works for the small ones alone, then with all of the
others' due at once, in turn, TURNS times for MEASURE_SECONDS each: their p95 may grow by a tenth,
and the provider, which counts what it is asked, must not be asked beyond its limit once.
"""

import json
import os
import sys
import tempfile
from time import monotonic
from typing import Any
from urllib.request import urlopen

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import table
from tests.benchmarks.provider import STORM, STORM_REQUESTS, STORM_SECONDS, environment, running

PROCESSES = int(os.environ.get("PROCESSES", "4"))
PER_PROVIDER = int(os.environ.get("PER_PROVIDER", "2"))
TENANTS = int(os.environ.get("TENANTS", "20"))
STORM_TENANTS = int(os.environ.get("STORM_TENANTS", "5"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "5000"))
TURNS = int(os.environ.get("TURNS", "2"))
MEASURE_SECONDS = float(os.environ.get("MEASURE_SECONDS", "35"))
SMALL_ROWS = 20
INTERVAL_SECONDS = 20
WARM_UP_SECONDS = 60
MOST_TIMES = 1.1  # by which the delay may grow at p95
PROVIDER = "benchmark_storm"


def main(address: str) -> int:
    from tests.benchmarks.delays import measured, note_starts, percentile, spread
    from tests.benchmarks.estate import connect, new_tenant, worker

    note_starts()
    small = [
        connect(
            new_tenant(f"small-{n}"), f"rows-{SMALL_ROWS}-{n}", interval_seconds=INTERVAL_SECONDS
        ).pk
        for n in range(TENANTS)
    ]
    for n in range(STORM_TENANTS):
        _connect_many(new_tenant(f"storm-{n}"), CONNECTIONS // STORM_TENANTS)
    alone: list[float] = []
    beside: list[float] = []
    stormy_seconds, slices = 0.0, 0
    with (
        tempfile.NamedTemporaryFile("w+", suffix=".log") as log,
        worker(f"--per-provider={PER_PROVIDER}", processes=PROCESSES, log=log),  # type: ignore[arg-type]
    ):
        spread(small, interval_seconds=INTERVAL_SECONDS, within=WARM_UP_SECONDS)
        for _ in range(TURNS):
            alone += measured(small, seconds=MEASURE_SECONDS)
            _let_storm(True)
            before, begun_at = _storm_slices(), monotonic()
            beside += measured(small, seconds=MEASURE_SECONDS)
            slices += _storm_slices() - before
            stormy_seconds += monotonic() - begun_at
            _let_storm(False)
        log.seek(0)
        said = log.read()
    alone.sort()
    beside.sort()
    asked = _asked(address)
    if len(alone) < TENANTS or len(beside) < TENANTS or slices <= sum(asked.values()):
        print(said[-3000:])
        print(
            f"{len(alone)} and {len(beside)} slices of others, {slices} of the storm, which was"
            f" {asked}: too few"
        )
        return 1
    rows = [
        [what, len(late), *(f"{percentile(late, share):.2f}" for share in (0.5, 0.95, 1.0))]
        for what, late in (("alone", alone), ("beside the storm", beside))
    ]
    print(server())
    seconds = f"slices in {TURNS} × {MEASURE_SECONDS:.0f} s"
    print(table(["seconds until others begin", seconds, "median", "p95", "most"], rows))
    times = percentile(beside, 0.95) / percentile(alone, 0.95)
    print(
        f"{times:.2f} times as long until others begin, at p95 (at most {MOST_TIMES}), beside"
        f" {CONNECTIONS:,} connections of one provider in {slices} slices; asked"
        f" {sum(asked.values())} times in {stormy_seconds:.0f} s where {STORM_REQUESTS} in"
        f" {STORM_SECONDS:.0f} s are allowed, it refused {asked['refused']}"
    )
    return 0 if times <= MOST_TIMES and not asked["refused"] else 1


def _connect_many(tenant: Any, connections: int) -> None:
    """What connecting leaves behind, in one go: nobody is asked whose accounts these are.

    Nothing of it is due yet.
    """
    from django.db import transaction

    from hub.fleet.models import Due
    from integrations.models import Connection
    from tenants.context import in_tenant
    from tenants.keys import seal_for

    made = [
        Connection(
            name=f"{STORM}-{n}",
            provider=PROVIDER,
            auth_kind="api_key",
            account_id=f"{STORM}-{n}",
            source_system=f"{PROVIDER}:{STORM}-{n}",
        )
        for n in range(connections)
    ]
    work = {"tenant": tenant, "kind": Due.Kind.SYNC, "provider": PROVIDER}
    with in_tenant(tenant), transaction.atomic():
        for one in made:
            key = {"key": one.account_id}
            one.credentials = seal_for(one, "credentials", key, tenant_id=tenant.pk)
        Connection.objects.bulk_create(made)
        Due.objects.bulk_create([Due(object_id=one.pk, **work) for one in made])


def _let_storm(is_on: bool) -> None:
    """All of the storm's work is due now, or none until it is told so."""
    from django.db.models.functions import Now

    from hub.fleet.models import Due

    rows = Due.objects.filter(provider=PROVIDER)
    rows.update(due_at=Now() if is_on else None)


def _storm_slices() -> int:
    from django.db import connection as database

    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM public.benchmark_start JOIN public.fleet_due USING (object_id)"
            " WHERE provider = %s",
            [PROVIDER],
        )
        return int(cursor.fetchone()[0])


def _asked(address: str) -> dict[str, int]:
    with urlopen(f"{address}/storm") as answer:
        counts: dict[str, int] = json.load(answer)
    return counts


if __name__ == "__main__":
    with running() as address, own_database(environment(address)):
        status = main(address)
    sys.exit(status)
