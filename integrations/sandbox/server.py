"""The HTTP side: one threaded server for all parts, HTTP/1.1 with keep-alive."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import orjson

from integrations.sandbox.control import Control
from integrations.sandbox.part import Request, Response, Setting, json_response
from integrations.sandbox.world import Delivery, World

MAX_BODY_BYTES = 10 * 1024 * 1024
IDLE_SECONDS = 120


class Sandbox:
    """All providers on one loopback port, in a thread of this process.

    `base_time` (epoch seconds) is where the generated rows end; by default today 00:00 UTC.

        with Sandbox(seed=7) as sandbox:
            sandbox.addresses()["https://slack.com"]  # "http://127.0.0.1:40123/slack"
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        scale: float = 1.0,
        host: str = "127.0.0.1",
        port: int = 0,
        base_time: int | None = None,
    ) -> None:
        self.world = World(Setting(seed, scale, midnight_utc() if base_time is None else base_time))
        self.control = Control(self.world)
        self._server = _Server((host, port), _Handler)
        self._server.sandbox = self
        self._thread: threading.Thread | None = None
        self.url = f"http://{host}:{self._server.server_address[1]}"

    def start(self) -> Sandbox:
        """Answer requests from now on."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """No request is answered any more; open connections are closed. Safe to call twice."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def addresses(self) -> dict[str, str]:
        """Real origin → address of its base here; a provider's path is put behind it."""
        return {origin: self.url + base for origin, base in self.world.origins().items()}

    def own(self, request: Request) -> Response:
        """Answer the sandbox's own addresses, which begin with an underscore."""
        query = {name: values[-1] for name, values in parse_qs(request.query_string).items()}
        try:
            match request.method, request.path:
                case "GET", "/_addresses":
                    return json_response(self.addresses())
                case "GET", "/_credentials":
                    return json_response(self.world.credentials())
                case "GET", "/_state":
                    return json_response(self.control.state())
                case "GET", "/_truth":
                    names = (query.get(name, "") for name in ("slug", "account", "entity"))
                    return json_response(self.control.truth(*names))
                case "GET", "/_log":
                    log = self.control.log(query.get("slug", ""), int(query.get("since", 0)))
                    return json_response(log)
                case "GET", "/_requests":
                    return json_response(self._requests(query))
                case "DELETE", "/_requests":
                    self.world.forget_requests()
                    return json_response({"ok": True})
                case "POST", "/_control":
                    order = orjson.loads(request.body)
                    if not isinstance(order, dict):
                        raise ValueError("the body must be a JSON object")
                    return json_response(self.control.act(order))
        except (ValueError, TypeError) as exc:
            return json_response({"ok": False, "error": str(exc)}, 400)
        return json_response({"ok": False, "error": "no such address"}, 404)

    def _requests(self, query: dict[str, str]) -> list[dict[str, Any]]:
        since, slug = int(query.get("since", 0)), query.get("slug")
        with self.world.lock:
            return [
                dict(entry)
                for entry in self.world.requests
                if entry["n"] > since and slug in (None, entry["slug"])
            ]


def midnight_utc() -> int:
    """Epoch seconds of today 00:00 UTC."""
    return int(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    sandbox: Sandbox

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # HTTPServer would look up the host's full name here, which can take seconds offline.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away is no news; anything else is printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def close_connections(self) -> None:
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Sandbox"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS

    def answer(self) -> None:
        """Read one request, have it served, deliver the answer as ordered."""
        split = urlsplit(self.path)
        body = self._read_body()
        if body is None:
            self._deliver(Delivery(json_response({"error": "length required"}, 411)))
            self.close_connection = True
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, unquote(split.path), split.query, headers, body)
        server = self.server
        assert isinstance(server, _Server)
        if request.path.startswith("/_"):
            self._deliver(Delivery(server.sandbox.own(request)))
        else:
            self._deliver(server.sandbox.world.serve(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `/_requests` is the log."""

    def _read_body(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding"):
            return None
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return None
        return self.rfile.read(int(length))

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.reset:
            self._reset()
            return
        response = delivery.response
        self.send_response(response.status)
        self.send_header("Content-Type", response.media_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = b"" if self.command == "HEAD" else response.body
        if delivery.truncate is not None:
            body = body[: delivery.truncate]
            self.close_connection = True
        if delivery.drip_ms:
            for index in range(len(body)):
                self.wfile.write(body[index : index + 1])
                self.wfile.flush()
                time.sleep(delivery.drip_ms / 1000)
        else:
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close so that the caller sees a connection reset, not an orderly end."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(self.connection.detach())
