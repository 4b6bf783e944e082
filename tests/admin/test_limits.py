"""Breakers and budgets at operations: seen, held open, let go again."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from hub.audit.models import AuditEvent
from hub.fields import uuid7
from hub.fleet.limits import Circuit, RateBudget, forget_unused
from hub.fleet.models import Due
from integrations.connectors.registry import get_connector
from integrations.errors import BudgetSpentError, CircuitOpenError
from integrations.models import Connection
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import Guard
from integrations.resilience.store import Subject
from integrations.sync.guards import guard_for
from integrations.sync.shared import store_of_settings
from integrations.types import Limit
from tenants.context import in_tenant
from tests.admin.conftest import (
    make_budget,
    make_circuit,
    make_destination,
    make_due,
    make_status,
    signed_in,
)
from tests.factories import ConnectionFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]

CIRCUITS = "/admin/fleet/circuit/"
BUDGETS = "/admin/fleet/ratebudget/"
CLOCK = SystemClock()


@pytest.fixture
def connection(acme: Any) -> Connection:
    with in_tenant(acme):
        made = ConnectionFactory(account_label="Nordlicht")
        make_status(acme, made)
        return made


@pytest.fixture
def gate(acme: Any, connection: Connection) -> Guard:
    provider = get_connector(connection.provider).provider
    with in_tenant(acme):
        return guard_for(connection, provider, base_url=provider.base_url, clock=CLOCK)


def asked(gate: Guard) -> None:
    gate.admit("/items", Deadline.after(5, CLOCK))


def failed(gate: Guard, times: int) -> None:
    for _ in range(times):
        gate.failed("Copper did not answer in time.")


def test_the_list_says_what_is_open_since_when_why_and_when_it_is_tried_again(ops, gate):
    failed(gate, 5)

    page = ops.get(CIRCUITS).content.decode()

    assert page.count('<span class="badge bad">Open</span>') == 2  # of the app, of the connection
    assert "Copper did not answer in time." in page
    assert "Connection Nordlicht" in page
    assert "All connections by key" in page
    assert re.search(r">in [1-5]?\d s</time>", page)  # the next trial, in less than a minute
    assert ">Hold a provider's calls</a>" in page


def test_a_circuit_is_reset_and_calls_pass_at_once_which_is_audited_with_the_person(ops, gate):
    failed(gate, 5)
    with pytest.raises(CircuitOpenError):
        asked(gate)

    for circuit in Circuit.objects.all():
        ops.post(f"{CIRCUITS}{circuit.pk}/act/", {"action": "reset"})

    asked(gate)
    event = AuditEvent.objects.filter(action="circuit.closed").latest("seq")
    assert event.actor_label == "ops@example.com"


def test_a_circuit_held_by_a_person_stays_open_until_a_person_resets_it(ops, gate):
    failed(gate, 1)
    row = Circuit.objects.get(scope="connection")
    address = f"{CIRCUITS}{row.pk}/act/"

    question = ops.post(address, {"action": "trip"}).content.decode()
    asked(gate)
    ops.post(address, {"action": "trip", "confirmed": "yes"})

    assert "Hold these circuits open?" in question
    row.refresh_from_db()
    assert (row.state, row.is_tripped) == ("open", True)
    gate.close()
    with pytest.raises(CircuitOpenError):
        _later(gate)
    assert "when reset" in ops.get(CIRCUITS).content.decode()
    ops.post(address, {"action": "reset"})
    asked(gate)


def _later(gate: Guard) -> None:
    """Ask as a guard does that has just begun, and so believes nothing."""
    gate._known_at = float("-inf")
    asked(gate)


def test_a_whole_provider_is_held_before_anything_has_failed(ops, gate):
    asked(gate)

    answer = ops.post(f"{CIRCUITS}add/", {"provider": "copper", "reason": "Announced works"})

    assert answer.status_code == 302
    with pytest.raises(CircuitOpenError):
        _later(gate)
    page = ops.get(CIRCUITS).content.decode()
    assert "Held open" in page
    assert "Announced works (ops@example.com)" in page
    event = AuditEvent.objects.filter(action="circuit.opened").latest("seq")
    assert event.actor_label == "ops@example.com"


def test_the_budgets_say_how_much_is_used_and_who_waits(ops, acme, connection):
    make_budget(acme, connection)
    paused = timezone.now() + timedelta(minutes=10)
    make_budget(
        acme,
        connection,
        name="budget:account:salesforce:00D:100000/86400",
        scope="account",
        provider="salesforce",
        owner="salesforce:00D",
        requests=100_000,
        per_seconds=86_400,
        document={"paused_until": paused.timestamp()},
    )

    page = ops.get(BUDGETS).content.decode()

    assert "37 of 150" in page
    assert "150 in 1 min" in page
    assert "100,000 in 1 d" in page
    assert '<td class="field-waits">Nordlicht</td>' in page
    assert "Paused" in page


def test_a_destination_that_waits_is_named_too(ops, acme, connection):
    with in_tenant(acme):
        destination = make_destination()
    waiting = {f"{destination.pk}:a1": [0, timezone.now().timestamp() + 600]}
    make_budget(acme, connection, document={"waiting": waiting})

    page = ops.get(BUDGETS).content.decode()

    assert '<td class="field-waits">Base 1</td>' in page


def test_what_calls_spend_is_on_the_page(ops, gate, connection):
    with time_machine.travel(timezone.now(), tick=False):  # a tenant's window is only ten seconds
        asked(gate)

        scopes = set(RateBudget.objects.values_list("scope", flat=True))
        assert scopes == {"connection", "tenant"}
        assert all(budget.used >= 1 for budget in RateBudget.objects.all())
        assert ops.get(BUDGETS).status_code == 200
        gate.close()
        assert sum(budget.used for budget in RateBudget.objects.all()) == 2


def test_a_budget_is_paused_for_a_while_after_a_question_and_calls_wait(ops, gate, connection):
    asked(gate)
    row = RateBudget.objects.get(scope="connection")
    address = f"{BUDGETS}{row.pk}/act/"

    question = ops.post(address, {"action": "pause"}).content.decode()
    row.refresh_from_db()
    assert "Pause these budgets?" in question
    assert "<li>Copper · Connection Nordlicht</li>" in question
    assert row.paused_until is None

    ops.post(address, {"action": "pause", "option": "3600", "confirmed": "yes"})

    row.refresh_from_db()
    assert row.paused_until is not None
    gate.close()  # what it has leased it may still use, for a second
    with pytest.raises(BudgetSpentError) as refused:
        asked(gate)
    assert refused.value.retry_after == pytest.approx(3600, abs=120)
    event = AuditEvent.objects.get(action="budget.paused", target_id=str(row.pk))
    assert (event.actor_label, event.detail["provider"]) == ("ops@example.com", "copper")


def test_a_pause_a_provider_asked_for_is_ended_and_who_waited_goes_on(ops, acme, gate, connection):
    with in_tenant(acme):
        due = make_due(acme, connection, run_id=uuid7())
    asked(gate)
    gate.asked_to_wait("/items", 3_000)
    with pytest.raises(BudgetSpentError):
        asked(gate)
    Due.objects.filter(pk=due.pk).update(due_at=timezone.now() + timedelta(minutes=50))
    row = RateBudget.objects.get(scope="connection")
    address = f"{BUDGETS}{row.pk}/act/"
    assert "Ask again now" in ops.get(f"{BUDGETS}{row.pk}/change/").content.decode()

    ops.post(address, {"action": "ask_again", "confirmed": "yes"})

    asked(gate)
    due.refresh_from_db()
    assert due.due_at is not None
    assert due.due_at <= timezone.now()
    event = AuditEvent.objects.get(action="budget.resumed", target_id=str(row.pk))
    assert event.actor_label == "ops@example.com"
    assert not AuditEvent.objects.filter(action="budget.paused", target_id=str(row.pk)).exists()
    again = ops.post(address, {"action": "ask_again", "confirmed": "yes"}, follow=True)
    assert "is not paused." in again.content.decode()


def test_of_budgets_with_the_same_figures_only_the_one_that_was_chosen_is_paused(ops):
    limit = Limit(10, 60, path="/notes")
    notes = Subject("budget", "app", "one", "copper", limit=limit, pool="/notes")
    tasks = replace(notes, limit=replace(limit, path="/tasks"), pool="/tasks")
    gate = Guard(
        label="Copper",
        who="1:a",
        store=store_of_settings(),
        clock=CLOCK,
        circuits=[],
        budgets=[notes, tasks],
    )
    for path in ("/notes", "/tasks"):
        gate.admit(path, Deadline.after(5, CLOCK))
    row = RateBudget.objects.get(path="/notes")

    asked = {"action": "pause", "option": "900", "confirmed": "yes"}
    ops.post(f"{BUDGETS}{row.pk}/act/", asked)

    paused = {each.path for each in RateBudget.objects.all() if each.paused_until}
    assert paused == {"/notes"}
    assert RateBudget.objects.count() == 2
    gate.close()


def test_requests_at_one_time_cannot_be_paused(ops, acme, connection):
    name = f"slots:connection:copper:{connection.pk}:4"
    row = make_budget(acme, connection, name=name, kind="slots", concurrent=4, document={})

    assert ">Pause<" not in ops.get(f"{BUDGETS}{row.pk}/change/").content.decode()
    asked = {"action": "pause", "option": "900", "confirmed": "yes"}
    answer = ops.post(f"{BUDGETS}{row.pk}/act/", asked, follow=True).content.decode()
    assert "counts requests at one time; it cannot be paused." in answer


def test_who_may_only_look_sees_both_pages_and_no_button(acme, connection):
    row = make_circuit(acme, connection)
    budget = make_budget(acme, connection)
    person = UserFactory(is_staff=True, email="looker@example.com")
    wanted = ("view_circuit", "view_ratebudget")
    person.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    looker: Client = signed_in(person)

    assert looker.get(CIRCUITS).status_code == 200
    assert looker.get(BUDGETS).status_code == 200
    assert looker.post(f"{CIRCUITS}{row.pk}/act/", {"action": "reset"}).status_code == 403
    assert looker.post(f"{BUDGETS}{budget.pk}/act/", {"action": "pause"}).status_code == 403
    assert looker.get(f"{CIRCUITS}add/").status_code == 403
    assert looker.post(f"{CIRCUITS}add/", {"provider": "copper"}).status_code == 403


def test_what_nobody_has_used_for_days_is_forgotten_but_what_is_held_stays(acme, connection):
    old = timezone.now() - timedelta(days=4)
    make_circuit(acme, connection)
    make_budget(acme, connection)
    held = make_circuit(acme, connection, name="circuit:app:slack:", is_tripped=True)
    used = make_budget(acme, connection, name="budget:tenant::1")
    Circuit.objects.update(updated_at=old)
    RateBudget.objects.exclude(pk=used.pk).update(updated_at=old)

    forget_unused()

    assert list(Circuit.objects.all()) == [held]
    assert list(RateBudget.objects.all()) == [used]
