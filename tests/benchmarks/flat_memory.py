"""Memory of a worker's processes while they sync a million records: below 150 MB, and flat.

A real worker unit with one process reads an account of ROWS records over HTTP into PostgreSQL. The
resident memory of every process beneath the unit is sampled twice a second.
"""

import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import table
from tests.benchmarks.provider import environment, running

ROWS = int(os.environ.get("ROWS", "1000000"))
MOST_MB = 150
MOST_GROWTH_MB = 10  # of the last quarter's highest over the first's
SAMPLE_SECONDS = 0.5
AT_LEAST_A_SECOND = 500  # records; slower than that something is broken


def main() -> int:
    from tests.benchmarks.estate import connect, new_tenant, worker

    tenant = new_tenant("large")
    connection = connect(tenant, f"rows-{ROWS}")
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        begun = monotonic()
        with worker(processes=1, log=log) as unit:  # type: ignore[arg-type]
            samples = _samples(unit, tenant, connection)
        seconds = monotonic() - begun
        run = _run(tenant, connection)
        if run.state != "succeeded" or run.totals["read"] != ROWS or len(samples) < 4:
            print(Path(log.name).read_text()[-3000:])
            print(
                f"the sync is {run.state} after {run.totals['read']:,} of {ROWS:,} records and"
                f" {len(samples)} samples"
            )
            return 1
    edges = [len(samples) * quarter // 4 for quarter in range(5)]
    highest = [max(samples[begin:end]) for begin, end in pairwise(edges)]
    print(server())
    print(
        table(
            ["highest of a worker's process, MB", "1st quarter", "2nd", "3rd", "4th"],
            [[f"{ROWS:,} records in {seconds:.0f} s", *(f"{mb:.0f}" for mb in highest)]],
        )
    )
    grown = highest[-1] - highest[0]
    print(
        f"{max(samples):.0f} MB at most over {ROWS:,} records (at most {MOST_MB}), last quarter"
        f" {grown:+.0f} MB against the first (at most +{MOST_GROWTH_MB})"
    )
    return 0 if max(samples) <= MOST_MB and grown <= MOST_GROWTH_MB else 1


def _samples(unit: Any, tenant: Any, connection: Any) -> list[float]:
    """Megabytes of the largest process beneath the unit, from the first batch to the run's end."""
    import psutil

    samples: list[float] = []
    until = monotonic() + 60 + ROWS / AT_LEAST_A_SECOND
    while monotonic() < until:
        run = _run(tenant, connection)
        if run is not None and not run.is_open:
            break
        largest = 0.0
        for process in unit.children(recursive=True):
            try:
                largest = max(largest, process.memory_info().rss / 1e6)
            except psutil.NoSuchProcess:
                continue
        if run is not None and run.totals["read"]:
            samples.append(largest)
        sleep(SAMPLE_SECONDS)
    return samples


def _run(tenant: Any, connection: Any) -> Any:
    from integrations.models import SyncRun
    from tenants.context import in_tenant

    with in_tenant(tenant):
        return SyncRun.objects.filter(connection=connection).order_by("created_at").first()


if __name__ == "__main__":
    with running() as address, own_database(environment(address)):
        status = main()
    sys.exit(status)
