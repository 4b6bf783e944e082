"""A client of an invented provider, which is a raw server; and a clock that costs no time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from integrations.http.client import ProviderClient
from integrations.http.egress import Egress
from integrations.resilience.deadline import Deadline
from integrations.types import (
    ApiKey,
    AuthContext,
    ErrorCodes,
    Identity,
    Limit,
    Provider,
)
from tests.http.servers import RawServer, Script, answer, serving

BASE = "https://api.acme.example/v2"
TOKEN = "hubcanary_secret"
ACME = Provider(
    slug="acme",
    label="Acme",
    base_url=BASE,
    auth=(ApiKey(headers={"X-Key": "{key}"}),),
    identity=Identity("/me", "id", "name"),
    hosts=("*.files.acme.example",),
    limits=(Limit(100, 60),),
    headers={"X-Version": "2"},
    params={"minor": "75"},
    errors=ErrorCodes(
        code="Fault.Error.code",
        refresh=("3200",),
        reauthorize=("dead",),
        retry=("busy",),
        not_found=("610",),
        skip_parent=("not_in_channel",),
        unavailable=("missing_scope",),
        expired=("http:410",),
        restart_list=("invalid_cursor",),
        operator=("suspended",),
    ),
)


class FastClock:
    """Sleeping takes no time, but counts."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 12, tzinfo=UTC)

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Called:
    """A client whose provider is a raw server, and the clock it waits by."""

    def __init__(self, server: RawServer, seconds: float = 1000, **more: object) -> None:
        self.clock = FastClock()
        self.server = server
        context = AuthContext({"X-Key": TOKEN}, BASE, extra={"realmId": "123", "bad": "../x"})
        self.client = ProviderClient(
            ACME,
            context,
            egress=Egress(
                addresses={"https://api.acme.example": server.origin}, allow=("127.0.0.1",)
            ),
            deadline=Deadline.after(seconds, self.clock),
            clock=self.clock,
            chance=lambda: 0.5,
            **more,  # type: ignore[arg-type]
        )


@contextlib.contextmanager
def called(*scripts: Script | bytes, **more: object) -> Iterator[Called]:
    with serving(*scripts) as server:
        made = Called(server, **more)  # type: ignore[arg-type]
        with made.client:
            yield made


def fault(code: object, status: int = 200) -> bytes:
    return answer(orjson.dumps({"Fault": {"Error": [{"code": code}]}}), status)


OK = answer(b'{"items": [1]}')
