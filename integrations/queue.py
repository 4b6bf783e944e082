"""The only door to django-q2: its broker, and the ringing of due work.

The queue is a doorbell, not the ledger: a task that is lost, doubled or deleted changes nothing,
because the lease of its due row runs out and it is rung again. A task carries ids and a fence,
never data. Each worker unit has a queue of its own and rings no more than it has free processes,
so the table holds a handful of rows and needs no index beyond its key.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from time import sleep
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models.functions import Now
from django_q.brokers.orm import ORM
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.exceptions import TimeoutException
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from hub.fleet.claims import Claim
from hub.fleet.garbage import collect_seldom

# Raised into a task that overran; a SystemExit, so that `except Exception` lets it pass.
SliceTimeoutError = TimeoutException

WORK = "integrations.tasks.work"
BEAT = "integrations.tasks.beat"
QUEUE_PREFIX = "hub-"
YOUNG = timedelta(minutes=10)

log = logging.getLogger(__name__)
logging.getLogger("django-q").setLevel(Conf.LOG_LEVEL)  # it sets this only without our handlers

# Chosen in a WITH, which is done once: in a subselect, a plan may choose anew for every row.
_DEQUEUE = """
WITH chosen AS MATERIALIZED (
    SELECT id FROM public.django_q_ormq WHERE key = %s AND lock <= statement_timestamp()
    ORDER BY lock, id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE public.django_q_ormq AS task SET lock = statement_timestamp() + %s * interval '1 second'
FROM chosen WHERE task.id = chosen.id
RETURNING task.id, task.payload
"""


class SkipLockedORM(ORM):  # type: ignore[misc]
    """The ORM broker by the database's clock, taking rows in one statement.

    What is not a task of ours (junk, a foreign signature, another function) is dropped here with a
    line in the log: further in it would end the process that reads it.
    """

    enqueued: int  # the row of the last task put in

    def enqueue(self, task: str) -> int:
        row: OrmQ = self.get_connection().create(key=self.list_key, payload=task, lock=Now())
        self.enqueued = int(row.pk)
        return self.enqueued

    def dequeue(self) -> list[tuple[int, str]] | None:
        """Return the next tasks as (id, payload), or None after a short sleep if there are none."""
        self.get_connection()  # closes a connection that is too old
        with connections[Conf.ORM].cursor() as cursor:
            cursor.execute(_DEQUEUE, [self.list_key, Conf.BULK, Conf.RETRY])
            rows: list[tuple[int, str]] = cursor.fetchall()
        if not rows:
            sleep(Conf.POLL)
            return None
        return [row for row in rows if self._is_ours(*row)]

    def _is_ours(self, row_id: int, payload: str) -> bool:
        try:
            task: dict[str, Any] = SignedPackage.loads(payload)
            known = task["func"] in (WORK, BEAT) and isinstance(task["name"], str)
            ours = known and all(isinstance(value, str | int) for value in task["args"])
            reason = "not a task of the hub"
        except Exception as exc:  # whatever a broken payload does, the others must be read
            ours, reason = False, type(exc).__name__
        if not ours:
            self.delete(row_id)
            said = {"row": row_id, "queue": self.list_key, "reason": reason}
            log.warning("queue row dropped", extra=said)
        return ours


def ring(claims: Sequence[Claim], *, queue: str) -> None:
    """Put a task per claim into the unit's queue; call it in the transaction of the claim."""
    for claim in claims:
        async_task(WORK, str(claim.tenant_id), str(claim.due_id), claim.fence, cluster=queue)


def ring_beat(worker_id: UUID, *, queue: str) -> int:
    """Put a task into the queue that only shows that it is worked on; return its row."""
    broker = SkipLockedORM(list_key=queue)
    async_task(BEAT, str(worker_id), broker=broker)
    return broker.enqueued


def has_come_round(row: int) -> bool:
    """Whether the task was taken, done and acknowledged."""
    return not OrmQ.objects.filter(pk=row).exists()


def forget_queue(queue: str) -> None:
    """Delete what is left in a queue that nobody reads any more."""
    OrmQ.objects.filter(key=queue).delete()


def forget_queues_except(queues: Sequence[str]) -> int:
    """Delete what units that are gone have left; return how many rows.

    Young rows are left alone: their unit may have signed in a moment after `queues` was read.
    """
    left = OrmQ.objects.filter(key__startswith=QUEUE_PREFIX, lock__lt=Now() - YOUNG)
    return int(left.exclude(key__in=queues).delete()[0])


def run_cluster(queue: str) -> None:
    """Work on the queue with HUB_WORKERS processes until SIGTERM; then finish what has begun."""
    collect_seldom()
    cluster = Cluster(SkipLockedORM(list_key=queue))
    cluster.start()
    while cluster.sentinel.is_alive():
        sleep(Conf.POLL)
