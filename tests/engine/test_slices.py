"""Where a slice ends, the next one goes on; who has lost the fence commits nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.fleet.models import Due
from integrations.errors import FencedError, ProviderUnavailableError
from integrations.models import Record, SyncRun
from integrations.sync.engine import work_slice
from integrations.sync.lease import LeaseWatch
from tenants.models import Tenant
from tests.engine.acme_provider import AcmeConnector, company
from tests.engine.conftest import run_of, stored, work

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("page", [0, 1, 2])
def test_after_an_interruption_no_committed_page_is_asked_for_again(connection, server, page):
    server.fail_at[("companies", page)] = [ProviderUnavailableError("down")]
    first = work(connection)
    assert first.state == "running"
    server.asked.clear()

    second = work(connection)

    assert second.state == "succeeded"
    assert server.asked[0] == ("companies", page)
    assert len(stored("companies")) == 25
    assert run_of(connection).totals["read"] == 40


@pytest.mark.parametrize("seconds", [0, 30])
def test_no_call_may_end_later_than_ten_seconds_after_its_slice(
    connection, server, monkeypatch, seconds
):
    left, fetch = [], AcmeConnector.fetch_entities

    def fetch_entities(self, entity_type, since):
        left.append(self.http.deadline.remaining)
        return fetch(self, entity_type, since)

    monkeypatch.setattr(AcmeConnector, "fetch_entities", fetch_entities)
    work(connection, seconds=seconds)

    assert all(remaining <= seconds + 10 for remaining in left)
    assert left


def many(server) -> None:
    """More companies than are read ahead at once."""
    server.page_size = 100
    server.rows["companies"] = [company(n) for n in range(3_000)]


def test_the_calls_of_a_slice_that_was_interrupted_count_too(connection, server):
    server.fail_at[("companies", 2)] = [ProviderUnavailableError("down")]

    while work(connection).state == "running":
        pass

    assert run_of(connection).calls == len(server.asked)


def test_a_slice_ends_at_a_position_and_the_next_one_goes_on_there(connection, server):
    many(server)
    result = work(connection, seconds=0)
    assert result.wants_more
    assert Due.objects.get(run_id=result.run_id).due_at <= timezone.now()

    while result.wants_more:
        committed = Record.objects.filter(entity_type="companies").count()
        server.asked.clear()
        result = work(connection, seconds=0)
        if committed < 3_000:
            assert server.asked[0] == ("companies", committed // 100)

    assert len(stored("companies")) == 3_000
    assert len(stored("people")) == 15
    assert SyncRun.objects.count() == 1
    assert run_of(connection).totals["read"] == 3_015


def test_a_worker_that_wants_to_stop_ends_the_slice_at_a_position(connection, server):
    many(server)
    watch = LeaseWatch()
    watch.stop.set()

    result = work(connection, watch=watch)

    assert result.wants_more
    assert 0 < len(stored("companies")) < 3_000


def test_a_worker_with_an_older_fence_writes_nothing(connection, server):
    due = Due.objects.get()
    Due.objects.update(fence=7, lease_until=timezone.now() + timedelta(minutes=1))

    with pytest.raises(FencedError):
        work_slice(due.pk, 6, seconds=30, watch=LeaseWatch())

    assert not Record.objects.exists()


def test_a_worker_that_loses_its_fence_midway_commits_no_further_batch(connection, server):
    def lose(run: SyncRun) -> None:
        Due.objects.update(fence=1_000)

    many(server)
    with pytest.raises(FencedError):
        work(connection, progress=lose, seconds=0)
    committed = Record.objects.count()

    with pytest.raises(FencedError):
        work_slice(Due.objects.get().pk, 1, seconds=30, watch=LeaseWatch())

    assert Record.objects.count() == committed


def test_nothing_is_written_for_a_tenant_that_is_being_closed(connection, server, acme):
    Tenant.objects.filter(pk=acme.pk).update(state=Tenant.State.CLOSING)

    with pytest.raises(FencedError):
        work(connection)

    assert not Record.objects.exists()


def test_a_slice_that_is_to_make_room_gets_to_a_position_however_far_away_that_is(
    connection, server
):
    server.page_size = 5_000
    server.rows = {"companies": [company(n) for n in range(5_000)]}
    watch = LeaseWatch()
    watch.stop.set()

    said = work(connection, watch=watch)

    assert said.wants_more
    assert len(stored("companies")) == 5_000
