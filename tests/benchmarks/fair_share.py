"""What others wait for their turn beside a tenant with a million rows and a provider that hangs.

One worker unit with two processes. TENANTS small tenants have one connection each, due every
minute. How late their slices begin is noted for MEASURE_SECONDS; then a tenant of ROWS records
begins its first sync and HANGING tenants have a connection to a provider that accepts calls and
never answers, and it is noted again. What has not begun in the end counts with what it has waited.
"""

import os
import sys
import tempfile

from tests.benchmarks.database import own_database, server
from tests.benchmarks.machine import table
from tests.benchmarks.provider import HANGS, environment, running

TENANTS = int(os.environ.get("TENANTS", "50"))
ROWS = int(os.environ.get("ROWS", "1000000"))
HANGING = int(os.environ.get("HANGING", "10"))
MEASURE_SECONDS = float(os.environ.get("MEASURE_SECONDS", "180"))
SMALL_ROWS = 20
INTERVAL_SECONDS = 60
WARM_UP_SECONDS = 120
MOST_SECONDS = 60.0  # by which the delay may grow at p95


def main() -> int:
    from tests.benchmarks.delays import begun, measured, note_starts, percentile, spread
    from tests.benchmarks.estate import connect, new_tenant, worker

    note_starts()
    small = [
        connect(
            new_tenant(f"small-{n}"), f"rows-{SMALL_ROWS}-{n}", interval_seconds=INTERVAL_SECONDS
        ).pk
        for n in range(TENANTS)
    ]
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        with worker("--per-tenant=4", processes=2, log=log):  # type: ignore[arg-type]
            spread(small, interval_seconds=INTERVAL_SECONDS, within=WARM_UP_SECONDS)
            alone = measured(small, seconds=MEASURE_SECONDS)
            large = connect(new_tenant("large"), f"rows-{ROWS}")
            for n in range(HANGING):
                tenant = new_tenant(f"hanging-{n}")
                connect(
                    tenant,
                    f"{HANGS}-{n}",
                    provider="benchmark_hangs",
                    interval_seconds=INTERVAL_SECONDS,
                )
            beside = measured(small, seconds=MEASURE_SECONDS)
            slices = begun([large.pk])
        log.seek(0)
        if len(alone) < TENANTS or len(beside) < TENANTS or not slices:
            print(log.read()[-3000:])
            print(
                f"{len(alone)} and {len(beside)} slices of others, {slices} of the large: too few"
            )
            return 1
    rows = [
        [what, len(delays), *(f"{percentile(delays, share):.1f}" for share in (0.5, 0.95, 1.0))]
        for what, delays in (("alone", alone), ("beside the two", beside))
    ]
    print(server())
    print(
        table(
            [
                "seconds until others begin",
                f"slices in {MEASURE_SECONDS:.0f} s",
                "median",
                "p95",
                "most",
            ],
            rows,
        )
    )
    grown = percentile(beside, 0.95) - percentile(alone, 0.95)
    print(
        f"{grown:+.1f} s until others begin, at p95 (less than {MOST_SECONDS:.0f}), beside a tenant"
        f" of {ROWS:,} rows ({slices} slices) and {HANGING} connections that hang"
    )
    return 0 if grown < MOST_SECONDS else 1


if __name__ == "__main__":
    with running() as address, own_database(environment(address)):
        status = main()
    sys.exit(status)
