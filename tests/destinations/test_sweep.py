"""F3, F8, F9: at whatever point a worker that writes to Airtable dies, breaks, hangs or freezes.

What the base holds in the end is what is stored: no row is missing, made twice or set back by
somebody who was overtaken. `HUB_SWEEP=all` takes every point with every action (`make soak`).
"""

import os
import signal
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import crash, tasks
from integrations.models import Destination, DestinationRun, ExternalId, Record
from integrations.queue import SliceTimeoutError
from integrations.sync.changes import last_change
from tests.destinations.conftest import follow
from tests.destinations.test_killed import _close_connections

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = crash.POINTS["destination"]
CASES = [(point, "STOP") for point in POINTS]  # being killed: see test_killed
CASES += [("after_destination_write", "RAISE"), ("after_destination_write", "HANG")]
if os.environ.get("HUB_SWEEP") == "all":
    CASES = [(point, action) for action in crash.ACTIONS for point in POINTS]
TIME_LIMIT_SECONDS = 1.0  # of a slice that is to hang; doubled if it was too slow to come so far
LONGEST_SECONDS = 240.0  # also of one that is overtaken meanwhile
AGAIN_SECONDS = 5.0  # an alarm that comes while Python cleans up is not heard
ACTED, DID_NOT = 0, 3


def test_whatever_happens_to_who_writes_the_base_ends_as_what_is_stored(
    base: Any, records: Any, destination: Destination, route: Callable[..., Any]
) -> None:
    route("company")
    for number in range(len(CASES)):
        records.company(number)
    follow(destination)

    for number, (point, action) in enumerate(CASES):
        records.company(number, name=f"Once {number}")

        def overtaken(number: int = number) -> None:
            records.company(number, name=f"Twice {number}")
            assert follow(destination).startswith("Caught up")

        meet(destination, point, action, overtaken)

    said = follow(destination)
    assert said.startswith(("Caught up", "Nothing"))
    stored = Record.objects.values_list("data__name", flat=True)
    assert sorted(row["Name"] for row in base.rows("Companies").values()) == sorted(stored)
    assert len(base.created()) == len(set(base.created())) == len(CASES)
    assert destination.checkpoint == last_change()
    assert ExternalId.objects.count() == len(CASES)
    assert not DestinationRun.objects.filter(state="running").exists()
    due = Due.objects.get(object_id=destination.pk)
    assert (due.lease_until, due.parked_reason, destination.status) == (None, "", "active")


def meet(destination: Destination, point: str, action: str, overtaken: Callable[[], None]) -> None:
    """Let a worker's process come to the point; one that froze is `overtaken`, and wakes."""
    limit = TIME_LIMIT_SECONDS if action == "HANG" else LONGEST_SECONDS
    while True:
        pid = begun(destination, f"{point}:1:{action}", limit)
        _, status = os.waitpid(pid, os.WUNTRACED)
        work = Due.objects.filter(object_id=destination.pk)
        work.update(lease_until=None, due_at=timezone.now())  # as time passes
        if os.WIFSTOPPED(status):
            overtaken()
            os.kill(pid, signal.SIGCONT)
            os.waitpid(pid, 0)
            return
        if os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == ACTED:
            return
        assert action == "HANG" and limit < LONGEST_SECONDS, f"no slice came to {point}"
        limit *= 2


def begun(destination: Destination, order: str, limit: float) -> int:
    """A process that does what the queue's would do with the work, under this order."""
    due = Due.objects.get(object_id=destination.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)
    assert claim is not None
    _close_connections()
    pid = os.fork()
    if pid == 0:
        try:
            try:
                crash.arm(order)
                signal.signal(signal.SIGALRM, _out_of_time)
                signal.setitimer(signal.ITIMER_REAL, limit, AGAIN_SECONDS)
                tasks.work(str(claim.tenant_id), str(claim.due_id), claim.fence)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)  # or an alarm now would let it live on
        finally:
            os._exit(ACTED if crash.has_acted() else DID_NOT)
    return pid


def _out_of_time(number: int, frame: object) -> None:
    raise SliceTimeoutError("The slice took too long.")
