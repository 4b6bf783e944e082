"""Claiming stays flat: what it costs follows from what it takes, not from what there is.

`make bench NAME=flat-scheduler` measures it. The limits below are far above that, and the quickest
of several claims must keep them: they find a plan that went wrong, not a busy machine.
"""

from time import perf_counter

import pytest
from django.db import connection

from hub.fields import uuid7
from hub.fleet.claims import claim

pytestmark = [pytest.mark.django_db, pytest.mark.public]

TENANTS = 1_000
ROWS_PER_TENANT = 50
CLAIMS = 8


def fill(*, due):
    """Insert 50,000 rows of which the share `due` is due, the others within the hour."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tenants_tenant (id, schema_name, number, slug, name, state, created_at)
            SELECT gen_random_uuid(), 't_' || md5(n::text), -n, 'many-' || n, 'Many', 'active',
                now()
            FROM generate_series(1, %s) n
            """,
            [TENANTS],
        )
        cursor.execute(
            """
            INSERT INTO fleet_due (id, kind, tenant_id, object_id, lane, provider, due_at,
                interval_seconds, fence, attempts, failures, parked_reason)
            SELECT gen_random_uuid(), 'sync', t.id, gen_random_uuid(), 'live', 'p' || n %% 9,
                now() + (random() - %s) * interval '1 hour', 3600, 0, 0, 0, ''
            FROM tenants_tenant t, generate_series(1, %s) n WHERE t.slug LIKE 'many-%%'
            """,
            [due, ROWS_PER_TENANT],
        )
        cursor.execute("ANALYZE fleet_due")
        cursor.execute("ANALYZE tenants_tenant")


@pytest.mark.parametrize(
    ("due", "milliseconds"), [(0.002, 250), (1.0, 500)], ids=["few are due", "all are due"]
)
def test_a_claim_among_50_000_rows_is_quick(due, milliseconds):
    fill(due=due)
    took = []
    for _ in range(CLAIMS):
        begun = perf_counter()
        claims = claim(worker_id=uuid7(), limit=8, lease_seconds=120, per_tenant=4, per_provider=20)
        took.append((perf_counter() - begun) * 1000)
        assert len(claims) == 8

    assert min(took) < milliseconds, took
