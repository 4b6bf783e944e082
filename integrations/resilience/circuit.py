"""A circuit breaker: after five failures in a row nobody calls for a minute, then one tries.

Only the states and the ways between them; who keeps the state for all processes is the store's
business. Times are seconds since 1970 by the store's clock. (pybreaker keeps its states in one
process or decides there; here one trial among all processes needs the change itself to be atomic.)
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal, Self

FAILURES_TO_OPEN: Final = 5
OPEN_SECONDS: Final = 60.0
TRIAL_SECONDS: Final = 45.0
"""A call takes 30 at most; whoever has said nothing by then has died, and another may try."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What all processes know of one breaker.

    closed: calls pass. open: they fail at once until `retry_at`. half_open: `trial_by` makes one
    call, until `retry_at` at most. `is_tripped`: a person opened it, so a person closes it.
    """

    state: Literal["closed", "open", "half_open"] = "closed"
    failures: int = 0
    since: float = 0.0
    retry_at: float = 0.0
    trial_by: str = ""
    reason: str = ""
    is_tripped: bool = False

    def asked(self, now: float, by: str) -> tuple[Self, float]:
        """The circuit as it is for the call of `by`, and how many seconds that must wait.

        0 means go: either all is well, or `by` has just been given the one trial.
        """
        if self.state == "closed" or (self.trial_by == by and now < self.retry_at):
            return self, 0.0
        if self.is_tripped:
            return self, OPEN_SECONDS
        # Much later it only is when somebody has set the clock back meanwhile.
        if now < self.retry_at <= now + 2 * OPEN_SECONDS:
            return self, self.retry_at - now
        trial = replace(
            self, state="half_open", since=now, retry_at=now + TRIAL_SECONDS, trial_by=by
        )
        return trial, 0.0

    def failed(self, now: float, by: str, reason: str) -> Self:
        """After a time-out, TLS failure, 5xx or an answer nobody can read.

        What fails while others already wait changes nothing: it began before.
        """
        failures = self.failures + 1
        if self.state == "closed" and failures < FAILURES_TO_OPEN:
            return replace(self, failures=failures, since=self.since or now, reason=reason)
        if self.state == "closed" or self._is_trial_of(by):
            return self._opened(now, failures, reason)
        return self

    def answered(self, now: float, by: str) -> Self:
        """After any other answer: also one that refuses shows that somebody is there."""
        if self.state == "closed":
            return self.reset(now) if self.failures else self
        return self.reset(now) if self._is_trial_of(by) else self

    def gave_up(self, now: float, by: str) -> Self:
        """After a trial that never reached the provider: the next who asks may try."""
        if not self._is_trial_of(by):
            return self
        return replace(self, state="open", since=now, retry_at=now, trial_by="")

    def tripped(self, now: float, reason: str) -> Self:
        """Open until somebody resets it."""
        return replace(self._opened(now, self.failures, reason), is_tripped=True)

    def reset(self, now: float) -> Self:
        """Closed, as if nothing had happened."""
        return type(self)(since=now)

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_document(cls, document: Mapping[str, Any] | None) -> Self:
        """The circuit that was kept; one that nobody ever kept is closed."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in (document or {}).items() if name in known})

    def _opened(self, now: float, failures: int, reason: str) -> Self:
        return replace(
            self,
            state="open",
            failures=failures,
            since=now,
            retry_at=now + OPEN_SECONDS,
            trial_by="",
            reason=reason,
        )

    def _is_trial_of(self, by: str) -> bool:
        return self.state == "half_open" and self.trial_by == by
