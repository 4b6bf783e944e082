"""A fleet of many tenants without their schemas: what a claim looks at, and nothing else."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from hub.fields import uuid7

PROVIDERS = 30
HUNG = "p00"

_TENANTS = """
INSERT INTO tenants_tenant (id, schema_name, number, slug, name, state, created_at)
SELECT gen_random_uuid(), 't_' || md5(n::text), n, 'many-' || n, 'Many', 'active', now()
FROM generate_series(1, %s) n
"""

# Two connections with two lanes each, of which the share `due` is overdue by up to an hour and the
# others come in an hour or two; the tenants had their turns in no order.
_ROWS = """
INSERT INTO fleet_due (id, kind, tenant_id, object_id, lane, provider, due_at, claimed_at,
    interval_seconds, fence, attempts, failures, parked_reason)
SELECT gen_random_uuid(), 'sync', t.id, gen_random_uuid(), lane,
    CASE WHEN %(hung)s AND n = 1 THEN 'p00'
        ELSE 'p' || to_char(1 + (t.number + n) %% %(providers)s, 'FM00') END,
    now() + (CASE WHEN random() < %(due)s THEN -1 ELSE 1 END + random()) * interval '1 hour',
    now() - random() * interval '2 hours', 3600, 0, 0, 0, ''
FROM tenants_tenant t, generate_series(1, 2) n, unnest(ARRAY['live', 'backfill']) lane
"""

_LEASE = """
UPDATE fleet_due SET lease_until = now() + interval '1 hour', started_at = now(), leased_by = %s
WHERE id IN (SELECT id FROM fleet_due WHERE provider >= %s AND provider <= %s LIMIT %s)
"""

_GIVE_BACK = """
UPDATE fleet_due SET lease_until = NULL, leased_by = NULL, started_at = NULL, attempts = 0
WHERE leased_by = %s
"""


@dataclass(frozen=True)
class Fleet:
    """What is due and held: `due_rows` None is all of them, `held` slices run elsewhere.

    `hung`: half the work is at one provider that has all the slices it may have.
    """

    name: str
    due_rows: int | None = None
    held: int = 0
    hung: bool = False

    def fill(self, tenants: int, *, per_provider: int) -> None:
        """Replace whatever the tables hold."""
        due = 1.0 if self.due_rows is None else self.due_rows / (tenants * 4)
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE fleet_due, tenants_tenant CASCADE")
            cursor.execute(_TENANTS, [tenants])
            cursor.execute(_ROWS, {"hung": self.hung, "providers": PROVIDERS - 1, "due": due})
            if self.held:
                cursor.execute(_LEASE, [uuid7(), "p01", "p99", self.held])
            if self.hung:
                cursor.execute(_LEASE, [uuid7(), HUNG, HUNG, per_provider])
        tidy()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE fleet_due, tenants_tenant")


def give_back(worker_id: UUID) -> None:
    """End the slices of one claim; their rows are due again as they were."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, [worker_id])


def tidy() -> None:
    """Do what autovacuum does in between.

    The indexes too: of a large table alone they would be put off while few of its pages changed.
    """
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (INDEX_CLEANUP ON) fleet_due")
