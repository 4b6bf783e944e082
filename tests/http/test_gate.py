"""What a call tells the breakers and budgets, and what they spare the provider."""

from __future__ import annotations

import socket
import struct
import threading
import time

import pytest

from integrations.errors import (
    CircuitOpenError,
    EgressRefusedError,
    HubError,
    ProviderUnavailableError,
    RateLimitError,
    RetryableError,
    TlsFailedError,
)
from integrations.resilience.circuit import Circuit
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import Guard
from integrations.resilience.store import MemoryStore, Subject
from integrations.types import Limit
from tests.http.called import OK, Called, called, fault
from tests.http.servers import Script, answer, serving
from tests.resilience.clocks import FakeClock

CIRCUIT = Subject("circuit", "connection", "one", "acme")


class Watched:
    """A gate in front of a client, and what it has kept."""

    def __init__(self, *limits: Limit) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.gate = Guard(
            label="Acme",
            who="one:p1",
            store=self.store,
            clock=self.clock,
            circuits=[CIRCUIT],
            budgets=[Subject("budget", each.per, "one", "acme", limit=each) for each in limits],
        )

    @property
    def circuit(self) -> Circuit:
        return Circuit.of_document(self.store.change([CIRCUIT], lambda kept, now: {})[CIRCUIT.name])


def reset(connection: socket.socket, request: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half(connection: socket.socket, request: bytes) -> None:
    connection.sendall(OK[:-4])


def silent(connection: socket.socket, request: bytes) -> None:
    time.sleep(1)


OUTCOMES = [
    pytest.param(answer(b"{}", 500), True, id="500"),
    pytest.param(answer(b"{}", 503, "Retry-After: 60"), True, id="503 with Retry-After"),
    pytest.param(fault("busy", 503), True, id="503 with a declared code"),
    pytest.param(answer(b""), True, id="empty 200"),
    pytest.param(answer(b"<html>"), True, id="web page"),
    pytest.param(answer(b'{"items": ['), True, id="half a document"),
    pytest.param(fault("never heard of"), True, id="unknown error in a 200"),
    pytest.param(reset, True, id="reset"),
    pytest.param(half, True, id="broken off"),
    pytest.param(answer(b"{}", 400), False, id="400"),
    pytest.param(answer(b"{}", 401), False, id="401"),
    pytest.param(answer(b"{}", 403), False, id="403"),
    pytest.param(answer(b"{}", 404), False, id="404"),
    pytest.param(answer(b"{}", 408), False, id="408"),
    pytest.param(answer(b"<html>", 425), False, id="425 as a web page"),
    pytest.param(answer(b"{}", 429, "Retry-After: 60"), False, id="429"),
    pytest.param(fault("busy"), False, id="declared busy in a 200"),
    pytest.param(fault("dead"), False, id="declared refusal in a 200"),
]


@pytest.mark.parametrize(("script", "counts"), OUTCOMES)
def test_only_a_provider_that_serves_nobody_counts_against_it(
    script: Script | bytes, counts: bool
) -> None:
    watched = Watched()
    with called(script, gate=watched.gate) as made, pytest.raises(HubError):
        made.client.get("/items")

    assert watched.circuit.failures == (made.client.calls if counts else 0)


def test_a_provider_that_does_not_answer_in_time_counts_against_it() -> None:
    watched = Watched()
    with (
        called(silent, seconds=0.3, gate=watched.gate) as made,
        pytest.raises(ProviderUnavailableError),
    ):
        made.client.get("/items")

    assert watched.circuit.failures == made.client.calls > 0


def test_a_connection_that_cannot_be_trusted_counts_against_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk_plainly() -> None:
        connection, _ = listener.accept()
        connection.recv(100)
        connection.sendall(OK)
        connection.close()

    threading.Thread(target=talk_plainly, daemon=True).start()
    watched = Watched()
    with serving(OK) as server:
        server.origin = f"https://127.0.0.1:{listener.getsockname()[1]}"
        made = Called(server, gate=watched.gate)
        with made.client, pytest.raises(TlsFailedError):
            made.client.get("/items")
    listener.close()

    assert watched.circuit.failures == made.client.calls == 1


def test_any_answer_in_between_begins_the_count_anew() -> None:
    down = answer(b"{}", 500)
    watched = Watched()
    with called(down, down, answer(b"{}", 404), down, OK, gate=watched.gate) as made:
        with pytest.raises(HubError):
            made.client.get("/items")
        made.client.get("/items")

    assert (watched.circuit.state, watched.circuit.failures) == ("closed", 0)


def test_our_own_refusals_count_neither_way() -> None:
    watched = Watched()
    with called(answer(b"{}", 500), OK, gate=watched.gate) as made:
        made.client.get("/items")  # the second try
        assert watched.circuit.failures == 0
        watched.gate.failed("down")
        with pytest.raises(EgressRefusedError):
            made.client.get("https://evil.example/items")
        made.client.deadline = Deadline(made.clock, made.clock.monotonic())
        with pytest.raises(RetryableError):
            made.client.get("/items")

    assert watched.circuit.failures == 1


def test_after_five_failures_the_provider_is_not_asked_for_a_minute_and_then_once() -> None:
    watched = Watched()
    with called(answer(b"{}", 500), gate=watched.gate) as made:
        with pytest.raises(ProviderUnavailableError):
            made.client.get("/items")
        with pytest.raises(CircuitOpenError) as raised:
            made.client.get("/items")
        for _ in range(20):
            with pytest.raises(CircuitOpenError):
                made.client.get("/items")
        assert made.client.calls == 5
        assert raised.value.retry_after == 60

        watched.clock.pass_by(60)
        with pytest.raises(CircuitOpenError):
            made.client.get("/items")
        assert made.client.calls == 6  # the trial failed, and was not repeated

        made.server.scripts = [OK]
        watched.clock.pass_by(60)
        assert made.client.get("/items").status == 200
        assert made.client.get("/items").status == 200

    assert watched.circuit.state == "closed"


def test_every_try_is_paid_for_and_a_spent_budget_is_not_tried_again() -> None:
    watched = Watched(Limit(4, 60))
    with called(answer(b"{}", 500), OK, gate=watched.gate) as made:
        made.client.get("/items")
        made.client.get("/items")
        made.client.get("/items")
        with pytest.raises(RateLimitError) as raised:
            made.client.get("/items")

    assert made.client.calls == 4
    assert made.clock.slept == [0.25]
    assert (raised.value.retry_after or 0) > 55


def test_a_pause_the_provider_asks_for_is_kept_by_the_budget() -> None:
    watched = Watched(Limit(100, 60))
    with called(answer(b"{}", 429, "Retry-After: 40"), OK, gate=watched.gate) as made:
        with pytest.raises(RateLimitError):
            made.client.get("/items")
        watched.clock.pass_by(30)
        with pytest.raises(RateLimitError) as raised:
            made.client.get("/items")
        assert (made.client.calls, raised.value.retry_after) == (1, 10)

        watched.clock.pass_by(8)
        made.client.get("/items")

    assert watched.clock.slept == [2]


@pytest.mark.parametrize(
    "asked",
    [
        "/items/search",
        "https://api.acme.example/v2/items/search?page=2",
        "{origin}/v2/items/search?page=3",
    ],
)
def test_limits_are_found_by_the_path_below_the_base_url_however_it_is_written(asked: str) -> None:
    watched = Watched(Limit(1, 60, path="/items/search"), Limit(100, 60))
    with called(OK, gate=watched.gate) as made:
        made.client.get(asked.format(origin=made.server.origin))
        with pytest.raises(RateLimitError):
            made.client.get("/items/search")
        made.client.get("/items")


def test_closing_gives_back_what_was_not_spent() -> None:
    limit = Limit(100, 60)
    watched = Watched(limit)
    with called(OK, gate=watched.gate) as made:
        for _ in range(7):
            made.client.get("/items")

    [document] = [kept for name, kept in watched.store._documents.items() if "budget" in name]
    assert sum(tokens for _, tokens in document["taken"]) == 7
