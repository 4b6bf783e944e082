"""Composio as the way to a provider: its proxy carries each call and adds the access it holds.

Source: Composio API v3.1, read in November 2026. A call is one POST that names the connected
account and the request; the answer holds the provider's own status, headers and data, so everything
that reads a provider's answer reads it as if there were no gateway. What Composio itself refuses
comes with another status than 200 and is ours to settle, not the provider's.

Unverified: how the two refusals of the proxy are spelled (looked for as words), whether `data` is
null or missing beside a file, whether a query parameter may be named twice, and the host a file is
fetched from (any public one; the key is not sent there).
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from hub.masked import Masked
from hub.observability.known_secrets import remember
from integrations.errors import (
    AppRefusedError,
    EgressRefusedError,
    FatalError,
    GatewayUnavailableError,
    HubError,
    ProviderUnavailableError,
    RateLimitError,
    ReauthorizationRequiredError,
    TlsFailedError,
)
from integrations.http.answer import WireAnswer
from integrations.http.egress import Egress, EgressSession
from integrations.http.json_reader import read_members
from integrations.resilience.deadline import Deadline
from integrations.resilience.provider_clock import answered_at
from integrations.resilience.retry_after import parse_retry_after
from integrations.types import Provider

NAME: Final = "composio"
LABEL: Final = "Composio"
PROXY: Final = "/tools/execute/proxy"
PAUSE_SECONDS: Final = 60.0
"""How long nobody asks again when Composio is down: longer than a client would wait by itself."""

_NO_ACCESS: Final = b"MissingAuthContext"
_OTHER_HOST: Final = b"OriginMismatch"


@dataclass(frozen=True, repr=False)
class _Gateway:
    api_key: str
    url: str


class Gateway(Masked, _Gateway):
    """A project at Composio: its key, and where the API is ("https://…/api/v3.1")."""


class Send(Protocol):
    """`EgressSession.send`."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
    ) -> WireAnswer: ...


@dataclass(frozen=True)
class Proxied:
    """What the provider answered through the proxy; `file_url` is where a file's bytes lie."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    file_url: str = ""


@dataclass(frozen=True, kw_only=True)
class ComposioEgress(Egress):
    """The door to one provider through one connected account; no other host is asked for.

    `hosts` are the provider's, "*" standing for any part of a name.
    """

    gateway: Gateway
    account: str
    hosts: tuple[str, ...] = field(default=())

    @classmethod
    def behind(
        cls, egress: Egress, gateway: Gateway, account: str, provider: Provider, base_url: str
    ) -> "ComposioEgress":
        """The same door, with Composio behind it, to the hosts that `provider` declares."""
        return cls(
            addresses=egress.addresses,
            proxy=egress.proxy,
            ca_bundle=egress.ca_bundle,
            allow=egress.allow,
            gateway=gateway,
            account=account,
            hosts=(_host(base_url), *provider.hosts),
        )

    def open(self) -> "ComposioSession":
        return ComposioSession(self)


class ComposioSession(EgressSession):
    """Sends a provider's requests through the proxy. Not for several threads at once."""

    def __init__(self, egress: ComposioEgress) -> None:
        super().__init__(egress)
        self._through = egress

    def send(
        self,
        method: str,
        url: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> WireAnswer:
        """The provider's whole answer, whatever its status.

        Raises:
            GatewayUnavailableError: Composio is down or answers what nobody can read.
            AppRefusedError: the key is refused, or may not use the proxy.
            ReauthorizationRequiredError: the connected account is gone or has lost its access.
            RateLimitError: Composio itself asks for a pause.
            EgressRefusedError: the address is not the provider's.
        """
        self._check(url)
        question = question_of(self._through.account, method, url, headers, params, json, form)
        wire = ask(
            super().send, self._through.gateway, "POST", PROXY, deadline=deadline, json=question
        )
        answer = read_proxied(wire)
        if not answer.file_url:
            return WireAnswer(answer.status, answer.headers, answer.body)
        return WireAnswer(answer.status, answer.headers, self._file(answer.file_url, deadline))

    def _check(self, url: str) -> None:
        host = _host(url)
        if not host or not any(fnmatchcase(host, known) for known in self._through.hosts):
            raise EgressRefusedError(
                f"{LABEL} is asked for addresses of the provider only; this is another host's."
            )

    def _file(self, url: str, deadline: Deadline) -> bytes:
        """The bytes that did not fit into the answer; fetched without the key."""
        try:
            wire = super().send("GET", url, deadline=deadline)
        except ProviderUnavailableError:
            raise down("did not deliver a file") from None
        if wire.status != 200:
            raise down("did not deliver a file")
        return wire.body


def ask(
    send: Send,
    gateway: Gateway,
    method: str,
    path: str,
    *,
    deadline: Deadline,
    params: Mapping[str, Any] | None = None,
    json: Any = None,
) -> WireAnswer:
    """Composio's answer to one call of its own API, once it is a success; errors as `refusal`."""
    remember(gateway.api_key)
    try:
        wire = send(
            method,
            gateway.url.rstrip("/") + path,
            deadline=deadline,
            headers={"x-api-key": gateway.api_key},
            params=params,
            json=json,
        )
    except TlsFailedError:
        raise down("has a certificate that cannot be trusted") from None
    except ProviderUnavailableError:
        raise down("cannot be reached, or did not answer in time") from None
    if error := refusal(wire):
        raise error
    return wire


def refusal(wire: WireAnswer) -> HubError | None:
    """Whose turn Composio's own answer makes it; None if it is a success.

    An error is {"error": {"message": "…", "code": 10400, "status": 400, …}}, or flat for 429.
    """
    status, said = wire.status, f"{LABEL} answered with status {wire.status}"
    is_its_own = _is_object(wire.body)
    if 200 <= status < 300:
        return None
    if status == 429:
        wait = parse_retry_after(
            wire.headers.get("retry-after"), answered_at(wire.headers) or datetime.now(UTC)
        )
        return RateLimitError(f"{LABEL} asks for a pause.", retry_after=wait)
    if status in (401, 403):
        return AppRefusedError(
            f"{said}: check its API key, and that the key may execute through the proxy."
        )
    if status == 422 or (status in (404, 410) and is_its_own) or _NO_ACCESS in wire.body:
        return ReauthorizationRequiredError(
            f"{said}: the connected account is gone or has lost its access; connect it again."
        )
    if _OTHER_HOST in wire.body:
        return EgressRefusedError(f"{LABEL} does not take this host for the account's provider.")
    if status == 501 or (400 <= status < 500 and status not in (408, 425)):
        return FatalError(f"{said}: what the hub asked for is not understood.")
    return down(f"answered with status {status}")


def question_of(
    account: str,
    method: str,
    url: str,
    headers: Mapping[str, str] | None,
    params: Mapping[str, Any] | None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The proxy's question for one request; the query, also the address's own, as parameters."""
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    query += [
        (name, str(value))
        for name, given in (params or {}).items()
        for value in (given if isinstance(given, list | tuple) else (given,))
        if value is not None
    ]
    sent = {"Accept": "application/json", **(headers or {})}
    question: dict[str, Any] = {
        "connected_account_id": account,
        "endpoint": f"{parts.scheme}://{parts.netloc}{parts.path}",
        "method": method,
        "parameters": [
            *({"name": name, "value": value, "type": "query"} for name, value in query),
            *({"name": name, "value": value, "type": "header"} for name, value in sent.items()),
        ],
    }
    if json is not None:
        question["body"] = json
    elif form is not None:
        question["binary_body"] = {
            "base64": b64encode(urlencode(form).encode()).decode(),
            "content_type": "application/x-www-form-urlencoded",
        }
    return question


def read_proxied(wire: WireAnswer) -> Proxied:
    """The provider's answer in {"status": 200, "data": …, "headers": {…}, "binary_data": …}.

    `data` is kept as it was written, digits and all; where it is a text, that text is the body.

    Raises:
        GatewayUnavailableError: it is no such answer.
    """
    try:
        members = read_members(wire.body)
        status = int(orjson.loads(members["status"]))
        headers = orjson.loads(members.get("headers", b"null")) or {}
        file = orjson.loads(members.get("binary_data", b"null")) or {}
        named = {str(name).lower(): _text(value) for name, value in headers.items()}
        file_url = str(file.get("url") or "")
        data = members.get("data", b"null")
        body = orjson.loads(data).encode() if data[:1] == b'"' else data
    except (ProviderUnavailableError, KeyError, ValueError, TypeError, AttributeError):
        raise down("answered what is no provider's answer") from None
    if not 100 <= status < 600:
        raise down("answered what is no provider's answer")
    return Proxied(status, named, b"" if body == b"null" else body, file_url)


def down(what: str) -> GatewayUnavailableError:
    """The error that says at once, by its name, that Composio does not work at present."""
    return GatewayUnavailableError(
        f"{LABEL} {what}; connections that go through it wait, all others go on.",
        retry_after=PAUSE_SECONDS,
    )


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_object(body: bytes) -> bool:
    return body.lstrip()[:1] == b"{"


def _host(url: str) -> str:
    """The host of an https address, in lower case; '' for any other."""
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme == "https" and parts.port in (None, 443) and "@" not in parts.netloc
        return (parts.hostname or "").lower() if is_plain else ""
    except ValueError:
        return ""
