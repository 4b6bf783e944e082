"""One sandbox without its server: all parts, the request list, the faults, one lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from integrations.sandbox.faults import Fault
from integrations.sandbox.part import Part, Request, Response, Setting, json_response

LOGGED_BODY_BYTES = 20_000


@dataclass(slots=True)
class Delivery:
    """An answer and how it reaches the caller."""

    response: Response
    truncate: int | None = None
    reset: bool = False
    drip_ms: int = 0


class World:
    """Everything the sandbox remembers. Providers are served one request at a time."""

    def __init__(self, setting: Setting) -> None:
        for module in iter_modules([str(Path(__file__).parent)]):
            if module.name != "__main__":
                import_module(f"{__package__}.{module.name}")
        self.setting = setting
        self.lock = threading.RLock()
        self.requests: list[dict[str, Any]] = []
        self.received = 0
        self.faults: list[Fault] = []
        self.parts = self._new_parts()

    def _new_parts(self) -> dict[str, Part]:
        parts = {slug: Part.registry[slug](self.setting) for slug in sorted(Part.registry)}
        for part in parts.values():
            part.world = self
        return parts

    def reset(self) -> None:
        """As at the start: rows, tokens, switches, faults and the request list."""
        with self.lock:
            self.parts = self._new_parts()
            self.faults.clear()
            self.forget_requests()

    def forget_requests(self) -> None:
        with self.lock:
            self.requests.clear()
            self.received = 0

    def credentials(self) -> dict[str, Any]:
        with self.lock:
            told = {slug: part.credentials() for slug, part in self.parts.items()}
            return {slug: said for slug, said in told.items() if said is not None}

    def origins(self) -> Mapping[str, str]:
        """Real origin → path of its base here."""
        return {
            origin: base for part in self.parts.values() for origin, base in part.origins.items()
        }

    def serve(self, request: Request) -> Delivery:
        """Answer a provider request, list it, and let ordered faults spoil it."""
        slug = request.path.split("/", 2)[1]
        with self.lock:
            part = self.parts.get(slug)
            if part is None:
                return Delivery(json_response({"error": "no such part"}, 404))
            request.account = part.account_of(request)
            entry = self._listed(slug, request)
            fault = self._fault_for(entry["n"], slug, request)
            pause = part.switches.latency_ms + (fault.delay_ms if fault else 0)
        if pause:
            time.sleep(pause / 1000)
        with self.lock:
            if fault and fault.replaces_answer:
                response = fault.answer(part, request)
            elif fault and fault.reset == "before":
                response = Response(0)
            else:
                response = part.answer(request)
            entry["status"] = response.status
            entry["account"] = request.account
            entry["rows"] = response.rows
            entry["fault"] = fault is not None
        if fault is None:
            return Delivery(response)
        return Delivery(response, fault.truncate, bool(fault.reset), fault.drip_ms)

    def _listed(self, slug: str, request: Request) -> dict[str, Any]:
        self.received += 1
        secret = request.headers.get("authorization") or request.headers.get("x-pw-accesstoken")
        entry: dict[str, Any] = {
            "n": self.received,
            "time": self.setting.now(),
            "slug": slug,
            "method": request.method,
            "path": request.path + (f"?{request.query_string}" if request.query_string else ""),
            "body": request.body[:LOGGED_BODY_BYTES].decode("utf-8", "replace"),
            "token": sha256(secret.encode()).hexdigest()[:12] if secret else "",
            "status": None,
            "account": "",
            "rows": 0,
            "fault": False,
        }
        self.requests.append(entry)
        return entry

    def _fault_for(self, number: int, slug: str, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.hits(number, slug, request):
                return fault
        return None
