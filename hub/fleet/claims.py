"""Claiming due work: who may work on what, decided in one statement by the database's clock.

A claim raises the row's fence; whoever holds an older one can commit nothing any more. Claims are
fair: the tenant that has waited longest for its turn comes first, one that never had any since its
work came due; none holds more than its share, and no provider gets more slices at once than its
bulkhead lets through. Two units that claim in the same instant never get the same row, but may
together pass a share by what each took.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from hub.fleet.attempts import LEASE_RAN_OUT, audit_failed
from hub.fleet.models import Due

MAX_ATTEMPTS = 5  # claims without progress; then the row is parked
CRASH_LOOP = "crash_loop"
NOW = "statement_timestamp()"  # the database's clock, as Django's Now() reads it
# How far a claim looks. It costs the same however many tenants there are, because it looks only at
# the rows due longest, some of each provider, and at a few tenants drawn by lot; these come up in
# the end whatever stands before them. See docs/decisions/0011-claims-look-only-so-far.md.
WINDOW = 100  # rows due longest whose tenants compete for a turn, if a claim wants few
OF_EACH = 5  # of them, so many of each provider at least
LOT = 25  # tenants drawn by lot
SPARE = 25  # candidates beyond those wanted, as another unit may be taking some


@dataclass(frozen=True)
class Claim:
    """A lease on one due row, good for whoever holds this `fence`."""

    due_id: UUID
    tenant_id: UUID
    fence: int
    kind: str


# A lease that ran out is taken again, unless the work was paused or parked meanwhile. A claim that
# nobody began (its queue died) is no attempt.
_TAKE = f"""
UPDATE public.fleet_due AS d SET
    fence = d.fence + 1,
    attempts = d.attempts + (d.lease_until IS NULL OR d.started_at IS NOT NULL)::int,
    lease_until = {NOW} + %(lease)s * interval '1 second',
    leased_by = %(worker)s,
    claimed_at = {NOW},
    started_at = NULL
"""
_TAKEN = "RETURNING d.id, d.tenant_id, d.fence, d.kind, locked.is_lost"
# Somebody had begun and let the lease run out.
_IS_LOST = "d.lease_until IS NOT NULL AND d.started_at IS NOT NULL AS is_lost"

# What is free, due and not yet parked.
_RIPE = f"lease_until IS NULL AND due_at <= {NOW} AND attempts < %(attempts)s"

# The joins of a claim are those it is written with: one row after the other, by index. What the
# planner knows of a table that changes every second is always old, and guessing by it, it reads
# thousands of rows for a few.
CLAIM_BY_INDEX = """
SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off
"""

# Read it from the top: what runs, and who is barred for it; the providers that have work due; the
# tenants `seen` (those of the work due longest, those whose lease ran out, those by lot); of them
# the ones `waiting` longest for a turn; their rows in turn; no more of each provider than it has
# slots; and those of them that nobody else is taking at this moment. A row that is picked is found
# again by its place (ctid): changed meanwhile, it is elsewhere and not taken.
CLAIM = f"""
WITH RECURSIVE running AS MATERIALIZED (
    SELECT tenant_id, provider, count(*) AS slices FROM public.fleet_due
    WHERE lease_until >= {NOW} GROUP BY tenant_id, provider
), busy_tenants AS MATERIALIZED (
    SELECT tenant_id, sum(slices)::bigint AS slices FROM running GROUP BY tenant_id
), busy_providers AS MATERIALIZED (
    SELECT provider, sum(slices)::bigint AS slices FROM running
    WHERE provider <> '' GROUP BY provider
), barred_tenants AS MATERIALIZED (
    SELECT tenant_id FROM busy_tenants WHERE slices >= %(per_tenant)s
), barred_providers AS MATERIALIZED (
    SELECT provider FROM busy_providers WHERE slices >= %(per_provider)s
), providers AS (
    (
        SELECT provider, due_at FROM public.fleet_due
        WHERE lease_until IS NULL AND due_at IS NOT NULL ORDER BY provider, due_at LIMIT 1
    ) UNION ALL (
        SELECT following.provider, following.due_at FROM providers p CROSS JOIN LATERAL (
            SELECT provider, due_at FROM public.fleet_due
            WHERE lease_until IS NULL AND due_at IS NOT NULL AND provider > p.provider
            ORDER BY provider, due_at LIMIT 1
        ) following
    )
), open_providers AS MATERIALIZED (
    SELECT provider FROM providers
    WHERE due_at <= {NOW} AND provider NOT IN (SELECT provider FROM barred_providers)
), run_out AS MATERIALIZED (
    SELECT ctid AS place, id, tenant_id, fence, provider, due_at FROM public.fleet_due
    WHERE lease_until < {NOW} AND due_at IS NOT NULL AND attempts < %(attempts)s
        AND provider NOT IN (SELECT provider FROM barred_providers)
), seen AS (
    (
        SELECT oldest.tenant_id FROM open_providers p CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.due_at FROM public.fleet_due d
            JOIN public.tenants_tenant t ON t.id = d.tenant_id AND t.state = 'active'
            WHERE d.provider = p.provider AND {_RIPE}
                AND d.tenant_id NOT IN (SELECT tenant_id FROM barred_tenants)
            ORDER BY d.due_at
            LIMIT (SELECT greatest(%(of_each)s, %(window)s / count(*)) FROM open_providers)
        ) oldest
        ORDER BY oldest.due_at LIMIT %(window)s
    ) UNION (
        SELECT r.tenant_id FROM run_out r
        JOIN public.tenants_tenant t ON t.id = r.tenant_id AND t.state = 'active'
        WHERE r.tenant_id NOT IN (SELECT tenant_id FROM barred_tenants)
    ) UNION (
        SELECT t.id FROM (
            SELECT min(number) - %(lot)s
                + ceil(random() * (max(number) - min(number) + %(lot)s))::bigint AS above
            FROM public.tenants_tenant
        ) lot
        JOIN public.tenants_tenant t
            ON t.number > lot.above AND t.number <= lot.above + %(lot)s AND t.state = 'active'
        CROSS JOIN LATERAL (
            SELECT FROM public.fleet_due WHERE tenant_id = t.id AND {_RIPE}
                AND provider NOT IN (SELECT provider FROM barred_providers)
            LIMIT 1
        ) has_work
        WHERE t.id NOT IN (SELECT tenant_id FROM barred_tenants)
    )
), waiting AS (
    SELECT s.tenant_id, served.last_turn, coalesce(b.slices, 0) AS running
    FROM seen s LEFT JOIN busy_tenants b ON b.tenant_id = s.tenant_id
    CROSS JOIN LATERAL (
        SELECT coalesce(
            (SELECT max(claimed_at) FROM public.fleet_due WHERE tenant_id = s.tenant_id),
            (SELECT min(due_at) FROM public.fleet_due WHERE tenant_id = s.tenant_id AND {_RIPE}),
            '-infinity'
        ) AS last_turn
    ) served
    ORDER BY running, last_turn
    LIMIT %(candidates)s
), fair AS (
    SELECT d.*, w.last_turn,
        w.running + row_number() OVER (PARTITION BY w.tenant_id ORDER BY d.due_at, d.id) AS turn
    FROM waiting w CROSS JOIN LATERAL (
        (
            SELECT ctid AS place, id, fence, provider, due_at FROM public.fleet_due
            WHERE tenant_id = w.tenant_id AND {_RIPE}
                AND provider NOT IN (SELECT provider FROM barred_providers)
            ORDER BY due_at LIMIT %(per_tenant)s
        ) UNION ALL (
            SELECT place, id, fence, provider, due_at FROM run_out WHERE tenant_id = w.tenant_id
            LIMIT %(per_tenant)s
        )
    ) d
), let_through AS (
    SELECT f.*, coalesce(b.slices, 0) + row_number() OVER (
            PARTITION BY f.provider ORDER BY f.turn, f.last_turn, f.due_at, f.id
        ) AS slot
    FROM fair f LEFT JOIN busy_providers b ON b.provider = f.provider
    WHERE f.turn <= %(per_tenant)s
), picked AS (
    SELECT * FROM let_through WHERE provider = '' OR slot <= %(per_provider)s
    ORDER BY turn, last_turn, due_at, id
    LIMIT %(candidates)s
), locked AS (
    SELECT d.ctid AS place, {_IS_LOST}
    FROM public.fleet_due d JOIN picked p ON p.place = d.ctid
    WHERE d.fence = p.fence AND d.due_at IS NOT NULL
        AND (d.lease_until < {NOW} OR d.lease_until IS NULL AND d.due_at <= {NOW})
    ORDER BY p.turn, p.last_turn, p.due_at, p.id
    LIMIT %(limit)s
    FOR UPDATE OF d SKIP LOCKED
)
{_TAKE} FROM locked WHERE d.ctid = locked.place {_TAKEN}
"""

_CLAIM_ONE = f"""
WITH locked AS (
    SELECT d.id, {_IS_LOST} FROM public.fleet_due d
    WHERE d.id = %(due)s AND (d.lease_until IS NULL OR d.lease_until < {NOW})
    FOR UPDATE
)
{_TAKE} FROM locked WHERE d.id = locked.id {_TAKEN}
"""

_PARK = f"""
WITH locked AS (
    SELECT d.id, {_IS_LOST} FROM public.fleet_due d
    WHERE attempts >= %(attempts)s AND id <> ALL (%(passed)s::uuid[])
        AND (lease_until IS NULL AND due_at <= {NOW} OR lease_until < {NOW})
    LIMIT %(at_most)s
    FOR UPDATE SKIP LOCKED
)
UPDATE public.fleet_due d SET
    parked_reason = %(reason)s, due_at = NULL, fence = fence + 1,
    lease_until = NULL, leased_by = NULL, started_at = NULL
FROM locked WHERE d.id = locked.id
RETURNING d.*, locked.is_lost
"""


def claim(
    *, worker_id: UUID, limit: int, lease_seconds: float, per_tenant: int, per_provider: int
) -> list[Claim]:
    """Lease up to `limit` due rows of active tenants to the worker, the fairest choice first.

    `per_tenant` and `per_provider` count what is running anywhere, not only at this worker.
    """
    values = parameters(
        worker_id=worker_id,
        limit=limit,
        lease_seconds=lease_seconds,
        per_tenant=per_tenant,
        per_provider=per_provider,
    )
    with transaction.atomic(savepoint=False):
        with connection.cursor() as cursor:
            cursor.execute(CLAIM_BY_INDEX)
        return _taken(CLAIM, values)


def parameters(
    *, worker_id: UUID, limit: int, lease_seconds: float, per_tenant: int, per_provider: int
) -> dict[str, Any]:
    """Return what `CLAIM` needs to be executed, or explained."""
    return {
        "worker": worker_id,
        "lease": lease_seconds,
        "limit": limit,
        "candidates": limit + SPARE,
        "window": max(WINDOW, limit * 3 // 2),
        "of_each": OF_EACH,
        "lot": LOT,
        "per_tenant": per_tenant,
        "per_provider": per_provider,
        "attempts": MAX_ATTEMPTS,
    }


def claim_one(due_id: UUID, *, worker_id: UUID, lease_seconds: float) -> Claim | None:
    """Lease this row, due or not. None if somebody alive holds it, or it does not exist."""
    claims = _taken(_CLAIM_ONE, {"due": due_id, "worker": worker_id, "lease": lease_seconds})
    return claims[0] if claims else None


def park_crash_loops(*, at_most: int | None = None, passed: Sequence[UUID] = ()) -> list[Due]:
    """Park and return what was claimed too often without progress; it is not rung again.

    Of those that are not `passed` over, `at_most` so many; None: all.
    """
    values = {
        "attempts": MAX_ATTEMPTS,
        "passed": list(passed),
        "at_most": at_most,
        "reason": CRASH_LOOP,
    }
    with transaction.atomic():
        parked: list[Any] = list(Due.objects.raw(_PARK, values))
        _audit_lost(due for due in parked if due.is_lost)
    return parked


def _taken(statement: str, values: dict[str, Any]) -> list[Claim]:
    with transaction.atomic(savepoint=False):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            rows: Sequence[tuple[UUID, UUID, int, str, bool]] = cursor.fetchall()
        if lost := [due_id for due_id, *_, is_lost in rows if is_lost]:
            _audit_lost(Due.objects.filter(pk__in=lost))
    return [Claim(*row[:4]) for row in rows]


def _audit_lost(dues: Iterable[Due]) -> None:
    """Whoever held these under the fence before has given no further sign."""
    for due in dues:
        audit_failed(due, fence=due.fence - 1, reason=LEASE_RAN_OUT)
