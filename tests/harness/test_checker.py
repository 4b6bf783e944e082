"""The checker turns red: for every kind of damage, and for every rule taken out of the engine."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from hub.audit.models import AuditEvent
from hub.fleet.models import Due
from integrations.models import Checkpoint, Record, SyncRun
from tests.harness.checker import check, early
from tests.harness.hub import PATIENT, Hub, due_of, let_leases_run_out
from tests.harness.mutants import LOST_ROW
from tests.harness.simulator import Account, Fault, Simulator

pytestmark = pytest.mark.django_db(transaction=True)

FENCE, LOCK, SAME_TRANSACTION = ["fence"], ["lock"], ["same transaction"]
ATTEMPTS = ["attempts"]
FREEZE_SECONDS = 0.2  # in which the quick one would ask, too, if it did not wait


def damage(account: Account) -> dict[str, Callable[[], object]]:
    """One thing that must never happen for each word of the checker."""
    records = Record.objects.filter(source_id="c1")
    whole = account.tables["companies"]["c1"].body()
    later = timezone.now() + timedelta(minutes=1)

    def repeat() -> None:
        old = records.get()
        Record.objects.create(
            **{
                field.attname: getattr(old, field.attname)
                for field in Record._meta.concrete_fields
                if field.attname != "id"
            }
            | {"source_system": old.source_system, "source_id": "nobody"}
        )

    return {
        "lost": lambda: records.update(deleted_at=timezone.now()),
        "stale": lambda: records.update(raw={**whole, "version": 0}),
        "phantom": repeat,
        "early": records.delete,
        "backward": lambda: Checkpoint.objects.update(generation=1),
        "counts": lambda: SyncRun.objects.update(counts={"companies": {"read": 1}}),
        "open": lambda: Due.objects.update(lease_until=later),
        "unaudited": lambda: SyncRun.objects.update(state="failed"),
        "reuse": lambda: setattr(account.grant, "reuse", 1),
    }


def test_every_kind_of_damage_has_a_name(hub: Hub, simulator: Simulator) -> None:
    account = simulator.account("a1")
    connection = hub.connect("a1")
    hub.drain(connection)
    assert check(connection, account) == {}

    for name, spoil in damage(account).items():
        with transaction.atomic():
            spoil()
            assert name in check(connection, account), name
            transaction.set_rollback(True)
    OrmQ.objects.create(key="hub", payload="left over", lock=timezone.now())
    assert "open" in check(connection, account)
    assert AuditEvent.objects.exists()


def frozen_before_it_commits(
    hub: Hub, simulator: Simulator, account: Account, without: list[str]
) -> str:
    """A slice freezes, another worker stores newer data, the first one wakes and goes on.

    It gets nothing more from the provider, or it would repair itself what it has set back.
    """
    connection = hub.connect(account.name)
    due = due_of(connection)[0]
    order = {"crash": "before_commit:2:STOP", "without": without, "options": PATIENT}
    frozen = hub.order(do="work", due=str(due.pk), **order)
    assert hub.answer(frozen)["stopped"]
    let_leases_run_out(connection)
    for row in account.present("companies").values():
        account.touch(row)
    hub.drain(connection)
    simulator.weather = lambda number, path: Fault(500, body=b"{}")
    hub.ask(do="wake", order=frozen)
    hub.answer(frozen)
    simulator.heal()
    return connection


def killed_beside_its_checkpoint(hub: Hub, account: Account, without: list[str]) -> str:
    """A process is killed when the checkpoint has been written and the batch is not committed."""
    connection = hub.connect(account.name)
    due = due_of(connection)[0]
    order = {"crash": "after_checkpoint:2:KILL", "without": without}
    assert hub.ask(do="work", due=str(due.pk), **order)["acted"]
    return connection


def two_renewals_at_once(hub: Hub, account: Account, without: list[str]) -> str:
    """Two processes find the access refused; the first is slow to ask for a new one."""
    connection = hub.connect(account.name)
    account.grant.accepted.clear()
    due = due_of(connection)[0]
    order = {"do": "work", "due": str(due.pk), "without": without, "options": PATIENT}
    slow = hub.order(**order, crash="before_token_call:1:STOP")
    assert hub.answer(slow)["stopped"]
    let_leases_run_out(connection)
    quick = hub.order(**order)
    if without:
        hub.answer(quick)
    else:
        time.sleep(FREEZE_SECONDS)
    hub.ask(do="wake", order=slow)
    hub.answer(slow)
    if not without:
        hub.answer(quick)
    return connection


def test_without_the_fence_an_overtaken_worker_is_seen_to_set_data_back(
    hub: Hub, simulator: Simulator
) -> None:
    intact, mutant = simulator.account("a1"), simulator.account("a2")

    assert check(frozen_before_it_commits(hub, simulator, intact, []), intact) == {}
    wrong = check(frozen_before_it_commits(hub, simulator, mutant, FENCE), mutant)

    assert {"backward", "stale"} <= set(wrong)


def test_without_the_same_transaction_a_checkpoint_is_seen_to_run_ahead(
    hub: Hub, simulator: Simulator
) -> None:
    intact, mutant = simulator.account("a1"), simulator.account("a2")

    assert early(killed_beside_its_checkpoint(hub, intact, []), intact) == []
    connection = killed_beside_its_checkpoint(hub, mutant, SAME_TRANSACTION)
    assert early(connection, mutant) != []
    hub.drain(connection)

    assert {"lost", "early"} <= set(check(connection, mutant))


def test_without_its_event_an_attempt_that_was_killed_is_seen_to_be_missing(
    hub: Hub, simulator: Simulator
) -> None:
    intact, mutant = simulator.account("a1"), simulator.account("a2")

    for account, without in ((intact, []), (mutant, ATTEMPTS)):
        connection = hub.connect(account.name)
        assert hub.work(connection, crash="after_commit:1:KILL")["acted"]
        let_leases_run_out(connection)
        hub.work(connection, without=without)
        hub.drain(connection, also=False)
        assert ("unaudited" in check(connection, account)) == bool(without)


def test_without_the_row_lock_a_refresh_token_is_seen_to_be_used_twice(
    hub: Hub, simulator: Simulator
) -> None:
    intact, mutant = simulator.account("a1"), simulator.account("a2")

    connection = two_renewals_at_once(hub, intact, [])
    hub.drain(connection)
    assert check(connection, intact) == {}

    assert "reuse" in check(two_renewals_at_once(hub, mutant, LOCK), mutant)


def test_a_row_that_is_lost_on_its_way_is_seen_before_the_checkpoint_passes_it(
    hub: Hub, simulator: Simulator
) -> None:
    account = simulator.account("a1")
    connection = hub.connect("a1")

    hub.work(connection, without=["row"])

    run = SyncRun.objects.get()
    assert (run.state, run.error_code) == ("failed", "fatal")
    assert "does not add up" in run.error
    assert not Record.objects.filter(source_id=LOST_ROW).exists()
    assert early(connection, account) == []
    hub.drain(connection)
    assert check(connection, account) == {}
