"""A provider that is never what a benchmark waits for, or waits for ever: a process of its own.

The key says what an account has: `rows-1000000` is a million contacts of about 700 bytes, the same
for the same number always. `hangs` is an account whose list is asked for and never answered, and
`storm` one of few rows that shares STORM_REQUESTS in STORM_SECONDS with all of its kind: beyond
them it is answered 429 and when to come back. `/storm` counts these calls.
"""

import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path
from threading import Event, Lock
from time import monotonic
from urllib.parse import parse_qs, urlsplit

PAGE = 1_000
HANGS = "hangs"
HANG_SECONDS = 600
STORM = "storm"
STORM_ROWS = 20
STORM_REQUESTS, STORM_SECONDS = 10, 60.0

_NOTES = "Met at the fair; wants an offer for the second quarter, by mail and in writing. " * 2

_CONTACT = json.dumps(
    {
        "id": "#id",
        "first_name": "Robin",
        "last_name": "Number #id",
        "emails": ["robin.#id@contacts.example", "office.#id@contacts.example"],
        "phones": ["+49 30 555 #id"],
        "title": "Head of purchasing",
        "company": "Company #id",
        "address": {
            "street": "Hauptstraße #id",
            "city": "Berlin",
            "postal_code": "10115",
            "country": "DE",
        },
        "tags": ["customer", "newsletter"],
        "score": 0.75,
        "annual_value": "12000.00",
        "is_active": True,
        "notes": _NOTES,
        "changed": "2026-03-02T09:30:00Z",
    },
    ensure_ascii=False,
).encode()


def page(first: int, rows: int) -> bytes:
    """The page of an account of so many rows that begins at the row `first`."""
    last = min(first + PAGE, rows)
    contacts = b", ".join(_CONTACT.replace(b"#id", b"%d" % number) for number in range(first, last))
    following = b'"%d"' % last if last < rows else b"null"
    return b'{"items": [' + contacts + b'], "cursor": ' + following + b"}"


class Allowance:
    """STORM_REQUESTS in any STORM_SECONDS; refused calls count for nothing."""

    def __init__(self) -> None:
        self.answered = self.refused = 0
        self._at: deque[float] = deque()
        self._lock = Lock()

    def take(self) -> float:
        """0 if the call is answered, else the seconds until one will be."""
        with self._lock:
            now = monotonic()
            while self._at and self._at[0] <= now - STORM_SECONDS:
                self._at.popleft()
            if len(self._at) >= STORM_REQUESTS:
                self.refused += 1
                return self._at[0] + STORM_SECONDS - now
            self._at.append(now)
            self.answered += 1
            return 0.0


_ALLOWANCE = Allowance()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked, key = urlsplit(self.path), self.headers.get("X-Key", "")
        if asked.path == "/me":
            self._answer(b'{"id": "%s", "name": "Account"}' % key.encode())
        elif asked.path == "/storm":
            counts = {"answered": _ALLOWANCE.answered, "refused": _ALLOWANCE.refused}
            self._answer(json.dumps(counts).encode())
        elif key.startswith(HANGS):
            Event().wait(HANG_SECONDS)
        elif key.startswith(STORM):
            if wait := _ALLOWANCE.take():
                self._answer(b'{"error": "slow down"}', 429, {"Retry-After": str(ceil(wait))})
            else:
                self._answer(page(0, STORM_ROWS))
        else:
            first = int(parse_qs(asked.query).get("cursor", ["0"])[0])
            self._answer(page(first, int(key.split("-")[1])))

    def _answer(
        self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def environment(address: str) -> dict[str, str]:
    """What a process of the hub needs so that its connections reach this provider."""
    hosts = (
        "https://api.benchmark.example",
        "https://api.benchmark-hangs.example",
        "https://api.benchmark-storm.example",
    )
    return {
        "HUB_CONNECTOR_MODULES": "tests.benchmarks.connectors",
        "HUB_PROVIDER_ADDRESSES": json.dumps(dict.fromkeys(hosts, address)),
        "HUB_TENANT_CALLS_PER_SECOND": "10000",
        "HUB_LIMITS_FACTOR": "1",  # what a provider allows counts as it does in earnest
    }


@contextmanager
def running() -> Iterator[str]:
    """Yield the provider's address while its process runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.provider"],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    server = _Server(("127.0.0.1", 0), _Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
