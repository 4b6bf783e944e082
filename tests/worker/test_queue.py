"""The doorbell: its broker takes tasks by the database's clock and drops what is not ours."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from hub.fields import uuid7
from hub.fleet.claims import claim
from hub.fleet.models import Due
from integrations.queue import SkipLockedORM, forget_queues_except, has_come_round, ring, ring_beat
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db
QUEUE = "hub-test"


def claim_all():
    return claim(worker_id=uuid7(), limit=50, lease_seconds=60, per_tenant=50, per_provider=50)


def read_all(queue=QUEUE):
    broker = SkipLockedORM(list_key=queue)
    tasks = []
    while found := broker.dequeue():
        tasks += [SignedPackage.loads(payload) for _, payload in found]
    return tasks


def put(payload):
    OrmQ.objects.create(key=QUEUE, payload=payload, lock=Now())


def test_a_claim_rings_one_task_that_holds_ids_and_a_fence_and_nothing_else(acme):
    due = DueFactory()

    ring(claim_all(), queue=QUEUE)

    (task,) = read_all()
    assert task["func"] == "integrations.tasks.work"
    assert task["args"] == (str(acme.pk), str(due.pk), 1)
    assert task["kwargs"] == {}


def test_claim_and_bell_come_and_go_together():
    due = DueFactory()

    with pytest.raises(RuntimeError), transaction.atomic():
        ring(claim_all(), queue=QUEUE)
        raise RuntimeError("the unit dies here")

    assert OrmQ.objects.count() == 0
    assert Due.objects.get(pk=due.pk).fence == 0


def test_a_unit_reads_only_its_own_queue():
    other = ring_beat(uuid7(), queue="hub-other")

    assert read_all() == []
    assert not has_come_round(other)


def test_a_task_that_was_taken_waits_for_its_acknowledgement():
    beat = ring_beat(uuid7(), queue=QUEUE)
    broker = SkipLockedORM(list_key=QUEUE)

    ((row, _),) = broker.dequeue()

    assert broker.dequeue() is None
    assert not has_come_round(beat)
    broker.acknowledge(row)
    assert has_come_round(beat)


def test_one_task_is_taken_at_a_time_whatever_the_planner_thinks_of_the_table():
    for _ in range(4):
        ring_beat(uuid7(), queue=QUEUE)
    with connection.cursor() as cursor:  # as it plans by itself for a table of one row
        for way in ("hashagg", "sort", "hashjoin", "mergejoin", "material"):
            cursor.execute(f"SET LOCAL enable_{way} = off")

    assert len(SkipLockedORM(list_key=QUEUE).dequeue()) == 1


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "junk",
        "a:b:c",
        "ÿ\x7f",
        SignedPackage.dumps(None),
        SignedPackage.dumps({"name": "no function"}),
        SignedPackage.dumps({"func": "os.system", "name": "x", "args": ("true",)}),
        SignedPackage.dumps({"func": "integrations.tasks.work", "name": "x", "args": ({},)}),
        SignedPackage.dumps({"func": "integrations.tasks.work", "name": "x"}),
    ],
    ids=[f"row {number}" for number in range(9)],  # a signature holds the time of signing
)
def test_a_row_that_is_no_task_of_ours_is_dropped_and_the_next_one_is_read(payload):
    put(payload)
    ring_beat(uuid7(), queue=QUEUE)
    broker = SkipLockedORM(list_key=QUEUE)

    assert broker.dequeue() == []
    assert len(broker.dequeue()) == 1
    assert OrmQ.objects.count() == 1


def test_old_rows_of_units_that_are_gone_are_deleted():
    gone, mine = ring_beat(uuid7(), queue="hub-gone"), ring_beat(uuid7(), queue=QUEUE)
    OrmQ.objects.update(lock=timezone.now() - timedelta(minutes=11))
    young = ring_beat(uuid7(), queue="hub-new")

    assert forget_queues_except([QUEUE]) == 1
    assert has_come_round(gone)
    assert not has_come_round(mine)
    assert not has_come_round(young)


@pytest.mark.django_db(transaction=True)
def test_two_readers_never_take_the_same_task():
    DueFactory.create_batch(40)
    ring(claim_all(), queue=QUEUE)
    together = Barrier(3)

    def read():
        together.wait()
        try:
            return [task["args"][1] for task in read_all()]
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        taken = [due for reader in readers for due in reader.result()]

    assert len(taken) == len(set(taken)) == 40
