"""Keeping a lease while a slice works, and hearing when to stop.

`held` runs a thread with a database connection of its own: it extends the lease long before it runs
out, and looks every few seconds whether the worker unit was told to stop, or whether other work
waits for a process. The slice reads all that from `LeaseWatch`, between two batches. What protects
the data is not this thread but the fence, which every commit checks: the watch only spares work
that could not be committed.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from threading import Event
from time import monotonic
from uuid import UUID

from django.db import Error, connection

from hub.fleet.models import Due, Worker

EXTENSIONS_PER_LEASE = 8  # every 7.5 s of 60
LOOK_SECONDS = 3.0
SHARE_SECONDS = 15.0  # that a slice has to itself; then it makes room for whoever waits
WAITING = timedelta(seconds=2)  # a free process would have taken it by then
JOIN_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeaseWatch:
    """`lost`: somebody else holds the work, commit nothing. `stop`: end at the next position."""

    lost: Event = field(default_factory=Event)
    stop: Event = field(default_factory=Event)


@contextmanager
def held(
    due_id: UUID, fence: int, *, seconds: float, share_seconds: float = inf
) -> Iterator[LeaseWatch]:
    """Keep the claimed lease for the length of the block; it is not released at its end.

    After `share_seconds` the slice is asked to stop as soon as other work waits for a process.
    """
    watch, over = LeaseWatch(), Event()
    keeper = threading.Thread(
        target=_keep,
        args=(due_id, fence, seconds, share_seconds, watch, over),
        name="lease",
        daemon=True,
    )
    keeper.start()
    try:
        yield watch
    finally:
        over.set()
        keeper.join(JOIN_SECONDS)


def _keep(
    due_id: UUID, fence: int, seconds: float, share_seconds: float, watch: LeaseWatch, over: Event
) -> None:
    every = seconds / EXTENSIONS_PER_LEASE
    begun_at = extended_at = monotonic()
    try:
        while not over.wait(min(every, LOOK_SECONDS)) and not watch.lost.is_set():
            try:
                if monotonic() - extended_at >= every:
                    if not Due.objects.extend(due_id, fence=fence, seconds=seconds):
                        watch.lost.set()
                    extended_at = monotonic()
                has_had_its_share = monotonic() - begun_at >= share_seconds
                if Worker.objects.is_stopping(due_id, fence=fence) or (
                    has_had_its_share and Due.objects.is_any_waiting(WAITING)
                ):
                    watch.stop.set()
            except Error as exc:
                # A batch that is being committed holds the row, or the database is away. Only
                # when the lease must have run out is it somebody else's.
                said = {"due_id": str(due_id), "error": type(exc).__name__}
                log.debug("lease not extended this time", extra=said)
                connection.close()
                if monotonic() - extended_at >= seconds:
                    watch.lost.set()
    finally:
        connection.close()
