"""A raw HTTP server on loopback whose every byte the test decides."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Script = Callable[[socket.socket, bytes], None]
"""Gets the connection and the request's head; writes whatever it wants."""


class RawServer:
    """Answers each request with the next script, the last one again and again."""

    def __init__(self, *scripts: Script | bytes) -> None:
        self.scripts = list(scripts)
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._over = threading.Event()

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.close()

    def sleep(self, seconds: float) -> bool:
        """False as soon as the test is over, so that no thread outlives it."""
        return not self._over.wait(seconds)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while request := _read_request(connection):
                number = min(len(self.requests), len(self.scripts) - 1)
                self.requests.append(request)
                script = self.scripts[number]
                if isinstance(script, bytes):
                    connection.sendall(script)
                else:
                    script(connection, request)
                    return


def answer(
    body: bytes, status: int = 200, *headers: str, content_type: str = "application/json"
) -> bytes:
    """A whole answer with its length."""
    lines = [
        f"HTTP/1.1 {status} Said",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving(*scripts: Script | bytes) -> Iterator[RawServer]:
    with RawServer(*scripts) as server:
        yield server
