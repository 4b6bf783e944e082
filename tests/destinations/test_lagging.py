"""A destination that lags, fails or is blocked holds nothing up, and catches up by itself."""

from uuid import uuid4

import pytest
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.claims import claim_one, park_crash_loops
from hub.fleet.models import Circuit, DestinationStatus, Due
from hub.management.commands.worker import end_parked
from integrations import tasks
from integrations.destinations.wake import wake_destinations
from integrations.models import Record
from integrations.services.destinations import resume_destination, rewrite_destination
from integrations.services.routes import create_route
from integrations.sync.changes import last_change
from tests.destinations.conftest import ADMIN, follow, last_run
from tests.engine.acme_provider import company, person
from tests.engine.conftest import connection, run_of, server, work

__all__ = ["connection", "server"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def routed(destination, connection):
    for record_type in ("company", "person"):
        create_route(
            destination=destination,
            connection=connection,
            record_type=record_type,
            mapping=[{"column": "Name", "from": "name"}]
            + ([{"column": "Company", "from": "company"}] if record_type == "person" else []),
            actor=ADMIN,
        )
    return destination


def synced(connection) -> str:
    """Sync to the end, whatever it takes; return how the last run ended."""
    while work(connection).wants_more:
        pass
    return run_of(connection).state


def test_a_sync_arrives_at_the_destination_with_its_relations(base, connection, routed):
    assert synced(connection) == "succeeded"

    assert follow(routed).startswith("Caught up")

    firms, people = base.rows("Companies"), base.rows("People")
    assert (len(firms), len(people)) == (25, 15)
    assert all(
        row["Company"] == [firms[key.replace("people:p", "companies:c")]["id"]]
        for key, row in people.items()
    )
    totals = last_run(routed).totals
    assert totals["read"] == totals["created"] == Record.objects.count() == 40


def test_a_sync_that_changes_records_wakes_it_and_one_that_changes_none_does_not(
    base, connection, server, routed
):
    synced(connection)
    follow(routed)
    assert Due.objects.get(object_id=routed.pk).due_at > timezone.now()
    connection.checkpoints.all().delete()
    synced(connection)
    assert Due.objects.get(object_id=routed.pk).due_at > timezone.now()
    server.rows["companies"].append(company(25))
    connection.checkpoints.all().delete()

    synced(connection)

    assert Due.objects.get(object_id=routed.pk).due_at <= timezone.now()
    follow(routed)
    assert len(base.rows("Companies")) == 26


def test_a_worker_does_it_when_it_is_due(acme, base, connection, routed, long_lease):
    synced(connection)
    due = Due.objects.get(object_id=routed.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=60)

    said = tasks.work(str(acme.pk), str(due.pk), claim.fence)

    assert said.startswith("Caught up: 40 read, 40 created")
    assert Due.objects.get(pk=due.pk).lease_until is None


def test_f38_postgresql_and_its_checkpoint_go_on_while_the_destination_is_blocked(
    base, connection, server, routed
):
    synced(connection)
    follow(routed)
    base.control("delete", entity="tables", ids=[base.tables()["Companies"]["id"]])
    server.rows["companies"] = [company(n, name=f"Renamed {n}") for n in range(30)]
    server.rows["people"].append(person(15))
    connection.checkpoints.all().delete()

    for _ in range(2):
        assert synced(connection) == "succeeded"
        follow(routed)
        assert routed.status == "blocked"
        Due.objects.filter(object_id=routed.pk).update(due_at=timezone.now())

    assert Record.objects.filter(title__startswith="Renamed").count() == 30
    assert connection.checkpoints.exists()
    assert routed.checkpoint < last_change()
    assert DestinationStatus.objects.get().behind == 31
    rewrite_destination(destination=routed, forget_tables=True, actor=ADMIN)
    follow(routed)
    assert (routed.status, routed.checkpoint) == ("active", last_change())
    assert {row["Name"] for row in base.rows("Companies").values()} == {
        f"Renamed {n}" for n in range(30)
    }
    assert len(base.rows("People")) == 16


def test_f11_when_the_destination_does_not_answer_only_its_own_breaker_opens(
    base, connection, server, routed
):
    synced(connection)
    base.fault(path=f"/{base.id}", reset="before", count=None)

    said = [follow(routed) for _ in range(3)]

    assert all(one.startswith("Waits") for one in said)
    opened = Circuit.objects.filter(state="open")
    assert [circuit.owner for circuit in opened] == [str(routed.pk)]
    assert routed.status == "active"
    server.rows["companies"].append(company(25))
    connection.checkpoints.all().delete()
    assert synced(connection) == "succeeded"
    assert Record.objects.filter(entity_type="companies").count() == 26


def test_work_that_was_parked_says_so_and_goes_on_once_somebody_looks_again(
    base, records, destination, route
):
    route("company")
    records.company(1)
    Due.objects.filter(object_id=destination.pk).update(attempts=5, due_at=timezone.now())
    (parked,) = park_crash_loops()

    end_parked(parked)

    destination.refresh_from_db()
    assert (destination.status, destination.error_code) == ("blocked", "crash_loop")
    assert "5 times without writing anything" in destination.error
    seen = DestinationStatus.objects.get()
    assert (seen.status, seen.behind) == ("blocked", 1)
    assert AuditEvent.objects.filter(action=AuditAction.DESTINATION_BLOCKED).count() == 1
    wake_destinations()
    assert Due.objects.get(object_id=destination.pk).due_at is None
    resume_destination(destination=destination, actor=ADMIN)
    follow(destination)
    assert destination.status == "active"
    assert len(base.rows("Companies")) == 1
