"""A provider that keeps a perfect memory and misbehaves on order.

Every account holds companies and people. Each change of a row takes the next number of the
account (`seq`), so the list of changes has one order and a position in it is a number: everything
at or below it has been sent. Rows carry their version and a hash over themselves, so that whatever
is stored can be told from what should be.

    GET  /{entity_type}?page=17         rows after number 17, ten to a page; without the deleted
    GET  /{entity_type}?since=17        the same as changes, deletions included
    GET  /now                           {"last": 17}
    POST /token                         refresh tokens that may be used once

`faults` are keyed by the number of a request, `weather` decides for every request.
"""

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

TYPES = ("companies", "people")
PAGE_ROWS = 5
ORIGIN = "https://api.acme-faulty.example"


@dataclass(slots=True)
class Row:
    """One entity as it is now."""

    id: str
    seq: int
    version: int = 1
    is_deleted: bool = False
    group: str = ""

    def body(self) -> dict[str, Any]:
        if self.is_deleted:
            return {"id": self.id, "deleted": True, "version": self.version}
        told = {"id": self.id, "name": f"{self.id} v{self.version}", "version": self.version}
        if self.group:
            told["company"] = self.group
        return {**told, "sha256": sha256_of(told)}


def sha256_of(told: dict[str, Any]) -> str:
    """The hash a row carries over everything else in it."""
    kept = {name: value for name, value in told.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one answer: another one, or this one late, cut short or not at all."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    delay: float = 0  # seconds
    cut: int | None = None  # bytes of the body that are sent
    reset: bool = False


@dataclass(slots=True)
class Grant:
    """Tokens of one account. A refresh token used twice ends it, but within `grace` seconds."""

    accepted: set[str] = field(default_factory=set)  # access tokens
    issued: dict[str, float | None] = field(default_factory=dict)  # refresh token → when used
    grace: float = 0
    left: int | None = None  # requests until every access token issued so far has expired
    calls: int = 0
    reuse: int = 0
    is_revoked: bool = False


@dataclass
class Account:
    """What one connection reads."""

    name: str
    tables: dict[str, dict[str, Row]] = field(default_factory=lambda: {one: {} for one in TYPES})
    last: int = 0
    floor: int = 0  # changes since before it are not known any more
    grant: Grant = field(default_factory=Grant)

    def add(self, entity_type: str, count: int = 1) -> None:
        table = self.tables[entity_type]
        for _ in range(count):
            self.last += 1
            id = f"{entity_type[0]}{len(table)}"
            group = f"c{len(table) % 3}" if entity_type == "people" else ""
            table[id] = Row(id, self.last, group=group)

    def change(self, rng: Random, count: int = 1) -> None:
        """Insert, change or delete so many rows."""
        for _ in range(count):
            entity_type = rng.choice(TYPES)
            rows = list(self.tables[entity_type].values())
            what = rng.choice(("add", "change", "change", "delete"))
            if what == "add" or not rows:
                self.add(entity_type)
                continue
            self.touch(rng.choice(rows), is_deleted=what == "delete")

    def touch(self, row: Row, *, is_deleted: bool = False) -> None:
        """A new version of the row; one that was deleted may come back."""
        self.last += 1
        row.seq, row.version, row.is_deleted = self.last, row.version + 1, is_deleted

    def consent(self) -> tuple[str, str]:
        """A new access token and a new refresh token; "<name>-a0" and "<name>-r0" come first."""
        number = len(self.grant.issued)
        access, refresh = f"{self.name}-a{number}", f"{self.name}-r{number}"
        self.grant.accepted.add(access)
        self.grant.issued[refresh] = None
        return access, refresh

    def present(self, entity_type: str) -> dict[str, Row]:
        return {id: row for id, row in self.tables[entity_type].items() if not row.is_deleted}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it was answered; the list of them is only ever added to."""

    number: int
    at: float
    account: str
    path: str
    status: int
    bytes: int


class Simulator:
    """The provider on a loopback port, in threads of this process."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.asked: list[Asked] = []
        self.faults: dict[int, Fault] = {}
        self.token_faults: list[Fault] = []
        self.weather: Callable[[int, str], Fault | None] = lambda number, path: None
        self.between: Callable[[Account, int], None] = lambda account, number: None
        self.lock = threading.RLock()
        self._received = 0
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.simulator = self
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Simulator":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def account(self, name: str, *, companies: int = 12, people: int = 8) -> Account:
        """A new account with so many rows."""
        account = Account(name)
        account.consent()
        account.add("companies", companies)
        account.add("people", people)
        with self.lock:
            self.accounts[name] = account
        return account

    @property
    def next_number(self) -> int:
        """The number the next request will have."""
        return self._received + 1

    def forget(self) -> None:
        """No account, no fault, no request."""
        with self.lock:
            self.heal()
            self.accounts.clear()
            self.asked.clear()
            self._received = 0

    def heal(self) -> None:
        """No fault is left, ordered or by the weather."""
        with self.lock:
            self.faults.clear()
            self.token_faults.clear()
            self.weather = lambda number, path: None
            self.between = lambda account, number: None

    def answer(self, method: str, target: str, bearer: str, body: bytes) -> tuple[bytes, Fault]:
        """The answer's body and what happens to it on its way."""
        parts = urlsplit(target)
        with self.lock:
            if parts.path == "/token":
                fault = self.token_faults.pop(0) if self.token_faults else Fault()
                if fault.status:
                    return self._listed(0, "", parts.path, fault.body or b"", fault)
                status, told = self._token(dict(parse_qsl(body.decode())))
                fault = Fault(
                    status, body=None, delay=fault.delay, cut=fault.cut, reset=fault.reset
                )
                return self._listed(0, "", parts.path, json.dumps(told).encode(), fault)
            self._received += 1
            number = self._received
            ordered = self.faults.pop(number) if number in self.faults else None
            fault = ordered or self.weather(number, parts.path) or Fault()
            account = self._of(bearer)
            if account is None:
                refused = b'{"error": "token_expired"}'
                return self._listed(number, "", target, refused, Fault(401))
            if fault.status or fault.body is not None:
                return self._listed(number, account.name, target, fault.body or b"", fault)
            self.between(account, number)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if int(query.get("since", account.floor)) < account.floor:
                gone = b'{"error": "cursor_gone"}'
                return self._listed(number, account.name, target, gone, Fault(410))
            page = json.dumps(_page(account, parts.path.strip("/"), query)).encode()
            return self._listed(number, account.name, target, page, fault)

    def _of(self, bearer: str) -> Account | None:
        account = self.accounts.get(bearer.rpartition("-")[0])
        if account is None or account.grant.is_revoked:
            return None
        grant = account.grant
        if grant.left is not None:
            grant.left -= 1
            if grant.left < 0:
                grant.accepted.clear()
                grant.left = None
        return account if bearer in grant.accepted else None

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        token = form.get("refresh_token", "")
        account = self.accounts.get(token.rpartition("-")[0])
        if account is None or token not in account.grant.issued:
            return 400, {"error": "invalid_grant"}
        grant, now = account.grant, time.monotonic()
        grant.calls += 1
        used_at = grant.issued[token]
        if used_at is None:
            grant.issued[token] = now
        elif now - used_at > grant.grace:
            grant.reuse += 1
            grant.is_revoked = True
        if grant.is_revoked:
            return 400, {"error": "invalid_grant"}
        access, refresh = account.consent()
        told = {"access_token": access, "refresh_token": refresh, "expires_in": 3600}
        return 200, told

    def _listed(
        self, number: int, account: str, path: str, body: bytes, fault: Fault
    ) -> tuple[bytes, Fault]:
        status = fault.status or 200
        self.asked.append(Asked(number, time.time(), account, path, status, len(body)))
        return body, fault


def _page(account: Account, entity_type: str, query: dict[str, str]) -> dict[str, Any]:
    if entity_type == "now":
        return {"last": account.last}
    if entity_type == "account":
        return {"id": account.name, "name": account.name}
    after = max(int(query.get("page", 0)), int(query.get("since", 0)))
    rows = [
        row
        for row in account.tables[entity_type].values()
        if row.seq > after and ("since" in query or not row.is_deleted)
    ]
    rows.sort(key=lambda row: row.seq)
    page, more = rows[:PAGE_ROWS], rows[PAGE_ROWS:]
    told: dict[str, Any] = {"items": [row.body() for row in page], "last": account.last}
    if more:
        told["next"] = page[-1].seq
    return told


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    simulator: Simulator

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed in the middle of an answer is what all this is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        sent = self.rfile.read(length)
        body, fault = self.server.simulator.answer(self.command, self.path, bearer, sent)
        if fault.delay:
            time.sleep(fault.delay)
        if fault.reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RD)
            return
        headers = {"Content-Type": "application/json", **dict(fault.headers)}
        self.send_response(fault.status or 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if fault.cut is None else body[: fault.cut])
        if fault.cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """The list of requests is the log."""
