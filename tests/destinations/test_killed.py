"""F3: whoever writes to Airtable is killed with SIGKILL; the next one makes no row twice."""

import os
import signal
import time
from uuid import UUID, uuid4

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations import crash
from integrations.destinations.wake import wake_destinations
from integrations.models import DestinationRun, ExternalId
from integrations.services.destinations import rewrite_destination
from integrations.sync.changes import last_change
from integrations.sync.follow import follow_slice
from integrations.sync.lease import LeaseWatch
from integrations.sync.settle_destination import TRIES
from integrations.sync.shared import SHARED
from tests.destinations.conftest import ADMIN, follow, last_run

pytestmark = pytest.mark.django_db(transaction=True)

POINTS = (
    "after_destination_write:2",
    "after_destination_note:2",
    "after_destination_checkpoint:1",
    "before_destination_release:1",
)


def begin(destination, point: str) -> tuple[int, UUID]:
    """Follow in a process of its own, which acts at the point; return it and the due row."""
    due = Due.objects.get(object_id=destination.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    _close_connections()
    pid = os.fork()
    if pid == 0:
        crash.arm(point)
        try:
            follow_slice(claim.due_id, claim.fence, seconds=600, watch=LeaseWatch())
        finally:
            os._exit(0)
    return pid, due.pk


def follow_and_die(destination, point: str) -> None:
    """Follow in a process of its own, which is killed at the point."""
    pid, due = begin(destination, point)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    Due.objects.filter(pk=due).update(lease_until=timezone.now())  # it runs out by itself


def _close_connections() -> None:
    """So that the two processes share none; that of the audit log stays with whoever opened it."""
    database.close()
    SHARED.close()


@pytest.mark.parametrize("point", POINTS)
def test_f3_whoever_is_killed_leaves_no_row_out_and_makes_none_twice(
    base, records, destination, route, point
):
    route("person")
    route("company")
    for number in range(1, 16):
        records.person(number, company=number)
    for number in range(1, 16):
        records.company(number)

    follow_and_die(destination, point)
    said = follow(destination)

    assert said.startswith(("Caught up", "Nothing"))
    created = base.created()
    assert len(created) == len(set(created)) == 30
    people, firms = base.rows("People"), base.rows("Companies")
    assert all(len(row["Company"]) == 1 for row in people.values())
    assert len(firms) == 15
    repeated = [one for one in base.log() if one["kind"] == "updated" and not one["changed"]]
    assert len(repeated) <= 10  # the one request whose answer nobody noted
    assert destination.checkpoint == last_change()
    assert ExternalId.objects.count() == 30
    assert DestinationRun.objects.filter(state="running").count() == 0


@pytest.mark.parametrize("meanwhile", ["a record changes", "everything is asked for again"])
def test_what_happens_while_a_slice_ends_is_not_slept_over(
    base, records, destination, route, meanwhile
):
    route("company")
    records.company(1)
    pid, due = begin(destination, "before_destination_release:1:STOP")
    os.waitpid(pid, os.WUNTRACED)
    with transaction.atomic():
        if meanwhile == "a record changes":
            records.company(2)
            wake_destinations()
        else:
            rewrite_destination(destination=destination, actor=ADMIN)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.3)  # it would be over long ago if it did not wait for us

    os.waitpid(pid, 0)

    assert Due.objects.get(pk=due).due_at <= timezone.now()
    assert Due.objects.get(pk=due).lease_until is None


def test_who_is_killed_after_it_got_on_has_begun_no_crash_loop(base, records, destination, route):
    route("company")
    for number in range(1, 26):
        records.company(number)
    Due.objects.filter(object_id=destination.pk).update(attempts=4, failures=TRIES)

    follow_and_die(destination, "after_destination_note:2")

    assert last_run(destination).calls >= 2  # what was asked is seen while it works
    due = Due.objects.get(object_id=destination.pk)
    assert (due.attempts, due.failures) == (0, 0)


def test_what_a_killed_one_noted_is_counted_once(base, records, destination, route):
    route("company")
    for number in range(1, 26):
        records.company(number)

    follow_and_die(destination, "after_destination_note:2")
    follow(destination)

    totals = last_run(destination).totals
    assert (totals["read"], totals["created"], totals["unchanged"]) == (25, 25, 0)
    assert last_run(destination).calls >= 5  # the tables, and three requests of ten rows at most
    assert last_run(destination).slices == 2
