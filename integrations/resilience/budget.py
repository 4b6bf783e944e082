"""A rate budget: how much was taken in the last window, who holds a slot, who waits.

Tokens are leased in blocks, used within `lease_seconds` and counted until a window after the last
moment they could have been used: so no window of the provider's ever holds more than its limit,
whichever process sent what. Times are seconds since 1970 by the store's clock. (pyrate-limiter
asks its store at every call; here a block of calls must cost one question.)
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from integrations.types import Limit

LONGEST_LEASE_SECONDS: Final = 1.0
STEPS_PER_WINDOW: Final = 50  # how finely a window is remembered
LATENESS_SECONDS: Final = 0.5  # how much later than its neighbour a call may arrive
SLOT_SECONDS: Final = 45.0  # a call takes 30; whoever holds a slot longer has died
WAITERS_AT_MOST: Final = 20


def lease_seconds(limit: Limit) -> float:
    """How long a block of tokens may be used before what is left of it lapses."""
    return min(LONGEST_LEASE_SECONDS, limit.per_seconds / 4)


def _counts_until(limit: Limit, now: float) -> float:
    """When the last call of a block that is leased now has left every window of the provider's."""
    lateness = min(LATENESS_SECONDS, limit.per_seconds / 10)
    step = limit.per_seconds / STEPS_PER_WINDOW
    until = now + lease_seconds(limit) + limit.per_seconds + lateness
    return math.ceil(until / step) * step


@dataclass(frozen=True, slots=True)
class Budget:
    """What all processes know of one limit.

    taken: how many tokens count until when, {until: tokens}. paused_until: the provider asked for
    a pause, or its own count is nearly used up. slots: who has a call under way, and until when at
    most. waiting: who was refused and until when that is news, {who: (since, until)}.
    """

    taken: Mapping[float, int] = field(default_factory=dict)
    paused_until: float = 0.0
    slots: Mapping[str, float] = field(default_factory=dict)
    waiting: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def used(self, now: float) -> int:
        """Tokens that count against the present window."""
        return sum(tokens for until, tokens in self.taken.items() if until > now)

    def wait(self, limit: Limit, tokens: int, now: float) -> float:
        """Seconds until `tokens` fit; 0 if they do now."""
        if self.paused_until > now:
            return self.paused_until - now
        taken = self._counting(limit, now)
        over = sum(taken.values()) + min(tokens, limit.requests) - limit.requests
        if over <= 0:
            return 0.0
        for until in sorted(taken):
            over -= taken[until]
            if over <= 0:
                return until - now
        return limit.per_seconds  # unreachable: taking everything back makes room

    def take(self, limit: Limit, tokens: int, now: float) -> tuple[Self, float]:
        """The budget without `tokens`, and until when they count: for giving unused ones back."""
        until, taken = _counts_until(limit, now), self._counting(limit, now)
        taken[until] = taken.get(until, 0) + tokens
        return replace(self, taken=taken), until

    def _counting(self, limit: Limit, now: float) -> dict[float, int]:
        """What counts now. What would count for much longer than anything does was taken before
        somebody set the clock back, and says nothing any more."""
        latest = _counts_until(limit, now) + limit.per_seconds
        return {until: count for until, count in self.taken.items() if now < until <= latest}

    def give_back(self, tokens: int, until: float) -> Self:
        """The budget with `tokens` of a block that was not used up."""
        if until not in self.taken:
            return self
        left = max(0, self.taken[until] - tokens)
        taken = {end: count for end, count in self.taken.items() if end != until}
        return replace(self, taken={**taken, until: left} if left else taken)

    def paused(self, until: float) -> Self:
        return replace(self, paused_until=max(self.paused_until, until))

    def resumed(self) -> Self:
        """The budget without a pause; what was taken still counts."""
        return replace(self, paused_until=0.0)

    def enter(self, concurrent: int, who: str, now: float) -> Self | None:
        """The budget with a slot for `who`; None while others hold or were first to wait for all.

        Asking again keeps the slot for longer.
        """
        latest = now + 2 * SLOT_SECONDS  # only a clock that was set back leaves later ends
        slots = {n: end for n, end in self.slots.items() if now < end <= latest and n != who}
        since = self.waiting.get(who, (now, now))[0]
        earlier = [
            name
            for name, (begun, until) in self.waiting.items()
            if name != who and until > now and begun < since
        ]
        if who not in self.slots and len(slots) + len(earlier) >= concurrent:
            return None
        return replace(self, slots={**slots, who: now + SLOT_SECONDS}).served(who)

    def leave(self, who: str) -> Self:
        return replace(self, slots={name: end for name, end in self.slots.items() if name != who})

    def waits(self, who: str, now: float, seconds: float) -> Self:
        """The budget with `who` among those that wait, for as long as that is news."""
        waiting = {name: span for name, span in self.waiting.items() if span[1] > now}
        since = waiting.get(who, (now, now))[0]
        if who not in waiting and len(waiting) >= WAITERS_AT_MOST:
            return self
        return replace(self, waiting={**waiting, who: (since, now + seconds)})

    def served(self, who: str) -> Self:
        if who not in self.waiting:
            return self
        waiting = {name: span for name, span in self.waiting.items() if name != who}
        return replace(self, waiting=waiting)

    def as_document(self) -> dict[str, Any]:
        """JSON: {"taken": [[until, tokens], …], "paused_until": …, "slots": …, "waiting": …}."""
        return {
            "taken": [[until, tokens] for until, tokens in self.taken.items()],
            "paused_until": self.paused_until,
            "slots": dict(self.slots),
            "waiting": {name: list(span) for name, span in self.waiting.items()},
        }

    @classmethod
    def of_document(cls, document: Mapping[str, Any] | None) -> Self:
        kept = document or {}
        return cls(
            taken={float(until): int(tokens) for until, tokens in kept.get("taken", ())},
            paused_until=kept.get("paused_until", 0.0),
            slots=kept.get("slots", {}),
            waiting={name: (span[0], span[1]) for name, span in kept.get("waiting", {}).items()},
        )
