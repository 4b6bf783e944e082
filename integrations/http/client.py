"""One connection's calls to its provider: authorized, bounded in time, and classed by outcome."""

import random
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final
from urllib.parse import urlsplit

from integrations.errors import (
    EgressRefusedError,
    FatalError,
    HubError,
    ProviderUnavailableError,
    RateLimitError,
    RetryableError,
    TlsFailedError,
    UnknownError,
)
from integrations.http.answer import Answer, WireAnswer
from integrations.http.egress import Egress
from integrations.http.error_table import Classify, UnknownCodeError, judge
from integrations.http.json_reader import read_json
from integrations.resilience.backoff import Backoff
from integrations.resilience.clock import Clock, SystemClock
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import LONGEST_SLEEP_SECONDS, Gate, OpenGate
from integrations.resilience.provider_clock import answered_at, hear
from integrations.resilience.retry_after import parse_retry_after
from integrations.types import AuthContext, Provider

CALL_SECONDS: Final = 30.0
TRIES: Final = 3

_BACKOFF: Final = Backoff(first=0.5, longest=LONGEST_SLEEP_SECONDS)
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


class ProviderClient:
    """GET and POST below the provider's base URL, as the connection `context` belongs to.

    In this order: a free slot, closed circuits, rate budget (all three are the `gate`), deadline,
    request, error table, retry. `calls` and `bytes_received` count what really went over the wire,
    tries included. For one thread at a time; connections are kept until close().
    """

    def __init__(
        self,
        provider: Provider,
        context: AuthContext,
        *,
        egress: Egress,
        deadline: Deadline | None = None,
        clock: Clock | None = None,
        classify: Classify | None = None,
        gate: Gate | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.provider = provider
        self.context = context
        self.classify = classify
        self.clock: Clock = clock or SystemClock()
        self.deadline = deadline or Deadline.never(self.clock)
        self.calls = 0
        self.bytes_received = 0
        self._egress = egress
        self._session = egress.open()
        self._gate: Gate = gate or OpenGate()
        self._chance = chance

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, rows_at: str | None = ""
    ) -> Answer:
        """The answer, once it is a success with JSON in it. `rows_at` as in `read_json`.

        Short waits (to 5 s) are slept here and unusable answers asked for again, up to three
        times in all; what is left is raised as the error that says who acts next.

        Raises:
            NotFoundError, AccessTokenRefusedError, RateLimitError, CircuitOpenError,
            ProviderUnavailableError and whatever the provider's error table or `classify` says.
        """
        return self._ask("GET", path, params, None, rows_at)

    def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        rows_at: str | None = "",
    ) -> Answer:
        """As get, with a JSON body; only for searches, because it may be sent more than once."""
        return self._ask("POST", path, params, dict(body or {}), rows_at)

    def patch(self, path: str, body: Mapping[str, Any]) -> Answer:
        """As post, for destinations: what is sent more than once must change nothing the second
        time."""
        return self._ask("PATCH", path, None, dict(body), "")

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> Answer:
        """As get, for destinations; what is gone already may be deleted again."""
        return self._ask("DELETE", path, params, None, "")

    def close(self) -> None:
        """Give connections and unused budget back. A second call does nothing."""
        self._session.close()
        self._gate.close()

    def __enter__(self) -> "ProviderClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: dict[str, Any] | None,
        rows_at: str | None,
    ) -> Answer:
        url = self.url_of(path)
        fixed = {} if url == path else self.provider.params
        asked = {**fixed, **(params or {})}
        path_below = self._path_below(url)
        for attempt in range(1, TRIES + 1):
            self._gate.admit(path_below, self.deadline)
            if self.deadline.is_over:
                self._gate.gave_up()
                raise RetryableError("The time for this slice is over.", retry_after=0)
            begun = self.clock.monotonic()
            try:
                return self._ask_once(method, url, path_below, asked, body, rows_at)
            except RetryableError as error:
                self._wait_or_raise(error, attempt, self.clock.monotonic() - begun)
        raise AssertionError("the last attempt returns or raises")

    def _ask_once(
        self,
        method: str,
        url: str,
        path_below: str,
        params: Mapping[str, Any],
        body: dict[str, Any] | None,
        rows_at: str | None,
    ) -> Answer:
        wire: WireAnswer | None = None
        try:
            wire = self._send(method, url, params, body)
            answer = self._read(wire, rows_at)
            now = answered_at(answer.headers) or self.clock.now()
            retry_after = parse_retry_after(answer.header("retry-after"), now)
            if retry_after is None and answer.status == 429:
                retry_after = self._lockout
            if error := judge(answer, self.provider, self.classify, retry_after):
                raise error
        except HubError as error:
            self._tell(wire, path_below, error)
            raise
        self._gate.answered(wire.headers)
        return answer

    @property
    def _lockout(self) -> float | None:
        return max((limit.lockout for limit in self.provider.limits), default=0) or None

    def _send(
        self, method: str, url: str, params: Mapping[str, Any], body: dict[str, Any] | None
    ) -> WireAnswer:
        self.calls += 1
        wire = self._session.send(
            method,
            url,
            deadline=self.deadline.within(CALL_SECONDS),
            headers={**self.provider.headers, **self.context.headers, **self.context.auth},
            params=params,
            json=body,
        )
        self.bytes_received += len(wire.body)
        hear(self.provider.slug, wire.headers)
        return wire

    def _tell(self, wire: WireAnswer | None, path_below: str, error: HubError) -> None:
        """Tell the gate how a call failed: only a provider that serves nobody counts against it."""
        is_refusal = wire is not None and 400 <= wire.status < 500
        is_unavailable = isinstance(error, ProviderUnavailableError) and not is_refusal
        if is_unavailable or (wire and wire.status >= 500):
            self._gate.failed(error.message)
        elif wire is None:
            self._gate.gave_up()
        else:
            self._gate.answered(wire.headers)
        if isinstance(error, RateLimitError):
            self._gate.asked_to_wait(path_below, error.retry_after)

    def _read(self, wire: WireAnswer, rows_at: str | None) -> Answer:
        """The answer with its JSON. Only a success must hold some."""
        answer = Answer(wire.status, wire.headers)
        if wire.status == 204:
            return answer
        try:
            if not wire.body.strip():
                raise ProviderUnavailableError(f"{self.provider.label} sent an empty answer.")
            if wire.body.lstrip()[:1] == b"<":
                raise ProviderUnavailableError(
                    f"{self.provider.label} answered with a web page instead of JSON; "
                    "the address may be wrong, or a proxy or log-in page stands in between."
                )
            return Answer(wire.status, wire.headers, read_json(wire.body, rows_at))
        except ProviderUnavailableError:
            if answer.is_success:
                raise
            return answer

    def _wait_or_raise(self, error: RetryableError, attempt: int, took: float) -> None:
        """Sleep until the next attempt, or raise `error` because waiting is the engine's.

        So it is when the call itself took long: who hangs is not asked again in the same slice.
        """
        if attempt >= TRIES:
            raise self._final(error)
        wait = error.retry_after
        if wait is None:
            wait = _BACKOFF.wait(attempt, self._chance)
        is_short = max(wait, took) <= LONGEST_SLEEP_SECONDS and wait < self.deadline.remaining
        if not is_short or isinstance(error, TlsFailedError):
            raise error
        self.clock.sleep(wait)

    def _final(self, error: RetryableError) -> HubError:
        if isinstance(error, UnknownCodeError):
            sentence = f"{error.message} The connector does not know what it means."
            return UnknownError(sentence, fingerprint=error.message)
        if isinstance(error, RateLimitError) and error.retry_after is None and self.provider.limits:
            window = max(limit.per_seconds for limit in self.provider.limits)
            return RateLimitError(error.message, retry_after=min(window, 3600.0))
        return error

    def url_of(self, path: str) -> str:
        """The full address of a path; a full address is returned if it is the provider's.

        Raises:
            EgressRefusedError: a next-page address leads to another host.
        """
        if "://" in path or path.startswith("//"):
            if not self._is_ours(path):
                raise EgressRefusedError(
                    f"{self.provider.label} sent an address of another host to go on with."
                )
            return path
        expanded = _PLACEHOLDER.sub(self._kept, path)
        return self.context.base_url.rstrip("/") + "/" + expanded.lstrip("/")

    def _path_below(self, url: str) -> str:
        """The path as connectors write it, without the base URL: what declared limits name."""
        bases = (self.context.base_url, self._egress.overridden(self.context.base_url))
        for base in bases:
            rest = url.removeprefix(base.rstrip("/"))
            if base and rest != url and rest[:1] in ("", "/", "?"):
                return urlsplit(rest).path
        return urlsplit(url).path

    def _is_ours(self, url: str) -> bool:
        """By host: the base URL's or a declared one, both also as they are overridden."""
        base, called = self.context.base_url, self._egress.overridden(url)
        if _origin(url) == _origin(base) or _origin(called) == _origin(
            self._egress.overridden(base)
        ):
            return True
        scheme, host, port = _origin(url)
        is_declared = any(fnmatchcase(host, pattern) for pattern in self.provider.hosts)
        return is_declared and scheme == "https" and port == 443

    def _kept(self, match: re.Match[str]) -> str:
        value = self.context.extra.get(match[1], "")
        if not re.fullmatch(r"[A-Za-z0-9_.~-]{1,200}", value) or set(value) == {"."}:
            raise FatalError(f"{self.provider.label}: the connection has no usable {match[1]}.")
        return value


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return parts.scheme, (parts.hostname or "").lower(), port
    except ValueError:
        return "", "", 0
