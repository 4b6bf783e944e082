"""How long a call waits, how often it is tried, and when the wait is the engine's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import orjson
import pytest

from integrations.errors import (
    ProviderUnavailableError,
    RateLimitError,
    RetryableError,
)
from integrations.http.answer import WireAnswer
from integrations.http.client import ProviderClient
from integrations.resilience.deadline import Deadline
from integrations.types import AuthContext, Limit
from tests.http.called import ACME, OK, FastClock, called
from tests.http.servers import Script, answer


@pytest.mark.parametrize(
    "broken",
    [
        answer(b"", 503),
        answer(b"{}", 500),
        answer(b"<html>maintenance</html>", content_type="text/html"),
        answer(b"<html>maintenance</html>"),
        answer(b""),
        answer(b'{"items": [1'),
        answer(b"Internal error"),
        lambda connection, request: connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["
        ),
        lambda connection, request: None,
    ],
    ids=["503", "500", "html", "html as json", "empty", "cut", "text", "short", "closed"],
)
def test_no_usable_answer_is_asked_for_again_and_never_taken_for_data(
    broken: Script | bytes,
) -> None:
    """F15, F18."""
    with called(broken, broken, OK) as made:
        assert made.client.get("/items").body == {"items": [1]}

    assert made.client.calls == 3
    assert made.clock.slept == [0.25, 0.5]


class Watched:
    """A way out that notes how long each call may take."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def open(self) -> Watched:
        return self

    def overridden(self, url: str) -> str:
        return url

    def send(self, method: str, url: str, *, deadline: Deadline, **more: object) -> WireAnswer:
        self.seconds.append(deadline.remaining)
        return WireAnswer(200, {}, b"{}")

    def close(self) -> None: ...


@pytest.mark.parametrize(("left", "has"), [(1000, 30), (12, 12)])
def test_a_call_has_thirty_seconds_and_no_more_than_is_left_of_its_slice(
    left: float, has: float
) -> None:
    """F19."""
    clock, egress = FastClock(), Watched()
    client = ProviderClient(
        ACME,
        AuthContext({}, "https://api.acme.example/v2"),
        egress=egress,  # type: ignore[arg-type]
        deadline=Deadline.after(left, clock),
        clock=clock,
    )

    client.get("/items")

    assert egress.seconds == [has]


def test_a_call_that_took_long_is_not_made_again_in_the_same_slice() -> None:
    """Whoever hangs would hold a worker for all of it."""
    with called(OK, OK) as made, pytest.raises(ProviderUnavailableError):
        made.server.scripts[0] = lambda connection, request: made.clock.sleep(6)
        made.client.get("/items")

    assert made.client.calls == 1


def test_after_three_tries_it_is_unavailable() -> None:
    with (
        called(answer(b"<html>", 200)) as made,
        pytest.raises(ProviderUnavailableError, match="web page instead of JSON"),
    ):
        made.client.get("/items")

    assert made.client.calls == 3


def test_a_short_wait_is_slept_here() -> None:
    limited = answer(b"{}", 429, "Retry-After: 4")

    with called(limited, OK) as made:
        made.client.get("/items")

    assert made.clock.slept == [4]


@pytest.mark.parametrize("header", ["6", "3600", "Thu, 01 Jan 2099 00:00:00 GMT"])
def test_a_long_wait_ends_the_slice_and_asks_nothing_early(header: str) -> None:
    """F16."""
    with (
        called(answer(b"{}", 429, f"Retry-After: {header}")) as made,
        pytest.raises(RateLimitError) as raised,
    ):
        made.client.get("/items")

    assert raised.value.retry_after == min(3600, int(header) if header.isdecimal() else 3600)
    assert (made.client.calls, made.clock.slept) == (1, [])


@pytest.mark.parametrize("headers", [[], ["Retry-After: soon"], ["Retry-After: -1"]])
def test_a_limit_that_says_nothing_usable_backs_off_and_then_waits_its_window(
    headers: list[str],
) -> None:
    with called(answer(b"{}", 429, *headers)) as made, pytest.raises(RateLimitError) as raised:
        made.client.get("/items")

    assert made.clock.slept == [0.25, 0.5]
    assert raised.value.retry_after == 60


@pytest.mark.parametrize(("headers", "seconds"), [([], 30), (["Retry-After: 45"], 45)])
def test_a_lockout_is_waited_for_unless_the_provider_says_how_long(
    headers: list[str], seconds: float
) -> None:
    strict = replace(ACME, limits=(Limit(5, 1, lockout=30), Limit(100, 60)))
    with called(answer(b"{}", 429, *headers)) as made:
        made.client.provider = strict

        with pytest.raises(RateLimitError) as raised:
            made.client.get("/items")

    assert raised.value.retry_after == seconds
    assert (made.client.calls, made.clock.slept) == (1, [])


def test_of_two_retry_after_headers_the_longer_counts() -> None:
    limited = answer(b"{}", 429, "Retry-After: 2", "Retry-After: 3")

    with called(limited, OK) as made:
        made.client.get("/items")

    assert made.clock.slept == [3]


def test_a_declared_busy_under_429_is_a_rate_limit() -> None:
    busy = orjson.dumps({"Fault": {"Error": {"code": "busy"}}})

    with (
        called(answer(busy, 429, "Retry-After: 30")) as made,
        pytest.raises(RateLimitError) as raised,
    ):
        made.client.get("/items")

    assert raised.value.retry_after == 30


def test_a_wait_beyond_the_slice_is_not_begun() -> None:
    with (
        called(answer(b"{}", 429, "Retry-After: 4"), OK, seconds=3) as made,
        pytest.raises(RateLimitError),
    ):
        made.client.get("/items")

    assert made.clock.slept == []


def test_no_call_begins_when_the_slice_is_over() -> None:
    with called(OK) as made:
        made.client.deadline = Deadline(made.clock, made.clock.monotonic())
        with pytest.raises(RetryableError):
            made.client.get("/items")

    assert made.server.requests == []


def test_calls_and_bytes_are_counted_tries_included() -> None:
    with called(answer(b"{}", 500), OK) as made:
        made.client.get("/items")

    assert (made.client.calls, made.client.bytes_received) == (2, 2 + len(b'{"items": [1]}'))


def test_dates_in_retry_after_are_told_by_our_clock_if_the_answer_has_no_date() -> None:
    at = (FastClock().now() + timedelta(seconds=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    with called(answer(b"{}", 503, f"Retry-After: {at}"), OK) as made:
        made.client.get("/items")

    assert made.clock.slept == [3]


@pytest.mark.parametrize("ahead", [-3600, -600, 600, 3600])
def test_dates_in_retry_after_are_told_by_the_provider_s_clock(ahead: int) -> None:
    """F33: whichever of the two clocks is wrong, the wait is the same."""
    theirs = FastClock().now() + timedelta(seconds=ahead)
    date, until = (format_datetime(theirs + timedelta(seconds=s), usegmt=True) for s in (0, 3))

    with called(answer(b"{}", 503, f"Date: {date}", f"Retry-After: {until}"), OK) as made:
        made.client.get("/items")

    assert made.clock.slept == [3]
