"""The one door to the outside: every call the hub makes to another company leaves here.

It connects only to addresses in the open internet, checked after the one resolution whose answer
is then used, so a name cannot mean two things. It follows no redirect, keeps no cookie and reads
nothing from the shell (proxies, .netrc). A call is over at its deadline, however slowly the other
side answers: a socket's own timeout starts anew with every byte.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from integrations.errors import (
    AnswerTooLargeError,
    EgressRefusedError,
    FatalError,
    HubError,
    ProviderUnavailableError,
    TlsFailedError,
)
from integrations.http.addresses import (
    AllowList,
    IPAddress,
    is_public,
    literal_address,
    may_be_outside,
    resolve,
)
from integrations.http.answer import WireAnswer
from integrations.resilience.deadline import Deadline

MAX_WIRE_BYTES: Final = 16 * 1024 * 1024
MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
CONNECT_SECONDS: Final = 10.0
USER_AGENT: Final = "hub (integration hub; self-hosted)"

_READ_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Egress:
    """How this installation reaches the outside.

    addresses: addresses replaced before a call: {"https://api.acme.example": "http://mock/acme"}.
    proxy: the company's proxy, which then resolves names; names are still checked here.
    ca_bundle: path of the certificates to trust instead of the usual ones.
    allow: addresses, networks and host names opened on purpose, also for plain http.
    """

    addresses: Mapping[str, str] = field(default_factory=dict)
    proxy: str | None = None
    ca_bundle: str | None = None
    allow: tuple[str, ...] = ()

    def open(self) -> "EgressSession":
        """Connections that are kept and used again; for one thread at a time."""
        return EgressSession(self)

    def overridden(self, url: str) -> str:
        """`url` as it is really called; the longest overridden address wins."""
        for address in sorted(self.addresses, key=len, reverse=True):
            rest = url.removeprefix(address.rstrip("/"))
            if rest != url and rest[:1] in ("", "/", "?"):
                return self.addresses[address].rstrip("/") + rest
        return url

    def check(self, url: str) -> None:
        """Nothing happens if the (overridden) address is one the hub talks to.

        Raises:
            EgressRefusedError: it is not.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise EgressRefusedError("The address cannot be read.") from None
        allow = AllowList(self.allow)
        if not host or parts.scheme not in ("http", "https"):
            raise EgressRefusedError("Only https addresses are called.")
        if parts.username is not None or parts.password is not None:
            raise EgressRefusedError("An address may hold no user name.")
        if allow.has_host(host):
            return
        if parts.scheme != "https" or port not in (None, 443):
            raise EgressRefusedError("Only https addresses on port 443 are called.")
        address = literal_address(host)
        is_inside = (
            not is_public(address) if address else bool(self.proxy) and not (may_be_outside(host))
        )
        if is_inside:
            raise EgressRefusedError("The address is not in the open internet.")


class EgressSession:
    """Sends requests through `egress`. Not for several threads at once."""

    def __init__(self, egress: Egress) -> None:
        self.egress = egress
        self._line = _Line(AllowList(egress.allow))
        self._requests = requests.Session()
        self._requests.trust_env = False
        self._requests.headers = requests.structures.CaseInsensitiveDict(
            {"User-Agent": USER_AGENT, "Accept": "application/json"}
        )
        self._requests.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        if egress.proxy:
            self._requests.proxies = {"http": egress.proxy, "https": egress.proxy}
        self._requests.verify = egress.ca_bundle or True
        adapter = _Adapter(self._line)
        self._requests.mount("https://", adapter)
        self._requests.mount("http://", adapter)

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
        """The whole answer, whatever its status; a redirect is returned, never followed.

        Raises:
            EgressRefusedError: the address is not one the hub talks to.
            ProviderUnavailableError: no complete answer by the deadline.
            AnswerTooLargeError: more than 16 MiB on the wire or 64 MiB decoded.
        """
        url = self.egress.overridden(url)
        self.egress.check(url)
        seconds = deadline.remaining
        if seconds <= 0:
            raise ProviderUnavailableError("There was no time left for the call.")
        with self._line.watch(seconds) as call:
            try:
                return self._receive(method, url, headers, params, json, form, seconds)
            except _FAILURES as exc:
                # Without its cause, whose text holds the address or a header.
                raise _classed(exc, call.is_over) from None

    def close(self) -> None:
        self._requests.close()

    def __enter__(self) -> "EgressSession":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _receive(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        params: Mapping[str, Any] | None,
        json: Any,
        form: Mapping[str, str] | None,
        seconds: float,
    ) -> WireAnswer:
        response = self._requests.request(
            method,
            url,
            headers=dict(headers or {}),
            params=dict(params or {}),
            json=json,
            data=dict(form) if form is not None else None,
            timeout=(min(seconds, CONNECT_SECONDS), seconds),
            allow_redirects=False,
            stream=True,
        )
        try:
            body = bytearray()
            for part in response.raw.stream(_READ_BYTES, decode_content=True):
                body += part
                if len(body) > MAX_DECODED_BYTES or response.raw.tell() > MAX_WIRE_BYTES:
                    raise AnswerTooLargeError("The answer is larger than the hub reads.")
        finally:
            response.close()
        if self._line.is_over:
            # A body without a length ends where the line is cut and would look complete.
            raise ProviderUnavailableError("The provider did not answer in time.")
        names = {name.lower(): value for name, value in response.headers.items()}
        return WireAnswer(response.status_code, names, bytes(body))


_FAILURES: Final = (OSError, ValueError, urllib3.exceptions.HTTPError)
"""OSError includes everything requests raises."""


def _classed(exc: Exception, is_over: bool) -> HubError:
    """The hub's error for what requests or urllib3 raised; names the innermost cause's class."""
    innermost: BaseException = exc
    while following := innermost.__cause__ or innermost.__context__:
        innermost = following
    reason = type(innermost).__name__
    if isinstance(exc, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return TlsFailedError(f"The provider's certificate cannot be trusted ({reason}).")
    if isinstance(exc, ValueError):
        return FatalError(f"The call could not be made ({reason}).")
    if isinstance(exc, requests.exceptions.ProxyError):
        return ProviderUnavailableError(f"The proxy did not let the call through ({reason}).")
    timed_out = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
    if is_over or isinstance(exc, timed_out):
        return ProviderUnavailableError("The provider did not answer in time.")
    return ProviderUnavailableError(f"The connection to the provider broke off ({reason}).")


class _Line:
    """The line in use: dials checked addresses only, and is cut when the call's time is up."""

    def __init__(self, allow: AllowList) -> None:
        self.allow = allow
        self.is_over = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._retired: list[socket.socket] = []

    @contextlib.contextmanager
    def watch(self, seconds: float) -> Any:
        self.is_over = False
        self._socket = None
        timer = threading.Timer(seconds, self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield self
        finally:
            timer.cancel()
            with self._lock:
                self._socket = None
                for handle in self._retired:
                    handle.close()
                self._retired.clear()

    def use(self, line: socket.socket | None) -> None:
        with self._lock:
            self._socket = line
            if self.is_over:
                _shut(line)

    def retire(self, handle: socket.socket) -> None:
        """The connection is closed, though a body without a length may still be read from it."""
        with self._lock:
            if self._socket is handle:
                self._retired.append(handle)
            else:
                handle.close()

    def dial(self, connection: HTTPConnection) -> socket.socket:
        """A socket to the first address of the host that is allowed and answers."""
        host = connection._dns_host
        try:
            addresses = resolve(host, connection.port or 443)
        except OSError as exc:
            raise NameResolutionError(connection.host, connection, exc) from exc  # type: ignore[arg-type]
        usable = [one for one in addresses if self._may_reach(host, one)]
        if not usable:
            raise EgressRefusedError("The name leads to an address outside the open internet.")
        problem: OSError | None = None
        for address in usable:
            if self.is_over:
                break
            try:
                return _connected(address, connection)
            except OSError as exc:
                problem = exc
        raise NewConnectionError(connection, "no address answers") from problem

    def _may_reach(self, host: str, address: IPAddress) -> bool:
        return is_public(address) or self.allow.has_address(address) or self.allow.has_host(host)

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            _shut(self._socket)


def _connected(address: IPAddress, connection: HTTPConnection) -> socket.socket:
    """A socket to exactly this address; nothing is looked up again."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.settimeout(connection.timeout)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.connect((str(address), connection.port))
    except OSError:
        made.close()
        raise
    return made


def _shut(line: socket.socket | None) -> None:
    if line is not None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter with connections that dial and register at `line`."""

    def __init__(self, line: _Line) -> None:
        self._pools = _pools(line)
        super().__init__(pool_connections=4, pool_maxsize=1)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(line: _Line) -> dict[str, Any]:
    class Dialling(HTTPConnection):
        """Keeps a second handle on its socket: TLS takes the first one away while it begins."""

        handle: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            made = super()._new_conn() if self.proxy is not None else line.dial(self)
            self.handle = made.dup()
            line.use(self.handle)
            return made

        def request(self, *args: Any, **kwargs: Any) -> None:
            line.use(self.handle)
            super().request(*args, **kwargs)

        def close(self) -> None:
            super().close()
            if self.handle is not None:
                line.retire(self.handle)
                self.handle = None

    class DiallingTls(Dialling, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Dialling

    class TlsPool(HTTPSConnectionPool):
        ConnectionCls = DiallingTls

    return {"http": Pool, "https": TlsPool}
