"""A real worker unit with real processes beneath, and what becomes of work when they are killed."""

import signal
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.models import OrmQ
from django_q.models import Task as TaskRow

from hub.clock import database_now
from hub.fleet.models import Due, RunHour, Worker
from tests.factories.fleet import DueFactory
from tests.waiting import comes_true, wait_until
from tests.worker.conftest import (
    GONE_SECONDS,
    READY_SECONDS,
    SHORT_SECONDS,
    kill,
    lives,
)
from tests.worker.harmless.apps import DEADLY, NAP

pytestmark = pytest.mark.django_db(transaction=True)

RECOVERY_SECONDS = SHORT_SECONDS * 2 + READY_SECONDS
SHORT = {"lease": SHORT_SECONDS, "patience": SHORT_SECONDS}
KILLS = 10  # at most, until one of them hits who holds a lock
LONG = 600_000  # milliseconds; it is still at work when it is looked for


def naps(count=1, *, milliseconds=50):
    return DueFactory.create_batch(count, kind=NAP, provider="", interval_seconds=milliseconds)


def work_of_tests():
    """Without what every tenant has to do by itself."""
    return Due.objects.filter(kind=NAP)


def shorten(rows):
    """Whoever takes up again what was under way is done at once."""
    Due.objects.filter(pk__in=[row.pk for row in rows]).update(interval_seconds=50)


def are_done(rows):
    wanted = Due.objects.filter(pk__in=[row.pk for row in rows])
    return not wanted.exclude(due_at=None, lease_until=None).exists()


def have_begun(rows):
    wanted = Due.objects.filter(pk__in=[row.pk for row in rows])
    return not wanted.filter(started_at=None).exists()


def is_idle(unit):
    """Two workers, monitor and pusher are there, and all that was rung is acknowledged."""
    whole = unit.is_ready() and len(unit.under_the_sentinel()) == 4
    return whole and not OrmQ.objects.exists()


def test_what_is_due_is_done_once_and_nothing_is_left(start_unit):
    rows = naps(8)

    unit = start_unit("--processes=2", "--drain", wait=False)

    assert unit.wait(READY_SECONDS) == 0
    assert are_done(rows)
    assert set(work_of_tests().values_list("fence", flat=True)) == {1}
    assert (Worker.objects.count(), OrmQ.objects.count(), TaskRow.objects.count()) == (0, 0, 0)


def test_hours_of_runs_are_forgotten_after_90_days_and_sign_ins_when_they_expire(start_unit, acme):
    expired = timezone.now() - timedelta(hours=1)
    Session.objects.create(session_key="old", session_data="", expire_date=expired)
    days = {89: "copper", 91: "slack"}
    for age, provider in days.items():
        hour = timezone.now() - timedelta(days=age)
        RunHour.objects.create(tenant=acme, provider=provider, hour=hour)

    assert start_unit("--processes=1", "--drain", wait=False).wait(READY_SECONDS) == 0

    assert [row.provider for row in RunHour.objects.all()] == ["copper"]
    assert not Session.objects.exists()


def test_rows_that_are_no_tasks_do_not_keep_it_from_its_work(start_unit):
    """F40: junk is dropped, and ends no process."""
    unit = start_unit("--processes=1")
    before = unit.beneath()
    for junk in ("junk", "", "a:b:c"):
        OrmQ.objects.create(key=unit.row.cluster, payload=junk, lock=timezone.now())

    rows = naps(2)

    wait_until(lambda: are_done(rows), seconds=READY_SECONDS)
    assert unit.beneath() == before


def test_idle_processes_that_are_killed_cost_no_work(start_unit):
    """F4, M1: a worker that holds the queue's lock, and the monitor, take the cluster with them.

    It then hangs while it looks alive: either nothing is begun, or nothing is acknowledged. All
    workers are killed at once, since only one of them holds the lock at a time. Who dies in the
    moment between two tasks holds none; then who came in its place is killed too. A pusher takes
    it along only if it dies with a beat in its hands.
    """
    unit = start_unit("--processes=2", **SHORT)
    workers, monitor, pusher = slice(0, 2), slice(2, 3), slice(3, 4)
    for victims, least in ((workers, 1), (monitor, 1), (pusher, 0)):
        wait_until(lambda: is_idle(unit), seconds=RECOVERY_SECONDS)
        wanted = unit.restarts + least
        beneath = unit.under_the_sentinel()
        kill(beneath[victims])
        rows = naps(3)
        wait_until(lambda rows=rows: are_done(rows), seconds=RECOVERY_SECONDS)
        others = set(beneath) - set(beneath[victims])
        for _ in range(KILLS):
            if comes_true(lambda wanted=wanted: unit.restarts >= wanted, seconds=4 * SHORT_SECONDS):
                break
            kill(set(unit.under_the_sentinel()) - others)
        assert unit.restarts >= wanted

    assert set(work_of_tests().values_list("attempts", "parked_reason")) == {(0, "")}


def test_a_cluster_whose_head_is_killed_is_replaced_without_orphans(start_unit):
    """F5, M8: left alone, the others would go on working unsupervised."""
    unit = start_unit("--processes=2")
    for position, head in enumerate(("main process", "sentinel")):
        restarts = unit.restarts
        rows = naps(2, milliseconds=LONG)
        wait_until(lambda rows=rows: have_begun(rows), seconds=RECOVERY_SECONDS)
        before = unit.beneath()

        before[position].send_signal(signal.SIGKILL)

        wait_until(lambda old=before: not any(lives(one) for one in old), seconds=GONE_SECONDS)
        shorten(rows)
        wait_until(lambda rows=rows: are_done(rows), seconds=RECOVERY_SECONDS)
        assert unit.restarts > restarts, head

    assert set(work_of_tests().values_list("fence", flat=True)) == {2}


def test_a_new_cluster_is_not_taken_for_alive_by_a_beat_of_the_one_before(start_unit):
    unit = start_unit("--processes=1")
    restarts, killed_at = unit.restarts, database_now()

    unit.beneath()[0].send_signal(signal.SIGKILL)

    wait_until(lambda: unit.restarts > restarts, seconds=RECOVERY_SECONDS)
    beat_at = unit.row.beat_at
    assert beat_at is None or beat_at > killed_at


def test_a_unit_that_is_killed_leaves_no_process_and_another_finishes_its_work(start_unit):
    unit = start_unit("--processes=2", lease=SHORT_SECONDS)
    rows = naps(2, milliseconds=LONG)
    wait_until(lambda: have_begun(rows), seconds=READY_SECONDS)

    unit.send(signal.SIGKILL)

    wait_until(lambda: unit.left_over() == [], seconds=GONE_SECONDS)
    fences = dict(work_of_tests().values_list("pk", "fence"))
    shorten(rows)
    start_unit("--processes=2")
    wait_until(lambda: are_done(rows), seconds=RECOVERY_SECONDS)
    for due in work_of_tests():
        assert due.fence == fences[due.pk] + 1


def test_told_to_stop_it_ends_its_slices_early_and_they_go_on_elsewhere(start_unit):
    """F7: a deploy in the middle of a slice of ten minutes, told five times over."""
    unit = start_unit("--processes=2")
    rows = naps(2, milliseconds=LONG)
    wait_until(lambda: have_begun(rows), seconds=READY_SECONDS)

    for _ in range(5):
        unit.send(signal.SIGTERM)

    assert unit.wait(READY_SECONDS) == 0
    assert unit.left_over() == []
    for due in work_of_tests():
        assert (due.lease_until, due.leased_by, due.attempts) == (None, None, 1)
        assert due.due_at <= timezone.now()


def test_work_that_kills_its_process_each_time_is_parked_and_others_go_on(start_unit):
    """F6, M2: after five claims it is left alone."""
    deadly = DueFactory(kind=DEADLY, provider="")
    Due.objects.filter(pk=deadly.pk).update(attempts=3)
    start_unit("--processes=2", **SHORT)
    rows = naps(4)

    wait_until(lambda: are_done(rows), seconds=RECOVERY_SECONDS)
    wait_until(
        lambda: Due.objects.get(pk=deadly.pk).parked_reason == "crash_loop",
        seconds=2 * RECOVERY_SECONDS,
    )
    assert Due.objects.get(pk=deadly.pk).attempts == 5
