"""What every provider in the sandbox is made of: accounts, entities, routes, switches.

A new provider is one module with a `Part` subclass that names its `slug`; it is found by being in
this package. A route's path is the sandbox's own: `/<slug>/…`, and `origins` says which of the
provider's real origins each such base stands for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

import orjson

from integrations.sandbox.business import ORGANISATIONS, Business, Organisation, businesses
from integrations.sandbox.limits import RollingWindow
from integrations.sandbox.rows import Row, Table

if TYPE_CHECKING:
    from integrations.sandbox.world import World

Json = dict[str, Any]


@dataclass(slots=True)
class Request:
    """One request, with the path the sandbox saw. Header names are in lower case."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    account: str = ""

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one the last."""
        return _last_values(self.query_string)

    @property
    def form(self) -> dict[str, str]:
        """Fields of a form body; empty if the body is something else."""
        if self.media_type != "application/x-www-form-urlencoded":
            return {}
        return _last_values(self.body.decode("utf-8", "replace"))

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def bearer(self) -> str:
        """The Bearer token, or an empty string."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""


@dataclass(slots=True)
class Response:
    """One answer; `rows` is how many rows it carries, for the request list."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0


def json_response(data: Any, status: int = 200, **headers: str) -> Response:
    """`data` as JSON; header names are given with underscores (`retry_after="3"`)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, orjson.dumps(data), headers=named)


class RefusalError(Exception):
    """Ends a request early with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True, slots=True)
class Account:
    """One account at one provider."""

    id: str
    organisation: Organisation
    number: int

    @property
    def name(self) -> str:
        return self.organisation.name


@dataclass(slots=True)
class Switches:
    """What `{"action": "set"}` changes for one provider."""

    limits: bool = True
    limits_scale: float = 1.0
    token_lifetime: int = 0
    token_requests: int = 0
    rotation: bool = False
    refresh_grace_seconds: float = 0.0
    reuse_revokes: bool = False
    latency_ms: int = 0
    cursor_epoch: int = 0


@dataclass(frozen=True, slots=True)
class Setting:
    """What a sandbox is made from."""

    seed: int = 1
    scale: float = 1.0
    base_time: int = 0
    now: Callable[[], float] = time.time

    def scaled(self, count: int) -> int:
        """`count` times the scale, at least one."""
        return max(1, round(count * self.scale))


class Builder:
    """Builds the rows of one account, all of them from one source of randomness."""

    def __init__(self, setting: Setting, account: Account, rng: Random) -> None:
        self.setting = setting
        self.account = account
        self.rng = rng

    @cached_property
    def businesses(self) -> tuple[Business, ...]:
        """Whom the account's organisation deals with: the same ones at every provider."""
        key = self.account.organisation.key
        return businesses(self.setting.seed, key, self.setting.scaled(300))

    def all(self) -> dict[str, list[Row]]:
        """Every row of the account, by entity."""
        raise NotImplementedError


type_of_handler = Callable[..., Response]


def pattern_of(path: str) -> re.Pattern[str]:
    """Matches the whole path; `{name}` stands for one segment and becomes an argument."""
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + r"\Z")


def route(method: str, path: str) -> Callable[[type_of_handler], type_of_handler]:
    """Serve `method path`."""
    pattern = pattern_of(path)

    def mark(handler: type_of_handler) -> type_of_handler:
        routes = getattr(handler, "routes", ())
        handler.routes = (*routes, (method, pattern))  # type: ignore[attr-defined]
        return handler

    return mark


class Part:
    """One provider. Subclasses with a `slug` are known to every sandbox once imported."""

    slug: ClassVar[str] = ""
    origins: ClassVar[Mapping[str, str]] = {}
    account_ids: ClassVar[Sequence[str]] = ()
    first_switches: ClassVar[Switches] = Switches()
    registry: ClassVar[dict[str, type[Part]]] = {}

    world: World
    """Where the other parts are, for one that hands requests on to them."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.slug:
            Part.registry[cls.slug] = cls

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.switches = replace(self.first_switches)
        self.accounts = {
            id: Account(id, organisation, number)
            for number, (id, organisation) in enumerate(
                zip(self.account_ids, ORGANISATIONS, strict=True)
            )
        }
        self.revoked: set[str] = set()
        self.log: list[Json] = []
        self._tables: dict[str, dict[str, Table]] = {}
        self._routes = [
            (*entry, getattr(self, name))
            for name in dir(type(self))
            for entry in getattr(getattr(type(self), name), "routes", ())
        ]

    # What a provider says about itself.

    def credentials(self) -> Any:
        """Made-up credentials that open each account, as `GET /_credentials` shows them; None for
        what is no provider itself."""
        raise NotImplementedError

    def account_of(self, request: Request) -> str:
        """The id of the account the request's credential opens, or an empty string."""
        raise NotImplementedError

    def generate(self, account: Account) -> dict[str, list[Row]]:
        """All rows of one account by entity; the same for the same seed and base time."""
        raise NotImplementedError

    def touch(self, account: Account, entity: str, row: Row, stamp: float, rng: Random) -> None:
        """Change something a user would change in `row.data`, and its stamp."""
        raise NotImplementedError

    def create(self, account: Account, entity: str, stamp: float, rng: Random, wishes: Json) -> Row:
        """A new row, not yet in its table; `wishes` is the order it came with."""
        raise NotImplementedError

    def delete(self, account: Account, entity: str, row: Row, stamp: float) -> None:
        """Delete as the provider does; here the row just vanishes."""
        self.table(account, entity).remove(row.id, stamp)

    def empty(self, account: Account) -> None:
        """An account just opened: every table is there and none holds a row."""
        self._tables[account.id] = {entity: Table() for entity in self.tables(account)}

    def revoke(self, account: Account) -> None:
        """Every credential of the account stops working."""
        self.revoked.add(account.id)

    def restore(self, account: Account) -> None:
        """Keys work again; a revoked grant stays revoked."""
        self.revoked.discard(account.id)

    def expire_tokens(self) -> None:
        """All access tokens given out so far are too old from now on."""

    def state(self) -> Json:
        """Counters for checkers."""
        return {}

    def not_found(self, request: Request) -> Response:
        return json_response({"error": "not_found"}, 404)

    def fault_in_200(self, request: Request) -> Response:
        """The provider's own way of reporting a passing fault with status 200."""
        return json_response({"success": False, "status": 500, "message": "Internal error"})

    # What every provider shares.

    def tables(self, account: Account) -> dict[str, Table]:
        """All tables of the account, made when first asked for."""
        if account.id not in self._tables:
            rows = self.generate(account)
            self._tables[account.id] = {entity: Table(rows[entity]) for entity in rows}
        return self._tables[account.id]

    def table(self, account: Account, entity: str) -> Table:
        return self.tables(account)[entity]

    def rng(self, account: Account, what: str) -> Random:
        """Randomness that depends on seed, provider, account and purpose alone."""
        return Random(f"{self.setting.seed}:{self.slug}:{account.id}:{what}")

    def has_room(self, window: RollingWindow, key: str) -> bool:
        """True if one more request fits, which is counted; without limits every one does."""
        now, switches = self.setting.now(), self.switches
        return not switches.limits or window.take(key, now, switches.limits_scale)

    def serve(self, method: str, path: str, handler: type_of_handler) -> None:
        """Serve `method path`, as `route` says it, before all other routes."""
        self._routes.insert(0, (method, pattern_of(path), handler))

    def answer(self, request: Request) -> Response:
        """Serve one request; refusals are answers too."""
        for method, pattern, handler in self._routes:
            match = pattern.match(request.path)
            if match and method == request.method:
                try:
                    response: Response = handler(request, **match.groupdict())
                except RefusalError as refusal:
                    return refusal.response
                return response
        return self.not_found(request)


def demo_secret(*purpose: object, length: int = 32) -> str:
    """A made-up secret that is the same in every process: hexadecimal digits."""
    text = ":".join(map(str, purpose))
    return blake2b(text.encode(), digest_size=32).hexdigest()[:length]


def _last_values(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
