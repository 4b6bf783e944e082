"""How late slices begin: noted by the database itself, for whichever worker begins them."""

from collections.abc import Sequence
from time import monotonic, sleep
from uuid import UUID

from django.db import connection as database

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

# As if the connections had been made at different moments of their interval.
_SPREAD = """
UPDATE public.fleet_due SET due_at = now() + random() * %(seconds)s * interval '1 second'
WHERE lease_until IS NULL AND due_at IS NOT NULL AND object_id = ANY(%(some)s)
"""

# What has not begun yet counts with what it has waited.
_DELAYS = """
SELECT extract(epoch FROM started_at - due_at)::float FROM public.benchmark_start
WHERE object_id = ANY(%(some)s) AND started_at >= %(since)s
UNION ALL
SELECT extract(epoch FROM statement_timestamp() - due_at)::float FROM public.fleet_due
WHERE object_id = ANY(%(some)s) AND started_at IS NULL AND due_at <= statement_timestamp()
ORDER BY 1
"""


def note_starts() -> None:
    """From now on the database notes when each slice begins and when it was due."""
    with database.cursor() as cursor:
        cursor.execute(_NOTE)


def spread(some: Sequence[UUID], *, interval_seconds: float, within: float) -> None:
    """Return when each has begun once, or `within` is over, and they come round evenly."""
    until = monotonic() + within
    while len([one for one in some if begun([one])]) < len(some) and monotonic() < until:
        sleep(1)
    sleep(2)
    with database.cursor() as cursor:
        cursor.execute(_SPREAD, {"some": list(some), "seconds": interval_seconds})
    sleep(interval_seconds)


def measured(some: Sequence[UUID], *, seconds: float) -> list[float]:
    """How late the slices of these connections begin from now on, in order of size."""
    with database.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        since = cursor.fetchone()[0]
        sleep(seconds)
        cursor.execute(_DELAYS, {"some": list(some), "since": since})
        return [late for (late,) in cursor.fetchall()]


def begun(some: Sequence[UUID]) -> int:
    """How many slices of these connections have begun."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM public.benchmark_start WHERE object_id = ANY(%s)", [list(some)]
        )
        return int(cursor.fetchone()[0])


def percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
