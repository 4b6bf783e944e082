"""Each attempt that came to nothing leaves one audit event, whoever finds out about it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fields import uuid7
from hub.fleet.attempts import free_lost
from hub.fleet.claims import MAX_ATTEMPTS, claim, claim_one, park_crash_loops
from hub.fleet.models import Due
from integrations import tasks
from integrations.errors import ProviderUnavailableError, RateLimitError
from tests.engine.conftest import connection, server, work  # noqa: F401  fixtures
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db

WORKER = uuid7()


def failed_attempts() -> list[tuple[str, int, str]]:
    """(due, fence, reason) of each event, the oldest first."""
    events = AuditEvent.objects.filter(action="work.attempt_failed").order_by("at")
    return [
        (each["due"], each["fence"], each["reason"])
        for each in events.values_list("detail", flat=True)
    ]


def begun(due: Due) -> int:
    """The fence of a claim whose work has begun."""
    claimed = claim_one(due.pk, worker_id=WORKER, lease_seconds=60)
    assert claimed is not None
    Due.objects.begin(due.pk, fence=claimed.fence, seconds=60)
    return claimed.fence


def let_the_lease_run_out(due: Due) -> None:
    Due.objects.filter(pk=due.pk).update(lease_until=timezone.now() - timedelta(minutes=1))


@pytest.mark.parametrize("by_unit", [True, False])
def test_a_worker_that_was_killed_is_told_of_by_the_next_claim(by_unit):
    due = DueFactory()
    fence = begun(due)
    let_the_lease_run_out(due)

    if by_unit:
        claim(worker_id=WORKER, limit=5, lease_seconds=60, per_tenant=5, per_provider=5)
    else:
        claim_one(due.pk, worker_id=WORKER, lease_seconds=60)

    assert failed_attempts() == [(str(due.pk), fence, "lease_ran_out")]
    event = AuditEvent.objects.get(action="work.attempt_failed")
    assert event.tenant_id == due.tenant_id


def test_a_claim_that_nobody_began_is_no_attempt():
    due = DueFactory()
    claim_one(due.pk, worker_id=WORKER, lease_seconds=60)
    let_the_lease_run_out(due)

    claim_one(due.pk, worker_id=WORKER, lease_seconds=60)
    free_lost(WORKER)

    assert failed_attempts() == []


def test_the_last_attempt_before_work_is_parked_is_told_too():
    due = DueFactory(attempts=MAX_ATTEMPTS - 1)
    fence = begun(due)
    let_the_lease_run_out(due)

    park_crash_loops()
    park_crash_loops()

    assert failed_attempts() == [(str(due.pk), fence, "lease_ran_out")]


def test_what_a_cluster_had_begun_when_it_was_replaced_is_told():
    due, _ = DueFactory(), DueFactory(held=True)
    fence = begun(due)

    freed = free_lost(WORKER)

    assert freed == 1
    assert failed_attempts() == [(str(due.pk), fence, "worker_ended")]


@pytest.mark.public
def test_work_that_breaks_in_a_way_nobody_expected_is_told_by_the_class_of_its_error():
    due = DueFactory(kind=Due.Kind.OUTBOX)
    taken = claim_one(due.pk, worker_id=WORKER, lease_seconds=60)
    assert taken is not None

    tasks.work(str(due.tenant_id), str(due.pk), taken.fence)  # there is no such work

    assert failed_attempts() == [(str(due.pk), taken.fence, "KeyError")]


def test_each_wait_of_a_sync_that_failed_is_told_and_its_last_one_by_the_run(
    connection,  # noqa: F811
    server,  # noqa: F811
):
    errors = [RateLimitError("slow down", 5), *(ProviderUnavailableError("down") for _ in range(9))]
    server.fail_at[("companies", 0)] = errors

    while work(connection).state == "running":
        pass

    reasons = [reason for *_, reason in failed_attempts()]
    assert reasons == ["rate_limited"] + ["provider_unavailable"] * 7
    (fence,) = AuditEvent.objects.filter(action="sync.failed").values_list(
        "detail__fence", flat=True
    )
    assert fence == 9


def test_a_slice_that_stored_pages_before_it_was_told_to_wait_is_no_attempt_that_failed(
    connection,  # noqa: F811
    server,  # noqa: F811
):
    server.fail_at[("companies", 1)] = [RateLimitError("slow down", 60) for _ in range(2)]

    work(connection)
    assert failed_attempts() == []
    work(connection)

    assert [reason for *_, reason in failed_attempts()] == ["rate_limited"]


def test_an_attempt_that_went_well_leaves_none(connection):  # noqa: F811
    work(connection)

    assert failed_attempts() == []
