"""Monthly partitions of the audit log, made ahead of time.

A row that finds no partition of its own goes to `audit_event_rest`, so an insert never fails for
want of one. Safe to call from several processes at once.
"""

from datetime import date

from django.db import connection

MONTHS_AHEAD = 3

_CREATE = """
CREATE TABLE IF NOT EXISTS public.{name} PARTITION OF public.audit_event
    FOR VALUES FROM ('{start}') TO ('{end}')
"""


def ensure_partitions(today: date) -> list[str]:
    """Make the partitions of this month and the next three; return their names."""
    start, names = today.replace(day=1), []
    with connection.cursor() as cursor:
        for _ in range(MONTHS_AHEAD + 1):
            end = _next_month(start)
            name = f"audit_event_{start:%Y_%m}"
            cursor.execute(_CREATE.format(name=name, start=start, end=end))
            names.append(name)
            start = end
    return names


def _next_month(day: date) -> date:
    return day.replace(year=day.year + day.month // 12, month=day.month % 12 + 1)
