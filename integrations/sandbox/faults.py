"""Faults one can order: which requests they hit, and what happens to the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from typing import Any

from integrations.sandbox.part import Part, Request, Response

HTML = b"<!doctype html><title>Maintenance</title><h1>We will be back shortly</h1>"


@dataclass(slots=True)
class Fault:
    """One order. The first part says which requests, the second what happens to them.

    Among the requests that match, the first `skip` pass unharmed and the next `count` are hit
    (None: all until cleared). `status`, `body`, `html` and `fault` replace the answer and the
    provider does nothing; `truncate`, `reset` and `drip_ms` spoil the delivery of what the
    provider has done (`reset="before"`: it has not), so a code or token is used up.
    """

    slug: str | None = None
    account: str | None = None
    method: str | None = None
    path: str | None = None
    request: int | None = None
    skip: int = 0
    count: int | None = 1

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    html: bool = False
    fault: bool = False
    truncate: int | None = None
    reset: bool | str = False
    delay_ms: int = 0
    drip_ms: int = 0

    @classmethod
    def ordered(cls, order: dict[str, Any]) -> Fault:
        """Raises ValueError for keys or values that mean nothing."""
        known = {entry.name for entry in fields(cls)}
        if unknown := set(order) - known:
            raise ValueError(f"unknown fault keys: {', '.join(sorted(unknown))}")
        fault = cls(**order)
        re.compile(fault.path or "")
        if fault.request is not None and fault.request < 1:
            raise ValueError("request numbers start at 1")
        if not fault.spoils_delivery and not fault.replaces_answer and not fault.delay_ms:
            raise ValueError("the fault does nothing: name a status, html, reset, delay_ms, …")
        return fault

    @property
    def replaces_answer(self) -> bool:
        return bool(self.status or self.html or self.fault or self.body is not None)

    @property
    def spoils_delivery(self) -> bool:
        return bool(self.truncate is not None or self.reset or self.drip_ms)

    def hits(self, number: int, slug: str, request: Request) -> bool:
        """True if this request is one of those ordered; counts it."""
        target = f"{request.path}?{request.query_string}"
        matches = (
            self.slug in (None, slug)
            and self.account in (None, request.account)
            and self.method in (None, request.method)
            and self.request in (None, number)
            and (self.path is None or re.search(self.path, target) is not None)
        )
        if not matches or self.count == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def answer(self, part: Part, request: Request) -> Response:
        """What the provider says instead of the real answer."""
        if self.fault:
            response = part.fault_in_200(request)
        elif self.html:
            response = Response(200, HTML, media_type="text/html; charset=utf-8")
        else:
            response = Response(200, (self.body or "").encode())
        if self.status is not None:
            response.status = self.status
        if self.body is not None:
            response.body = self.body.encode()
        response.headers.update({name: str(value) for name, value in self.headers.items()})
        return response
