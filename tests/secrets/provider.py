"""A provider that repeats, in whatever it refuses, everything it was sent."""

import json
import secrets
import threading
from base64 import b64decode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

ROWS = [{"id": f"c{number}", "name": f"Contact {number}"} for number in range(25)]
PAGE = 10


def canary(kind: str) -> str:
    """A made-up secret that names its kind: "hubcanary_access_3f…"."""
    return f"hubcanary_{kind}_{secrets.token_hex(12)}"


@dataclass
class CanaryProvider:
    """What it is told to do, and every secret that went through it, by kind."""

    plan: str = ""
    token_plan: str = ""
    seen: dict[str, set[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self) -> "CanaryProvider":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def saw(self, kind: str, secret: str) -> str:
        self.seen.setdefault(kind, set()).add(secret)
        return secret


class Handler(BaseHTTPRequestHandler):
    provider: CanaryProvider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the test reads the log of the hub."""

    def _serve(self, body: str) -> None:
        parts = urlsplit(self.path)
        sent = dict(parse_qsl(body)) or dict(parse_qsl(parts.query))
        authorization = self.headers.get("Authorization", "")
        if authorization.startswith("Basic "):
            self.provider.saw("basic", authorization.removeprefix("Basic "))
        echo = f"You sent {dict(self.headers)} and {body}"
        self.provider.calls.append(parts.path)
        if parts.path == "/authorize":
            self._consent(sent)
        elif parts.path == "/token":
            self._token(sent, echo)
        elif not self._is_accepted(authorization):
            self._json(401, {"error": "unauthorized", "message": echo})
        elif parts.path == "/plan":
            self._json(200, {"plan": self.provider.plan})
        elif parts.path == "/me":
            self._json(200, {"id": "73001", "name": "Nordlicht GmbH"})
        else:
            self._contacts(sent, authorization, echo)

    def _consent(self, sent: dict[str, str]) -> None:
        code = self.provider.saw("code", canary("code"))
        self.provider.saw("state", sent["state"])
        self.send_response(302)
        self.send_header(
            "Location",
            f"{sent['redirect_uri']}?{urlencode({'code': code, 'state': sent['state']})}",
        )
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self, sent: dict[str, str], echo: str) -> None:
        if "code_verifier" in sent:
            self.provider.saw("verifier", sent["code_verifier"])
        plan = self.provider.token_plan
        if plan == "invalid_grant":
            self._json(400, {"error": "invalid_grant", "error_description": echo})
        elif plan == "invalid_client":
            self._json(401, {"error": "invalid_client", "error_description": echo})
        elif plan == "500":
            self._text(500, echo)
        elif plan == "html":
            self._text(200, f"<html>{echo}</html>")
        elif plan == "secret_as_code":
            self._json(400, {"error": sent.get("refresh_token", "") or sent.get("code", "")})
        else:
            tokens = {
                "access_token": self.provider.saw("access", canary("access")),
                "refresh_token": self.provider.saw("refresh", canary("refresh")),
            }
            self._json(200, {**tokens, "token_type": "Bearer", "expires_in": 3600})

    def _is_accepted(self, authorization: str) -> bool:
        kind, _, value = authorization.partition(" ")
        if kind == "Bearer":
            return value in self.provider.seen.get("access", ())
        return kind == "Basic" and "hubcanary_password_" in b64decode(value).decode()

    def _contacts(self, sent: dict[str, str], authorization: str, echo: str) -> None:
        start = (int(sent.get("page", 1)) - 1) * PAGE
        rows: list[dict[str, Any]] = ROWS[start : start + PAGE]
        plan = self.provider.plan
        if plan.isdecimal():
            self._json(int(plan), {"error": {"message": echo}})
        elif plan == "secret_as_code":
            self._json(400, {"error": authorization})
        elif plan == "secret_in_success":
            self._json(200, {"error": authorization, "contacts": rows})
        elif plan == "html":
            self._text(200, f"<html>{echo}</html>")
        elif plan == "truncated":
            self._text(200, json.dumps({"contacts": rows, "echo": echo}), cut=60)
        else:
            if plan == "crash_in_transform" and rows:
                rows = [{**rows[0], "crash": True}, *rows[1:]]
            self._json(200, {"contacts": rows})

    def _json(self, status: int, body: Any) -> None:
        self._text(status, json.dumps(body), media_type="application/json")

    def _text(self, status: int, body: str, *, media_type: str = "text/html", cut: int = 0) -> None:
        raw = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(raw)))
        if status == 429:
            self.send_header("Retry-After", "30")
        self.end_headers()
        self.wfile.write(raw[: len(raw) - cut] if cut else raw)
        self.close_connection = True


def _handler_of(provider: CanaryProvider) -> type[Handler]:
    return type("CanaryHandler", (Handler,), {"provider": provider})
