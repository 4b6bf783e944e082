"""What a tenant forgets with time: tombstones, runs, and what people have dealt with; once a day.

Each tenant has due work of its own for it, claimed like any other, so that a tenant that syncs
nothing forgets too, and the scheduler asks for no tenant in particular.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from random import sample
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from hub.fleet.models import Due
from integrations.errors import FencedError
from integrations.models import DeletionReview
from integrations.sync.feed import prune_tombstones
from integrations.sync.lease import LeaseWatch

EVERY = timedelta(days=1)
RUNS_KEPT = timedelta(days=90)  # as long as tombstones and the counts of runs by the hour
DONE_KEPT = timedelta(days=90)  # rejected records, deletion reviews and disconnections
AT_ONCE = 10_000

# The newest of each connection says how it does, the newest whole one what a full read costs.
_SYNC_RUNS = """
DELETE FROM integrations_syncrun WHERE id IN (
    SELECT r.id FROM integrations_syncrun r
    WHERE r.ended_at < now() - %(kept)s AND EXISTS (
        SELECT FROM integrations_syncrun n
        WHERE n.connection_id = r.connection_id AND n.created_at > r.created_at
            AND (n.is_whole OR NOT r.is_whole)
    )
    LIMIT %(rows)s
)
"""
_DESTINATION_RUNS = """
DELETE FROM integrations_destinationrun WHERE id IN (
    SELECT r.id FROM integrations_destinationrun r
    WHERE r.ended_at < now() - %(kept)s AND EXISTS (
        SELECT FROM integrations_destinationrun n
        WHERE n.destination_id = r.destination_id AND n.started_at > r.started_at
    )
    LIMIT %(rows)s
)
"""

_REJECTED = """
DELETE FROM integrations_rejectedrecord WHERE id IN (
    SELECT id FROM integrations_rejectedrecord WHERE resolved_at < now() - %(kept)s LIMIT %(rows)s
)
"""
# What was refused stays: its records are not asked about again.
_REVIEWS = """
DELETE FROM integrations_deletionreview WHERE id IN (
    SELECT id FROM integrations_deletionreview
    WHERE state IN ('approved', 'outdated') AND decided_at < now() - %(kept)s LIMIT %(rows)s
)
"""
# Whose record is purged, that id is never given again: nobody can be asked about it any more.
_KEPT = """
UPDATE integrations_deletionreview d SET
    record_ids = stored.ids, forgotten = d.held - cardinality(stored.ids)
FROM (
    SELECT array(
        SELECT r.id FROM integrations_deletionreview w CROSS JOIN unnest(w.record_ids) AS kept (id)
        JOIN integrations_record r ON r.id = kept.id
        WHERE w.id = %(review)s ORDER BY r.id
    ) AS ids
) stored
WHERE d.id = %(review)s AND d.state = 'refused'
    AND cardinality(stored.ids) < cardinality(d.record_ids)
RETURNING d.forgotten
"""
# The last of a connection says how it ended; a purge is kept until every destination knows of it.
_DISCONNECTIONS = """
DELETE FROM integrations_disconnection WHERE id IN (
    SELECT d.id FROM integrations_disconnection d
    WHERE d.ended_at < now() - %(kept)s AND EXISTS (
        SELECT FROM integrations_disconnection n
        WHERE n.connection_id = d.connection_id AND n.created_at > d.created_at
    ) AND (d.keep_records OR NOT EXISTS (
        SELECT FROM integrations_destination t
        WHERE t.swept_at IS NULL OR t.swept_at <= d.ended_at
    ))
    LIMIT %(rows)s
)
"""


def keep_house(due_id: UUID, fence: int, *, seconds: float, watch: LeaseWatch) -> str:
    """Forget what is old for about `seconds` and give the lease back; return a short sentence.

    Raises:
        FencedError: another worker has taken over; what was forgotten stays so.
    """
    ends_at = monotonic() + seconds

    def is_over() -> bool:
        return monotonic() >= ends_at or watch.stop.is_set() or watch.lost.is_set()

    tombstones, runs, done = prune_tombstones(is_over), prune_runs(is_over), prune_done(is_over)
    again_at = Now() if is_over() else Now() + EVERY
    prune_kept(is_over)
    if not Due.objects.release(due_id, fence=fence, due_at=again_at, attempts=0, failures=0):
        raise FencedError("Another worker has taken over.")
    return f"Forgot {tombstones} tombstones, {runs} runs and {done} matters done with."


def prune_runs(is_over: Callable[[], bool] = lambda: False) -> int:
    """Forget runs that ended more than 90 days ago, in batches; return how many."""
    return _prune((_SYNC_RUNS, _DESTINATION_RUNS), RUNS_KEPT, is_over)


def prune_done(is_over: Callable[[], bool] = lambda: False) -> int:
    """Forget what was resolved, decided or ended more than 90 days ago, in batches; how many."""
    return _prune((_REJECTED, _REVIEWS, _DISCONNECTIONS), DONE_KEPT, is_over)


def prune_kept(is_over: Callable[[], bool] = lambda: False) -> int:
    """Forget the ids of kept records that are stored no longer; return how many.

    One review after the other, as its ids may be very many; in no order, so that those which a day
    has no time for have theirs on another. How many there were, and who decided, stays.
    """
    kept = DeletionReview.objects.filter(state=DeletionReview.State.REFUSED).exclude(record_ids=[])
    before = dict(kept.values_list("pk", "forgotten"))
    pruned = 0
    for review in sample(list(before), len(before)):
        if is_over():
            break
        with connection.cursor() as cursor:
            cursor.execute(_KEPT, {"review": review})
            pruned += sum(forgotten - before[review] for (forgotten,) in cursor.fetchall())
    return pruned


def _prune(statements: Sequence[str], kept: timedelta, is_over: Callable[[], bool]) -> int:
    values: dict[str, Any] = {"kept": kept, "rows": AT_ONCE}
    pruned = 0
    for statement in statements:
        gone = AT_ONCE
        while gone == AT_ONCE and not is_over():
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                gone = cursor.rowcount
            pruned += gone
    return pruned
