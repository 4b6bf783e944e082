"""The change number of a tenant grows in the order of commits, so a reader can miss nothing."""

import threading
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from hub.fleet.models import Due
from integrations.destinations.base import Batch
from integrations.destinations.postgres import PostgresDestination
from integrations.models import Record
from integrations.sync.changes import changes_after
from integrations.sync.prepare import prepare
from integrations.types import Entity, Position
from tenants.context import current_tenant, in_tenant
from tenants.models import Tenant
from tests.engine.acme_provider import AcmeConnector, company

WRITERS, BATCHES = 3, 12


def batch_of(system: str, due: Due, numbers: range) -> Batch:
    batch = Batch(
        connection_id=due.object_id,
        source_system=system,
        run_id=uuid4(),
        walked_type="companies",
        generation=1,
        fence=due.fence,
        due_id=due.pk,
    )
    entities = [Entity("companies", f"c{n}", company(n)) for n in numbers]
    entities.append(Entity.rest(Position("", {"page": numbers.stop}), "companies"))
    batch.add(prepare(AcmeConnector(), entity) for entity in entities)
    return batch


def a_lease(tenant: Tenant) -> Due:
    return Due.objects.create(
        kind=Due.Kind.SYNC,
        tenant=tenant,
        object_id=uuid4(),
        fence=1,
        lease_until=timezone.now() + timedelta(minutes=5),
    )


@pytest.mark.django_db(transaction=True)
def test_a_reader_with_a_cursor_misses_no_row_while_writers_commit_side_by_side(acme):
    tenant = current_tenant()
    failures: list[BaseException] = []
    leases = [a_lease(tenant) for _ in range(WRITERS)]

    def write(number: int) -> None:
        try:
            with in_tenant(tenant):
                for turn in range(BATCHES):
                    rows = range(turn * 20, turn * 20 + 20)
                    with transaction.atomic():
                        PostgresDestination()._write(
                            _without_checkpoint(batch_of(f"s{number}", leases[number], rows))
                        )
                        time.sleep(0.002 * (number + 1))  # commit late, some later than others
        except BaseException as exc:
            failures.append(exc)
        finally:
            database.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    cursor = 0
    while any(thread.is_alive() for thread in threads) or _newer(cursor):
        for seq in _newer(cursor):
            seen.append(seq)
            cursor = seq
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(seen) == WRITERS * BATCHES * 20
    assert set(seen) == set(Record.objects.values_list("change_seq", flat=True))


def _newer(cursor: int) -> list[int]:
    return [change.seq for change in changes_after(cursor, 50)]


def _without_checkpoint(batch: Batch) -> Batch:
    """These writers have no connection row that a checkpoint could belong to."""
    batch.positions = {}
    return batch


@pytest.mark.django_db
def test_a_batch_without_changes_waits_for_no_other_writer(acme, django_assert_num_queries):
    from django.test.utils import CaptureQueriesContext

    due = a_lease(current_tenant())
    PostgresDestination().write(_without_checkpoint(batch_of("s", due, range(5))))

    with CaptureQueriesContext(database) as seen:
        written = PostgresDestination().write(_without_checkpoint(batch_of("s", due, range(5))))

    assert written.unchanged == 5
    assert not [query for query in seen if "advisory" in query["sql"]]
