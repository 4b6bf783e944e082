"""What others wait for their turn beside a tenant with a million rows and a provider that hangs.

One worker unit with two processes. TENANTS small tenants have one connection each, due every
minute. How late their slices begin is noted for MEASURE_SECONDS; then a tenant of ROWS records
begins its first sync and HANGING tenants have a connection to a provider that accepts calls and
never answers, and it is noted again. What has not begun in the end counts with what it has waited.
"""

import os
import sys
import tempfile
from time import monotonic, sleep
from typing import Any

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

_NOTE = """
CREATE TABLE public.benchmark_start (
    object_id uuid, due_at timestamptz, started_at timestamptz
);
CREATE FUNCTION public.benchmark_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.benchmark_start VALUES (NEW.object_id, NEW.due_at, NEW.started_at);
    RETURN NULL;
END $$;
CREATE TRIGGER benchmark_note AFTER UPDATE OF started_at ON public.fleet_due
    FOR EACH ROW WHEN (NEW.started_at IS NOT NULL) EXECUTE FUNCTION public.benchmark_note();
"""

# As if the connections had been made at different moments of a minute.
_SPREAD = """
UPDATE public.fleet_due SET due_at = now() + random() * interval '1 minute'
WHERE lease_until IS NULL AND due_at IS NOT NULL
"""

_DELAYS = """
SELECT extract(epoch FROM started_at - due_at)::float FROM public.benchmark_start
WHERE object_id = ANY(%(small)s) AND started_at >= %(since)s
UNION ALL
SELECT extract(epoch FROM statement_timestamp() - due_at)::float FROM public.fleet_due
WHERE object_id = ANY(%(small)s) AND started_at IS NULL AND due_at <= statement_timestamp()
ORDER BY 1
"""


def main() -> int:
    from django.db import connection as database

    from tests.benchmarks.estate import connect, new_tenant, worker

    with database.cursor() as cursor:
        cursor.execute(_NOTE)
    small = [
        connect(
            new_tenant(f"small-{n}"), f"rows-{SMALL_ROWS}-{n}", interval_seconds=INTERVAL_SECONDS
        ).pk
        for n in range(TENANTS)
    ]
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        with worker("--per-tenant=4", processes=2, log=log):  # type: ignore[arg-type]
            _warm_up(small)
            alone = _measured(small)
            large = connect(new_tenant("large"), f"rows-{ROWS}")
            for n in range(HANGING):
                tenant = new_tenant(f"hanging-{n}")
                connect(
                    tenant,
                    f"{HANGS}-{n}",
                    provider="benchmark_hangs",
                    interval_seconds=INTERVAL_SECONDS,
                )
            beside = _measured(small)
            slices = _begun(large.pk)
        log.seek(0)
        if len(alone) < TENANTS or len(beside) < TENANTS or not slices:
            print(log.read()[-3000:])
            print(
                f"{len(alone)} and {len(beside)} slices of others, {slices} of the large: too few"
            )
            return 1
    rows = [
        [what, len(delays), *(f"{_percentile(delays, share):.1f}" for share in (0.5, 0.95, 1.0))]
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
    grown = _percentile(beside, 0.95) - _percentile(alone, 0.95)
    print(
        f"{grown:+.1f} s until others begin, at p95 (less than {MOST_SECONDS:.0f}), beside a tenant"
        f" of {ROWS:,} rows ({slices} slices) and {HANGING} connections that hang"
    )
    return 0 if grown < MOST_SECONDS else 1


def _warm_up(small: list[Any]) -> None:
    """Return when each has had its first sync and their minutes are spread."""
    from django.db import connection as database

    until = monotonic() + WARM_UP_SECONDS
    while len({one for one in small if _begun(one)}) < len(small) and monotonic() < until:
        sleep(1)
    sleep(2)
    with database.cursor() as cursor:
        cursor.execute(_SPREAD)
    sleep(INTERVAL_SECONDS)


def _measured(small: list[Any]) -> list[float]:
    """How late the slices of the small tenants begin from now on, in order of size."""
    from django.db import connection as database

    with database.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        since = cursor.fetchone()[0]
        sleep(MEASURE_SECONDS)
        cursor.execute(_DELAYS, {"small": small, "since": since})
        return [seconds for (seconds,) in cursor.fetchall()]


def _begun(connection_id: Any) -> int:
    from django.db import connection as database

    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM public.benchmark_start WHERE object_id = %s", [connection_id]
        )
        return int(cursor.fetchone()[0])


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    with running() as address, own_database(environment(address)):
        status = main()
    sys.exit(status)
