"""A type that fails says nothing of the others: they are read, and the run says which failed."""

import pytest

from hub.audit.models import AuditEvent
from hub.fleet.models import ConnectionStatus
from integrations.errors import (
    BudgetSpentError,
    FatalError,
    NotFoundError,
    ProviderUnavailableError,
    RateLimitError,
)
from integrations.models import EntityTypeStatus, Record
from integrations.records import Company, Person
from integrations.sync.settle import wait_for
from integrations.types import EntityType
from tests.engine.acme_provider import AcmeConnector
from tests.engine.conftest import run_of, work

pytestmark = pytest.mark.django_db


@pytest.fixture
def apart(monkeypatch):
    """Neither type waits for the other."""
    types = (
        EntityType("companies", becomes=Company, deletions="signal"),
        EntityType("people", becomes=Person, deletions="signal"),
    )
    monkeypatch.setattr(AcmeConnector, "entity_types", types)


def people() -> int:
    return Record.objects.filter(entity_type="people").count()


def states(connection) -> dict[str, str]:
    return {name: line["state"] for name, line in run_of(connection).counts.items()}


def test_a_type_that_is_spoiled_in_every_run_does_not_starve_the_others(connection, server, apart):
    server.rows["companies"] = [{"id": f"c{n}", "changed": 1} for n in range(30)]

    result = work(connection)

    assert result.state == "failed"
    assert people() == 15
    assert states(connection) == {"companies": "failed", "people": "done"}
    run = run_of(connection)
    assert (run.state, run.error_code) == ("failed", "fatal")
    assert run.error.startswith("companies: 30 of 30 companies were rejected")
    assert "30 of 30" in run.counts["companies"]["reason"]


def test_what_waits_for_a_failed_type_waits_for_the_next_run(connection, server):
    server.fail_at[("companies", 0)] = [FatalError("The list has no end.")]

    work(connection)

    assert states(connection) == {"companies": "failed", "people": "blocked"}
    assert people() == 0
    work(connection)
    assert states(connection) == {"companies": "done", "people": "done"}
    assert people() == 15


def test_a_run_with_a_failed_type_leaves_one_event_and_tells_operations(connection, server, apart):
    server.fail_at[("companies", 1)] = [NotFoundError("There is no such list.")]

    work(connection)

    event = AuditEvent.objects.get(action="sync.failed")
    assert (event.outcome, event.detail["error"]) == ("failed", "companies: There is no such list.")
    seen = ConnectionStatus.objects.get(connection_id=connection.pk)
    assert (seen.last_run_state, seen.error) == ("failed", "companies: There is no such list.")
    assert Record.objects.filter(entity_type="companies").count() == 10


def test_a_list_that_stays_down_fails_in_the_end_and_the_others_are_read(connection, server, apart):
    server.fail_at[("companies", 0)] = [ProviderUnavailableError("down") for _ in range(20)]

    ended = [work(connection).state for _ in range(9)]

    assert ended == ["running"] * 8 + ["failed"]
    assert people() == 15
    assert states(connection) == {"companies": "failed", "people": "done"}


def test_a_failed_type_does_not_take_the_others_along_to_the_backfill(connection, server, apart):
    work(connection)
    EntityTypeStatus.objects.filter(entity_type="companies").update(is_complete=False)
    server.fail_at[("companies", 1)] = [FatalError("broken")]

    result = work(connection, seconds=0)

    assert result.wants_more
    assert run_of(connection).lane == "live"
    assert work(connection).state == "failed"
    assert states(connection) == {"companies": "failed", "people": "done"}


def test_a_provider_that_says_in_a_second_again_and_again_is_given_more_than_eight_seconds():
    soon, later = RateLimitError("slow", retry_after=1), RateLimitError("slow", retry_after=3600)
    waits = [wait_for(soon, failures) for failures in range(1, 8) for _ in range(100)]

    assert wait_for(soon, failures=0) == 1
    assert min(waits) >= 1
    assert max(waits[:100]) <= 15 < 60 < max(waits[-100:]) <= 900
    assert wait_for(later, failures=7) == 3600
    assert wait_for(BudgetSpentError("spent", retry_after=1), failures=7) == 1
