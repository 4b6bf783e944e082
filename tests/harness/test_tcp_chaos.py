"""The proxy does what it says, or faults shown with it would show nothing."""

import socket
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from tests.harness.tcp_chaos import TcpChaos, Trouble

ANSWER = b"0123456789" * 10
SECONDS = 120  # for what comes in the end, on a busy machine
SILENT_SECONDS = 0.3  # for what never comes


@pytest.fixture
def chaos() -> Iterator[TcpChaos]:
    """In front of a server that answers every line with a hundred bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        with TcpChaos(server.getsockname()[1]) as chaos:
            yield chaos


def serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    with connection:
        while connection.recv(100):
            connection.sendall(ANSWER)


def asked(chaos: TcpChaos, said: bytes = b"hello\n", seconds: float = SECONDS) -> bytes:
    """What comes back until the end, the time is over, or it breaks off ("reset")."""
    found = b""
    with socket.create_connection(("127.0.0.1", chaos.port), timeout=seconds) as connection:
        connection.sendall(said)
        try:
            while len(found) < len(ANSWER):
                piece = connection.recv(1000)
                if not piece:
                    return found + b"|closed"
                found += piece
        except TimeoutError:
            return found + b"|silent"
        except ConnectionResetError:
            return found + b"|reset"
    return found


@pytest.mark.parametrize(
    ("trouble", "found"),
    [
        (Trouble(), ANSWER),
        (Trouble(cut_after=30), ANSWER[:30] + b"|closed"),
        (Trouble(cut_at=(b"COMMIT",)), ANSWER),
    ],
)
def test_trouble_does_what_its_name_says(chaos: TcpChaos, trouble: Trouble, found: bytes) -> None:
    chaos.set(trouble)

    assert asked(chaos) == found


@pytest.mark.parametrize("trouble", [Trouble(black_hole=True), Trouble(half_open=True)], ids=str)
def test_what_swallows_everything_is_silent(chaos: TcpChaos, trouble: Trouble) -> None:
    chaos.set(trouble)

    assert asked(chaos, seconds=SILENT_SECONDS) == b"|silent"


def test_a_reset_is_seen_as_one(chaos: TcpChaos) -> None:
    chaos.set(Trouble(reset_after=30))

    assert asked(chaos).endswith(b"|reset")


def test_an_answer_to_what_was_named_never_comes(chaos: TcpChaos) -> None:
    chaos.set(Trouble(cut_at=(b"COMMIT",)))

    assert asked(chaos, b"COMMIT\n") == b"|reset"
    assert chaos.cuts == 1


@pytest.mark.parametrize(
    "trouble", [Trouble(delay=0.2), Trouble(rate=500), Trouble(drip=0.002)], ids=str
)
def test_what_is_slow_arrives_whole(chaos: TcpChaos, trouble: Trouble) -> None:
    chaos.set(trouble)
    begun = monotonic()

    assert asked(chaos) == ANSWER
    assert monotonic() - begun >= 0.19


def test_once_healed_all_is_well(chaos: TcpChaos) -> None:
    chaos.set(Trouble(black_hole=True))
    chaos.set()

    assert asked(chaos) == ANSWER
