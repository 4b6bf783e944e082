"""Claiming due work: who gets what, how fairly, and what becomes of work whose worker died."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from hub.fields import uuid7
from hub.fleet.claims import Claim, claim, claim_one, park_crash_loops
from hub.fleet.models import Due
from tenants.models import Tenant
from tests.factories.fleet import DueFactory

pytestmark = pytest.mark.django_db

WORKER = uuid7()


def claim_some(limit=10, *, per_tenant=10, per_provider=10, worker_id=WORKER):
    return claim(
        worker_id=worker_id,
        limit=limit,
        lease_seconds=120,
        per_tenant=per_tenant,
        per_provider=per_provider,
    )


def minutes_ago(minutes):
    return timezone.now() - timedelta(minutes=minutes)


def let_the_lease_run_out(due):
    Due.objects.filter(pk=due.pk).update(lease_until=minutes_ago(1))


def test_what_is_due_is_leased_to_the_worker_under_a_new_fence():
    due = DueFactory(fence=4)

    assert claim_some() == [Claim(due.pk, due.tenant_id, 5, "sync")]

    due.refresh_from_db()
    assert (due.leased_by, due.attempts, due.started_at) == (WORKER, 1, None)
    assert due.lease_until - due.claimed_at == timedelta(seconds=120)


def test_what_is_due_later_paused_or_held_is_left_alone():
    DueFactory(later=True)
    DueFactory(paused=True)
    DueFactory(held=True)

    assert claim_some() == []


def test_a_lease_that_ran_out_rings_again_with_a_higher_fence():
    due = DueFactory()
    (first,) = claim_some()
    Due.objects.begin(due.pk, fence=first.fence, seconds=120)
    let_the_lease_run_out(due)

    (second,) = claim_some()

    assert second.fence == first.fence + 1
    assert Due.objects.get().attempts == 2


def test_a_claim_that_nobody_began_is_no_attempt():
    due = DueFactory()
    claim_some()
    let_the_lease_run_out(due)

    claim_some()

    assert Due.objects.get().attempts == 1


def test_work_paused_while_its_worker_died_is_not_taken_again():
    DueFactory(expired=True, due_at=None)

    assert claim_some() == []


def test_tenants_take_turns_however_much_one_of_them_has(acme, globex):
    DueFactory.create_batch(20, tenant=acme, due_at=minutes_ago(60))
    late = DueFactory.create_batch(2, tenant=globex, due_at=minutes_ago(1))

    claims = claim_some(4)

    assert {row.due_id for row in claims} > {row.pk for row in late}


def test_with_one_free_process_the_tenant_served_longest_ago_comes_first(acme, globex):
    DueFactory.create_batch(3, tenant=acme, due_at=minutes_ago(60))
    DueFactory.create_batch(3, tenant=globex, due_at=minutes_ago(1))

    served = []
    for _ in range(6):
        (taken,) = claim_some(1)
        served.append(taken.tenant_id)
        # The clock of one transaction stands still, so the turn is moved by hand.
        ended = {"claimed_at": minutes_ago(0.6 - len(served) / 10), "due_at": None}
        Due.objects.release(taken.due_id, fence=taken.fence, **ended)

    assert served == [acme.pk, globex.pk] * 3


def test_a_tenant_that_is_new_does_not_come_before_one_that_waits_longer(acme, globex):
    waiting = DueFactory(tenant=acme, claimed_at=minutes_ago(2), due_at=minutes_ago(1))
    DueFactory(tenant=globex, due_at=minutes_ago(0.5))

    assert [row.due_id for row in claim_some(1)] == [waiting.pk]


def test_a_tenant_whose_old_work_fills_the_window_does_not_hide_the_others(acme, globex):
    DueFactory.create_batch(60, tenant=acme, due_at=minutes_ago(60))
    late = DueFactory(tenant=globex, due_at=minutes_ago(1))

    claims = claim_some(2, per_provider=5)

    assert late.pk in {row.due_id for row in claims}


def test_a_provider_whose_slots_are_taken_does_not_hide_the_others(acme, globex):
    DueFactory.create_batch(2, held=True, tenant=globex, provider="copper")
    DueFactory.create_batch(20, tenant=acme, provider="copper", due_at=minutes_ago(60))
    slack = DueFactory(tenant=acme, provider="slack")

    assert [row.due_id for row in claim_some(5, per_provider=2)] == [slack.pk]


def test_a_tenant_holds_no_more_than_its_share_counting_what_runs_elsewhere():
    DueFactory(held=True)
    DueFactory.create_batch(5)

    assert len(claim_some(per_tenant=3)) == 2
    assert claim_some(per_tenant=3) == []


def test_a_provider_gets_no_more_at_once_than_its_bulkhead(acme, globex):
    DueFactory(held=True, tenant=globex)
    for tenant in (acme, globex):
        DueFactory.create_batch(3, tenant=tenant, provider="copper")
    slack = DueFactory(provider="slack")

    claims = claim_some(per_provider=3)

    assert len(claims) == 3
    assert slack.pk in {row.due_id for row in claims}


def test_a_lease_that_ran_out_no_longer_counts_against_the_share():
    DueFactory.create_batch(2, expired=True)

    assert len(claim_some(per_tenant=2)) == 2


@pytest.mark.parametrize("state", ["suspended", "closing", "closed"])
def test_a_tenant_that_is_not_active_is_passed_over(globex, state):
    DueFactory(tenant=globex)
    due = DueFactory()
    Tenant.objects.filter(pk=globex.pk).update(state=state)

    assert [row.due_id for row in claim_some()] == [due.pk]


def test_what_a_suspended_tenant_has_due_is_put_off_so_that_no_claim_looks_past_it(globex):
    waiting, due = DueFactory(tenant=globex), DueFactory()
    Tenant.objects.filter(pk=globex.pk).update(state="suspended")

    assert Due.objects.put_off_inactive(timedelta(minutes=5)) == 1

    waiting.refresh_from_db()
    assert minutes_ago(-4) < waiting.due_at < minutes_ago(-6)
    assert [row.due_id for row in claim_some()] == [due.pk]


def test_after_five_claims_without_progress_the_work_is_parked():
    due, other = DueFactory(), DueFactory()
    Due.objects.filter(pk=other.pk).update(attempts=4)
    for _ in range(5):
        claims = {row.due_id: row for row in claim_some()}
        Due.objects.begin(due.pk, fence=claims[due.pk].fence, seconds=120)
        assert park_crash_loops() == []
        let_the_lease_run_out(due)
        Due.objects.release(other.pk, fence=Due.objects.get(pk=other.pk).fence, attempts=0)

    assert due.pk not in {row.due_id for row in claim_some()}
    (parked,) = park_crash_loops()

    assert (parked.pk, parked.parked_reason, parked.attempts) == (due.pk, "crash_loop", 5)
    assert (parked.due_at, parked.lease_until, parked.leased_by) == (None, None, None)
    assert park_crash_loops() == []


def test_what_is_parked_can_be_committed_by_nobody_any_more():
    due = DueFactory(expired=True, attempts=5)

    park_crash_loops()

    assert not Due.objects.extend(due.pk, fence=due.fence, seconds=60)
    assert not Due.objects.release(due.pk, fence=due.fence)


def test_an_older_fence_neither_begins_nor_extends_nor_releases():
    due = DueFactory()
    (stale,) = claim_some()
    let_the_lease_run_out(due)
    (fresh,) = claim_some()

    assert Due.objects.begin(due.pk, fence=stale.fence, seconds=60) is None
    assert not Due.objects.extend(due.pk, fence=stale.fence, seconds=60)
    assert not Due.objects.release(due.pk, fence=stale.fence, due_at=None)
    assert Due.objects.begin(due.pk, fence=fresh.fence, seconds=60) == "sync"


def test_a_claim_is_begun_once_however_often_it_is_rung():
    due = DueFactory()
    (only,) = claim_some()

    assert Due.objects.begin(due.pk, fence=only.fence, seconds=60) == "sync"
    assert Due.objects.begin(due.pk, fence=only.fence, seconds=60) is None


def test_one_row_can_be_claimed_by_hand_although_it_is_not_due():
    due = DueFactory(paused=True, fence=2)

    taken = claim_one(due.pk, worker_id=WORKER, lease_seconds=60)

    assert taken == Claim(due.pk, due.tenant_id, 3, "sync")


def test_one_row_that_somebody_holds_is_not_claimed_by_hand():
    held, expired = DueFactory(held=True), DueFactory(expired=True)

    assert claim_one(held.pk, worker_id=WORKER, lease_seconds=60) is None
    assert claim_one(expired.pk, worker_id=WORKER, lease_seconds=60).fence == 2
    assert claim_one(uuid7(), worker_id=WORKER, lease_seconds=60) is None


@pytest.mark.django_db(transaction=True)
def test_claimers_at_the_same_time_never_take_the_same_row(acme, globex):
    for tenant in (acme, globex):
        DueFactory.create_batch(100, tenant=tenant)
    together = Barrier(4)

    def take_until_nothing_is_left(_):
        together.wait()
        taken = []
        try:
            while claims := claim_some(7, per_tenant=1000, per_provider=1000, worker_id=uuid7()):
                taken += [row.due_id for row in claims]
        finally:
            connection.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [due for each in pool.map(take_until_nothing_is_left, range(4)) for due in each]

    assert len(taken) == len(set(taken)) == 200
    assert set(Due.objects.values_list("fence", "attempts")) == {(1, 1)}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_unit_is_taking_is_passed_over_without_waiting():
    locked, free = DueFactory(due_at=minutes_ago(5)), DueFactory(due_at=minutes_ago(1))
    is_locked, is_over = Barrier(2), Barrier(2)

    def hold():
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM fleet_due WHERE id = %s FOR UPDATE", [locked.pk])
            is_locked.wait()
            is_over.wait()
            cursor.execute("ROLLBACK")
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        is_locked.wait()
        claims = claim_some()
        is_over.wait()
        holding.result()

    assert [row.due_id for row in claims] == [free.pk]
