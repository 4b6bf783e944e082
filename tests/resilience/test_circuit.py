"""The states of a circuit breaker and the ways between them, row by row."""

from __future__ import annotations

import pytest

from integrations.resilience.circuit import (
    FAILURES_TO_OPEN,
    OPEN_SECONDS,
    TRIAL_SECONDS,
    Circuit,
)

NOW = 1_000.0
CLOSED = Circuit()
FOUR_FAILED = Circuit(failures=4, since=NOW)
OPEN = Circuit("open", 5, NOW, retry_at=NOW + 60, reason="down")
TRIAL = Circuit("half_open", 5, NOW, retry_at=NOW + TRIAL_SECONDS, trial_by="a", reason="down")
TRIPPED = Circuit("open", 0, NOW, retry_at=NOW + 60, reason="maintenance", is_tripped=True)

TRANSITIONS = [
    # before, what happens, how many seconds later, to whom → state, failures
    (CLOSED, "failed", 0, "a", ("closed", 1)),
    (CLOSED, "answered", 0, "a", ("closed", 0)),
    (FOUR_FAILED, "failed", 0, "a", ("open", 5)),
    (FOUR_FAILED, "answered", 0, "a", ("closed", 0)),
    (OPEN, "failed", 1, "a", ("open", 5)),  # it began before the circuit opened
    (OPEN, "answered", 1, "a", ("open", 5)),
    (TRIAL, "answered", 1, "a", ("closed", 0)),
    (TRIAL, "failed", 1, "a", ("open", 6)),
    (TRIAL, "gave_up", 1, "a", ("open", 5)),
    (TRIAL, "answered", 1, "b", ("half_open", 5)),  # only the trial decides
    (TRIAL, "failed", 1, "b", ("half_open", 5)),
    (TRIAL, "gave_up", 1, "b", ("half_open", 5)),
    (CLOSED, "gave_up", 0, "a", ("closed", 0)),
    (CLOSED, "tripped", 0, "a", ("open", 0)),
    (TRIPPED, "answered", 999, "a", ("open", 0)),
    (TRIPPED, "reset", 1, "a", ("closed", 0)),
    (OPEN, "reset", 1, "a", ("closed", 0)),
]


def test_a_circuit_that_opened_before_the_clock_was_set_back_is_tried_at_once() -> None:
    trial, wait = OPEN.asked(NOW - 3_600, "a")

    assert (trial.state, trial.trial_by, wait) == ("half_open", "a", 0)
    assert OPEN.asked(NOW + 1, "a") == (OPEN, 59)


@pytest.mark.parametrize(("before", "event", "later", "by", "expected"), TRANSITIONS)
def test_every_event_leads_where_it_should(
    before: Circuit, event: str, later: float, by: str, expected: tuple[str, int]
) -> None:
    now = NOW + later
    steps = {
        "failed": lambda: before.failed(now, by, "down"),
        "answered": lambda: before.answered(now, by),
        "gave_up": lambda: before.gave_up(now, by),
        "tripped": lambda: before.tripped(now, "maintenance"),
        "reset": lambda: before.reset(now),
    }

    after = steps[event]()

    assert (after.state, after.failures) == expected


ASKED = [
    # circuit, how many seconds later, who asks → must wait, is then on trial
    (CLOSED, 0, "a", 0, ""),
    (FOUR_FAILED, 0, "a", 0, ""),
    (OPEN, 0, "a", OPEN_SECONDS, ""),
    (OPEN, 59, "a", 1, ""),
    (OPEN, 60, "b", 0, "b"),
    (TRIAL, 5, "a", 0, "a"),
    (TRIAL, 5, "b", TRIAL_SECONDS - 5, "a"),
    (TRIAL, TRIAL_SECONDS, "b", 0, "b"),  # whoever tried has died
    (TRIPPED, 3_600, "b", OPEN_SECONDS, ""),
]


@pytest.mark.parametrize(("circuit", "later", "by", "wait", "trial_by"), ASKED)
def test_a_call_passes_waits_or_becomes_the_one_trial(
    circuit: Circuit, later: float, by: str, wait: float, trial_by: str
) -> None:
    after, seconds = circuit.asked(NOW + later, by)

    assert seconds == wait
    assert after.trial_by == trial_by


def test_five_failures_in_a_row_open_it_for_a_minute() -> None:
    circuit = CLOSED
    for number in range(FAILURES_TO_OPEN):
        assert circuit.state == "closed", number
        circuit = circuit.failed(NOW + number, "a", "Acme did not answer in time.")

    assert circuit.state == "open"
    assert circuit.retry_at == NOW + 4 + OPEN_SECONDS
    assert circuit.reason == "Acme did not answer in time."


def test_an_answer_in_between_begins_the_count_anew() -> None:
    circuit = FOUR_FAILED.answered(NOW, "a")
    for _ in range(FAILURES_TO_OPEN - 1):
        circuit = circuit.failed(NOW, "a", "down")

    assert circuit.state == "closed"


def test_a_circuit_is_the_same_after_it_was_kept() -> None:
    for circuit in (CLOSED, FOUR_FAILED, OPEN, TRIAL, TRIPPED):
        assert Circuit.of_document(circuit.as_document()) == circuit
    assert Circuit.of_document(None) == CLOSED
    assert Circuit.of_document({"state": "open", "of_a_later_version": 1}).state == "open"
