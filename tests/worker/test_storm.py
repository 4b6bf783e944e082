"""5,000 connections of a provider that lets through far less than they want (F17), at the claims.

`make prove CLAIM=storm` measures what others wait beside such a storm.
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from hub.fields import uuid7
from hub.fleet.claims import claim
from hub.fleet.models import Due

pytestmark = [pytest.mark.django_db, pytest.mark.public]

STORM, OTHER = "stormy", "calm"
CONNECTIONS, TENANTS, OTHERS = 5_000, 50, 10
ROUNDS = 20


@pytest.fixture
def storm():
    """All its work has been due for hours; its tenants have just had a turn, others an hour ago.

    Some of the fleet's tenants: 50 with 100 connections each to the one, ten with one to the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO tenants_tenant (id, schema_name, number, slug, name, state, created_at)
            SELECT gen_random_uuid(), 't_' || md5(n::text), -n, 'many-' || n, 'Many', 'active',
                now()
            FROM generate_series(1, %(tenants)s + %(others)s) n
            """,
            {"tenants": TENANTS, "others": OTHERS},
        )
        cursor.execute(
            """
            INSERT INTO fleet_due (id, kind, tenant_id, object_id, lane, provider, due_at,
                claimed_at, interval_seconds, fence, attempts, failures, parked_reason)
            SELECT gen_random_uuid(), 'sync', t.id, gen_random_uuid(), 'live',
                CASE WHEN t.number >= -%(tenants)s THEN %(storm)s ELSE %(other)s END,
                -- A few of each tenant's come first, so that the claim sees more than one of them.
                now() - CASE WHEN t.number >= -%(tenants)s THEN interval '1 hour' * work.n
                    ELSE interval '3 seconds' END,
                now() - CASE WHEN t.number >= -%(tenants)s THEN interval '1 second'
                    ELSE interval '1 hour' END,
                3600, 0, 0, 0, ''
            FROM tenants_tenant t CROSS JOIN LATERAL generate_series(1,
                CASE WHEN t.number >= -%(tenants)s THEN %(connections)s / %(tenants)s ELSE 1 END
            ) AS work (n) WHERE t.slug LIKE 'many-%%'
            """,
            {"tenants": TENANTS, "connections": CONNECTIONS, "storm": STORM, "other": OTHER},
        )
    assert Due.objects.filter(provider=STORM).count() == CONNECTIONS


def claimed(*, limit, per_provider=20):
    """What a claim takes, and how many rows of the other provider and of the storm that is."""
    claims = claim(
        worker_id=uuid7(), limit=limit, lease_seconds=60, per_tenant=4, per_provider=per_provider
    )
    taken = Due.objects.filter(pk__in=[one.due_id for one in claims])
    return taken, [taken.filter(provider=provider).count() for provider in (OTHER, STORM)]


def test_f17_others_are_taken_before_the_5_000_that_have_waited_longer(storm):
    assert claimed(limit=OTHERS)[1] == [OTHERS, 0]


def test_f17_a_storm_takes_no_more_processes_than_its_bulkhead(storm):
    assert claimed(limit=OTHERS * 2, per_provider=OTHERS // 2)[1] == [OTHERS // 2] * 2
    assert claimed(limit=OTHERS * 2, per_provider=OTHERS // 2)[1] == [0, 0]


def test_f17_while_its_rows_are_refused_one_after_the_other_who_comes_is_first_each_time(storm):
    """A claim for two processes in each round, of which what is refused is due in an hour."""
    others = Due.objects.filter(provider=OTHER)
    later = Now() + timedelta(hours=1)
    others.update(due_at=later)
    late = list(others.values_list("pk", flat=True)[:1])
    counts = []
    for _ in range(ROUNDS):
        others.filter(pk__in=late).update(due_at=Now(), claimed_at=Now() - timedelta(hours=1))
        taken, count = claimed(limit=2)
        counts.append(count)
        Due.objects.filter(pk__in=list(taken.values_list("pk", flat=True))).update(
            due_at=later, lease_until=None, leased_by=None, attempts=0
        )

    assert counts == [[1, 1]] * ROUNDS
    assert Due.objects.filter(provider=STORM, due_at__lte=Now()).count() == CONNECTIONS - ROUNDS
