"""What may stand at DATABASE_URL: a pooler in transaction mode, and a server of any version.

Both speak PostgreSQL's wire format (version 3) on a port of 127.0.0.1. The pooler reaches a server
that asks for no password, as the embedded one.
"""

import re
import socket
import struct
import threading
from contextlib import suppress
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

STARTUP, NO_ENCRYPTION = 196608, (80877103, 80877104)
READY = b"Z\x00\x00\x00\x05I"
AUTHENTICATED = b"R\x00\x00\x00\x08\x00\x00\x00\x00"


class Listener:
    """A port that hands each client to `serve` in a thread of its own."""

    def __enter__(self) -> Any:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve_one, args=(client,), daemon=True).start()

    def _serve_one(self, client: socket.socket) -> None:
        with client, suppress(ConnectionError):
            while _startup(client) in NO_ENCRYPTION:
                client.sendall(b"N")
            self.serve(client)

    def serve(self, client: socket.socket) -> None:
        raise NotImplementedError


class OldServer(Listener):
    """Lets everybody in and says how old it is."""

    def __init__(self, version: str) -> None:
        self.version = version

    def url(self) -> str:
        return f"postgresql://hub@127.0.0.1:{self.port}/hub"

    def serve(self, client: socket.socket) -> None:
        client.sendall(AUTHENTICATED + _parameter("server_version", self.version) + READY)
        while client.recv(1000):
            pass


class Pooler(Listener):
    """Gives one server connection to all its clients, a transaction at a time."""

    def __init__(self, url: str, *, carries_search_path: bool) -> None:
        self.target = conninfo_to_dict(url)
        self.carries = carries_search_path
        self._turn = threading.Lock()
        host, port = self.target["host"], int(self.target.get("port") or 5432)
        if host.startswith("/"):
            self._server = socket.socket(socket.AF_UNIX)
            self._server.connect(f"{host}/.s.PGSQL.{port}")
        else:
            self._server = socket.create_connection((host, port))
        words = f"user\0{self.target['user']}\0database\0{self.target['dbname']}\0\0".encode()
        self._server.sendall(struct.pack("!ii", 8 + len(words), STARTUP) + words)
        answer = self._answer()
        self._parameters = b"".join(one for one in _split(answer) if one[:1] == b"S")
        self._first_path = self._ask("SHOW search_path")

    def url(self) -> str:
        return make_conninfo(**{**self.target, "host": "127.0.0.1", "port": self.port})

    def serve(self, client: socket.socket) -> None:
        client.sendall(AUTHENTICATED + self._parameters + READY)
        search_path, has_turn, waiting = self._first_path, False, b""
        try:
            while True:
                message = _message(client)
                if message[:1] == b"X":
                    return
                waiting += message
                if message[:1] not in b"QS":
                    continue
                if not has_turn:
                    has_turn = self._turn.acquire()
                    if self.carries:
                        self._ask(f"SELECT set_config('search_path', '{search_path}', false)")
                self._server.sendall(waiting)
                waiting, answer = b"", self._answer()
                if answer.endswith(b"I"):
                    if self.carries:
                        search_path = self._ask("SHOW search_path")
                    has_turn = self._turn.release() or False
                client.sendall(answer)
        finally:
            if has_turn:
                self._turn.release()

    def _ask(self, statement: str) -> str:
        """The first value of the first row."""
        text = statement.encode() + b"\0"
        self._server.sendall(b"Q" + struct.pack("!i", 4 + len(text)) + text)
        row = next(one for one in _split(self._answer()) if one[:1] == b"D")
        return re.sub(r"'", "''", row[11:].decode())

    def _answer(self) -> bytes:
        """All that the server sends until it is ready again."""
        answer = b""
        while True:
            message = _message(self._server)
            answer += message
            if message[:1] == b"Z":
                return answer


def _startup(client: socket.socket) -> int:
    """The code of the first packet, which is read to its end."""
    length, code = struct.unpack("!ii", _exactly(client, 8))
    _exactly(client, length - 8)
    return int(code)


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(source: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        part = source.recv(count - len(found))
        if not part:
            raise ConnectionResetError
        found += part
    return found


def _split(answer: bytes) -> list[bytes]:
    messages = []
    while answer:
        end = 1 + struct.unpack("!i", answer[1:5])[0]
        messages.append(answer[:end])
        answer = answer[end:]
    return messages


def _parameter(name: str, value: str) -> bytes:
    text = f"{name}\0{value}\0".encode()
    return b"S" + struct.pack("!i", 4 + len(text)) + text
