"""When an entity type is read again: its interval, the provider's minimum, reconciling reads.

Intervals are the connection's unless a type has its own; never shorter than what the provider
declares (`min_interval`), whoever asks.
"""

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from hub.clock import database_now
from integrations.models import Connection, EntityTypeStatus, SyncRun
from integrations.types import EntityType

JITTER = 0.05  # of the interval, so that connections made together do not stay together
EARLY = 2 * JITTER  # of its interval, what is due so soon comes along

Statuses = Mapping[str, EntityTypeStatus]


def interval_of(
    connection: Connection, declared: EntityType, status: EntityTypeStatus | None
) -> timedelta:
    """How often the type is read on schedule."""
    own = status.interval_seconds if status is not None else None
    wanted = timedelta(seconds=own or connection.interval_seconds)
    return max(wanted, declared.min_interval or timedelta())


def waiting(
    run: SyncRun, connection: Connection, entity_types: Sequence[EntityType], statuses: Statuses
) -> set[str]:
    """The types that are left out of this run because they were read so lately.

    A scheduled run reads what is due; whoever asks, in full or not, gets everything but what the
    provider does not want to be asked for again yet. A full read that is open is never left out;
    one that waits because the provider has forgotten too often where it was, only until it is
    asked for.
    """
    is_in_full = run.mode != SyncRun.Mode.INCREMENTAL
    every = {each.name: interval_of(connection, each, statuses[each.name]) for each in entity_types}
    shortest = min(every.values(), default=timedelta())
    is_scheduled = run.trigger == SyncRun.Trigger.SCHEDULE
    left_out = set()
    for declared in entity_types:
        status, wait = statuses[declared.name], timedelta()
        has_forgotten = status.waits_until is not None and database_now() < status.waits_until
        if is_scheduled and every[declared.name] > shortest:
            wait = every[declared.name] * (1 - EARLY)
        if (has_forgotten and not is_in_full) or too_soon_until(declared, status, wait=wait):
            left_out.add(declared.name)
    return left_out


def too_soon_until(
    declared: EntityType, status: EntityTypeStatus, *, wait: timedelta = timedelta()
) -> datetime | None:
    """Until when the type is not read again, as the provider allows or after `wait`; None: now."""
    if not status.is_complete or status.walked_at is None:
        return None
    ready_at = status.walked_at + max(wait, declared.min_interval or timedelta())
    return ready_at if database_now() < ready_at else None


def wants_full_read(connection: Connection, declared: EntityType, status: EntityTypeStatus) -> bool:
    """Whether it is time to read the type in full, to find what has only vanished or was missed."""
    every = reconcile_interval_of(connection, declared, status)
    if every is None or status.full_read_at is None:
        return False
    return database_now() - status.full_read_at >= every


def reconcile_interval_of(
    connection: Connection, declared: EntityType, status: EntityTypeStatus | None
) -> timedelta | None:
    """How often the type is read in full though nobody asks and nothing compels; None: never.

    Without an interval of its own that is so where the provider reports no deletions.
    """
    seconds = status.reconcile_seconds if status is not None else None
    if seconds is None:
        seconds = connection.reconcile_seconds if declared.deletions == "absence" else 0
    return timedelta(seconds=seconds) if seconds else None


def next_at(
    connection: Connection,
    entity_types: Iterable[EntityType],
    statuses: Statuses,
    *,
    passed_over: Container[str] = (),
) -> datetime:
    """When the connection's next scheduled run begins: when the first of its types is due.

    `passed_over` are those that the run of now did not touch; the others have just had their turn,
    however it ended.
    """
    now = database_now()
    spread = 1 + random.uniform(-JITTER, JITTER)
    times: list[datetime] = []
    for declared in entity_types:
        status = statuses.get(declared.name)
        every = interval_of(connection, declared, status) * spread
        every = max(every, declared.min_interval or timedelta())
        walked_at = status.walked_at if status is not None else None
        waits_until = status.waits_until if status is not None else None
        soonest = max(now, waits_until or now)
        if declared.name in passed_over and walked_at is not None:
            times.append(max(soonest, walked_at + every))
        else:
            times.append(max(soonest, now + every))
    return min(times, default=now + timedelta(seconds=connection.interval_seconds) * spread)
