"""R8, M18, T24–T26, F19: what leaves the hub, and for how long it waits for an answer."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import traceback
import zlib
from pathlib import Path

import pytest

from integrations.errors import (
    AnswerTooLargeError,
    EgressRefusedError,
    FatalError,
    ProviderUnavailableError,
    TlsFailedError,
)
from integrations.http.egress import Egress
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from tests.http.servers import answer, serving

CLOCK = SystemClock()
LOOPBACK = Egress(allow=("127.0.0.1",))


def soon(seconds: float = 60) -> Deadline:
    return Deadline.after(seconds, CLOCK)


def test_an_answer_comes_back_whole_with_names_in_lower_case() -> None:
    with serving(answer(b"[1]", 404, "X-PW-Total: 7")) as server, LOOPBACK.open() as session:
        got = session.send("GET", f"{server.origin}/x", deadline=soon())

    assert (got.status, got.body, got.headers["x-pw-total"]) == (404, b"[1]", "7")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://①②⑦.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "https://0.0.0.0/",
        "https://localhost/",
        "http://example.com/",
        "https://example.com:8443/",
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "https:///x",
        "//example.com/",
        "https://[::1",
        "https://example.com:99999/",
        "",
    ],
)
def test_nothing_inside_is_called(url: str) -> None:
    with Egress().open() as session, pytest.raises(EgressRefusedError):
        session.send("GET", url, deadline=soon())


def test_a_name_that_resolves_inside_is_not_connected_to() -> None:
    """The name passes the check of its spelling; the address it leads to does not."""
    with serving(answer(b"[]")) as server, Egress(allow=("localhost.example",)).open() as session:
        port = server.origin.rpartition(":")[2]
        with pytest.raises(EgressRefusedError):
            session.send("GET", f"https://localhost:{port}/", deadline=soon())
        with pytest.raises(EgressRefusedError):
            session.send("GET", "https://localhost/", deadline=soon())

        assert server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_never_followed(status: int) -> None:
    with serving(answer(b"[]")) as other:
        moved = answer(b"", status, f"Location: {other.origin}/elsewhere")
        with serving(moved) as server, LOOPBACK.open() as session:
            got = session.send(
                "GET", server.origin, headers={"X-Api-Key": "hubcanary"}, deadline=soon()
            )

        assert got.status == status
        assert other.connections == 0


def test_the_shells_proxies_and_netrc_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answer(b"[]")) as proxy, serving(answer(b"[]")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.origin)
        with LOOPBACK.open() as session:
            session.send(
                "GET", server.origin, headers={"Authorization": "Bearer mine"}, deadline=soon()
            )

    assert proxy.connections == 0
    assert b"Authorization: Bearer mine" in server.requests[0]
    assert b"Basic" not in server.requests[0]


def test_the_companys_proxy_gets_the_call_but_never_one_for_the_inside() -> None:
    with serving(answer(b"[]")) as proxy:
        egress = Egress(proxy=proxy.origin, allow=("crm.corp.example",))
        with egress.open() as session:
            got = session.send("GET", "http://crm.corp.example/x", deadline=soon())
            for inside in ("https://127.0.0.1/", "https://127.1/", "https://db.internal/"):
                with pytest.raises(EgressRefusedError):
                    session.send("GET", inside, deadline=soon())

    assert got.body == b"[]"
    assert len(proxy.requests) == 1
    assert proxy.requests[0].startswith(b"GET http://crm.corp.example/x ")


def test_cookies_are_not_kept() -> None:
    with (
        serving(answer(b"[]", 200, "Set-Cookie: session=abc; Path=/")) as server,
        LOOPBACK.open() as session,
    ):
        session.send("GET", server.origin, deadline=soon())
        session.send("GET", server.origin, deadline=soon())

    assert b"cookie" not in server.requests[1].lower()


def test_one_connection_serves_several_calls() -> None:
    with serving(answer(b"[]")) as server, LOOPBACK.open() as session:
        for _ in range(3):
            session.send("GET", server.origin, deadline=soon())

        assert (server.connections, len(server.requests)) == (1, 3)


LONG_BEFORE_THE_END = 30  # seconds, of the forty or more that the scripts below take


def drip_body(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for _ in range(400):
        connection.sendall(b" ")
        time.sleep(0.1)


def drip_head(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for number in range(100):  # as many as one reads
        connection.sendall(b"X-%d: y\r\n" % number)
        time.sleep(0.4)


def drip_without_length(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[]")
    for _ in range(400):
        connection.sendall(b" ")
        time.sleep(0.1)


def say_nothing(connection: socket.socket, request: bytes) -> None:
    connection.recv(1)


@pytest.mark.parametrize("script", [drip_body, drip_head, drip_without_length, say_nothing])
def test_a_call_is_over_at_its_deadline_however_slowly_bytes_come(script: object) -> None:
    """M18: the socket's own time-out would start anew with every byte."""
    with serving(script) as server, LOOPBACK.open() as session:  # type: ignore[arg-type]
        began = time.monotonic()
        with pytest.raises(ProviderUnavailableError, match=r"in time|no time left"):
            session.send("GET", server.origin, deadline=soon(0.5))

    assert time.monotonic() - began < LONG_BEFORE_THE_END


def test_the_next_call_is_not_hurt_by_one_that_ran_out_of_time() -> None:
    def by_path(connection: socket.socket, request: bytes) -> None:
        """The first call may be over before the server has seen it."""
        if b"/slow" in request:
            drip_body(connection, request)
        connection.sendall(answer(b"[2]"))

    with serving(by_path) as server, LOOPBACK.open() as session:
        with pytest.raises(ProviderUnavailableError):
            session.send("GET", f"{server.origin}/slow", deadline=soon(0.3))

        assert session.send("GET", server.origin, deadline=soon()).body == b"[2]"


def test_no_call_starts_after_the_deadline() -> None:
    with serving(answer(b"[]")) as server, LOOPBACK.open() as session:
        with pytest.raises(ProviderUnavailableError):
            session.send("GET", server.origin, deadline=soon(0))

        assert server.connections == 0


BODY = b'{"items": [{"id": 1}], "note": "abcdefghijklmnopqrstuvwxyz"}'


@pytest.mark.parametrize("cut", range(0, len(BODY), 3))
def test_a_body_shorter_than_its_length_is_no_answer(cut: int) -> None:
    """F15."""
    whole = answer(BODY)

    def send_some(connection: socket.socket, request: bytes) -> None:
        connection.sendall(whole[: len(whole) - len(BODY) + cut])

    with (
        serving(send_some) as server,
        LOOPBACK.open() as session,
        pytest.raises(ProviderUnavailableError),
    ):
        session.send("GET", server.origin, deadline=soon())


def test_chunks_that_break_off_are_no_answer() -> None:
    def send_some(connection: socket.socket, request: bytes) -> None:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n9\r\n3,4"
        )

    with (
        serving(send_some) as server,
        LOOPBACK.open() as session,
        pytest.raises(ProviderUnavailableError),
    ):
        session.send("GET", server.origin, deadline=soon())


def test_a_reset_and_nobody_listening_are_no_answer() -> None:
    def reset(connection: socket.socket, request: bytes) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(reset) as server, LOOPBACK.open() as session:
        with pytest.raises(ProviderUnavailableError, match="broke off"):
            session.send("GET", server.origin, deadline=soon())
        with pytest.raises(ProviderUnavailableError):
            session.send("GET", "http://127.0.0.1:1/", deadline=soon())


def test_what_went_wrong_is_said_without_the_address() -> None:
    """T19: the libraries' own texts hold path and query."""
    with LOOPBACK.open() as session, pytest.raises(ProviderUnavailableError) as raised:
        session.send("GET", "http://127.0.0.1:1/hubcanary?q=hubcanary", deadline=soon())

    printed = "".join(traceback.format_exception(raised.value))
    assert "ConnectionRefusedError" in str(raised.value)
    assert "hubcanary" not in printed.replace('"http://127.0.0.1:1/hubcanary?q=hubcanary"', "")


def test_a_bomb_in_any_wrapping_stops_at_the_cap() -> None:
    """T29."""
    flat = b"[" + b" " * (80 * 1024 * 1024) + b"]"
    for name, packed in (
        ("gzip", gzip.compress(flat, 1)),
        ("deflate", zlib.compress(flat, 1)),
        ("gzip, gzip", gzip.compress(gzip.compress(flat, 1))),
    ):
        with (
            serving(answer(packed, 200, f"Content-Encoding: {name}")) as server,
            LOOPBACK.open() as session,
            pytest.raises(AnswerTooLargeError),
        ):
            session.send("GET", server.origin, deadline=soon())


def test_an_answer_without_end_stops_at_the_cap() -> None:
    def pour(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n[")
        for _ in range(400):
            connection.sendall(b" " * 65536)

    with serving(pour) as server, LOOPBACK.open() as session, pytest.raises(AnswerTooLargeError):
        session.send("GET", server.origin, deadline=soon())


def test_plain_talk_where_tls_belongs_is_a_tls_failure() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(100)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    with LOOPBACK.open() as session, pytest.raises(TlsFailedError):
        session.send("GET", f"https://127.0.0.1:{port}/", deadline=soon())
    listener.close()


def test_a_header_that_cannot_be_sent_is_ours_to_fix_and_stays_secret() -> None:
    with (
        serving(answer(b"[]")) as server,
        LOOPBACK.open() as session,
        pytest.raises(FatalError) as raised,
    ):
        session.send("GET", server.origin, headers={"X-Key": "hubcanary\r\nX: y"}, deadline=soon())

    assert "hubcanary" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("asked", "called"),
    [
        ("https://api.acme.example", "http://127.0.0.1:5/acme"),
        ("https://api.acme.example/", "http://127.0.0.1:5/acme/"),
        ("https://api.acme.example/v1/x?y=1", "http://127.0.0.1:5/acme/v1/x?y=1"),
        ("https://api.acme.example?y=1", "http://127.0.0.1:5/acme?y=1"),
        ("https://api.acme.example/eu/x", "http://127.0.0.1:6/x"),
        ("https://api.acme.example.evil.example/", "https://api.acme.example.evil.example/"),
        ("https://api.acme.examples/", "https://api.acme.examples/"),
        ("http://api.acme.example/", "http://api.acme.example/"),
    ],
)
def test_an_overridden_address_takes_the_place_of_exactly_its_origin(
    asked: str, called: str
) -> None:
    egress = Egress(
        addresses={
            "https://api.acme.example": "http://127.0.0.1:5/acme",
            "https://api.acme.example/eu/": "http://127.0.0.1:6/",
        }
    )

    assert egress.overridden(asked) == called
