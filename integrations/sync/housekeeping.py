"""What a tenant forgets with time: tombstones, and runs of syncs and destinations; once a day.

Each tenant has due work of its own for it, claimed like any other, so that a tenant that syncs
nothing forgets too, and the scheduler asks for no tenant in particular.
"""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from hub.fleet.models import Due
from integrations.errors import FencedError
from integrations.sync.feed import prune_tombstones
from integrations.sync.lease import LeaseWatch

EVERY = timedelta(days=1)
RUNS_KEPT = timedelta(days=90)  # as long as tombstones and the counts of runs by the hour
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


def keep_house(due_id: UUID, fence: int, *, seconds: float, watch: LeaseWatch) -> str:
    """Forget what is old for about `seconds` and give the lease back; return a short sentence.

    Raises:
        FencedError: another worker has taken over; what was forgotten stays so.
    """
    ends_at = monotonic() + seconds

    def is_over() -> bool:
        return monotonic() >= ends_at or watch.stop.is_set() or watch.lost.is_set()

    tombstones, runs = prune_tombstones(is_over), prune_runs(is_over)
    again_at = Now() if is_over() else Now() + EVERY
    if not Due.objects.release(due_id, fence=fence, due_at=again_at, attempts=0, failures=0):
        raise FencedError("Another worker has taken over.")
    return f"Forgot {tombstones} tombstones and {runs} runs."


def prune_runs(is_over: Callable[[], bool] = lambda: False) -> int:
    """Forget runs that ended more than 90 days ago, in batches; return how many."""
    values: dict[str, Any] = {"kept": RUNS_KEPT, "rows": AT_ONCE}
    pruned = 0
    for statement in (_SYNC_RUNS, _DESTINATION_RUNS):
        gone = AT_ONCE
        while gone == AT_ONCE and not is_over():
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                gone = cursor.rowcount
            pruned += gone
    return pruned
