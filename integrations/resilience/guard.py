"""What a call passes before it leaves: a free slot, closed circuits, budget; and what it leaves.

One question to the store answers for a second of calls: tokens are leased in blocks, and what the
circuits say is believed for as long. All is taken or nothing, so a call that waits holds nothing.
"""

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Protocol

from integrations.errors import BudgetSpentError, CircuitOpenError, RetryableError
from integrations.resilience.budget import Budget, lease_seconds
from integrations.resilience.circuit import Circuit
from integrations.resilience.clock import Clock
from integrations.resilience.deadline import Deadline
from integrations.resilience.store import Document, Documents, Store, Subject
from integrations.types import Limit, Quota

LONGEST_SLEEP_SECONDS: Final = 5.0
"""A longer wait ends the slice instead and frees the worker."""

FIRST_SLEEP_SECONDS: Final = 2.0  # who has not called yet loses nothing by ending
BELIEVED_SECONDS: Final = 1.0  # how old news of a circuit or of a slot may be
SLOT_POLL_SECONDS: Final = 0.25
QUOTA_PAUSE_SECONDS: Final = 900.0  # then one block of calls shows whether the count has fallen
FIRST_BLOCK: Final = 2  # calls; later blocks follow what was used
GROWTH: Final = 4
_NARROW_FIRST: Final = ("connection", "account", "host", "app")


class Gate(Protocol):
    """What the client tells of each call, and asks before it."""

    def admit(self, path: str, deadline: Deadline) -> None: ...

    def failed(self, reason: str) -> None: ...

    def answered(self, headers: Mapping[str, str]) -> None: ...

    def gave_up(self) -> None: ...

    def asked_to_wait(self, path: str, seconds: float | None) -> None: ...

    def close(self) -> None: ...


class OpenGate:
    """Lets everything pass and remembers nothing: for a call that belongs to no connection yet."""

    def admit(self, path: str, deadline: Deadline) -> None: ...

    def failed(self, reason: str) -> None: ...

    def answered(self, headers: Mapping[str, str]) -> None: ...

    def gave_up(self) -> None: ...

    def asked_to_wait(self, path: str, seconds: float | None) -> None: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class _Purse:
    """A block of tokens of one budget, leased to this guard alone."""

    tokens: int = 0
    lapses_at: float = 0.0  # monotonic
    leased_at: float = 0.0
    counts_until: float = 0.0  # the store's clock: names the block when some is given back
    spent: int = 0
    calls: int = FIRST_BLOCK


class Guard:
    """The shared limits of one connection's calls, as one process sees them; for one thread.

    `circuits`, `budgets`: what applies; a budget's path decides for which calls. `who` names this
    guard among all and begins with the connection's id and a colon.
    """

    def __init__(
        self,
        *,
        label: str,
        who: str,
        store: Store,
        clock: Clock,
        circuits: Sequence[Subject],
        budgets: Sequence[Subject] = (),
        quotas: Sequence[Quota] = (),
    ) -> None:
        self._label = label
        self._who = who
        self._store = store
        self._clock = clock
        self._circuits = tuple(circuits)
        self._budgets = tuple(budgets)
        self._quotas = tuple(quotas)
        self._known: dict[str, Circuit] = {}
        self._known_at = -math.inf
        self._purses: dict[str, _Purse] = {}
        self._slots: dict[str, float] = {}  # name: entered at (monotonic)
        self._has_called = False

    def admit(self, path: str, deadline: Deadline) -> None:
        """Return when the call may leave, its tokens spent. Waits of up to 5 s (before the first
        call: 2 s) are slept here.

        Raises:
            CircuitOpenError: the provider is not asked at present; retry_after says how long.
            BudgetSpentError: the budget is spent for longer than one sleeps.
        """
        wanted = self._applying(path)
        slept = 0.0
        while not self._is_covered(wanted):
            wait = self._ask(wanted)
            if wait <= 0:
                break
            longest = LONGEST_SLEEP_SECONDS if self._has_called else FIRST_SLEEP_SECONDS
            if wait > min(longest, LONGEST_SLEEP_SECONDS - slept, deadline.remaining):
                raise BudgetSpentError(
                    f"{self._label}: what may be asked at present is used up.",
                    retry_after=max(1.0, wait),
                )
            self._clock.sleep(wait)
            slept += wait
        self._has_called = True
        for subject in wanted:
            if subject.kind == "budget":
                cost = _cost(subject)
                purse = self._purses[subject.name]
                purse.tokens -= cost
                purse.spent += cost

    def failed(self, reason: str) -> None:
        """Note a time-out, a TLS failure, a 5xx or an answer nobody can read.

        Of a connection that is on trial itself, it says nothing new about the others' app: else one
        that is broken for good would keep all of them waiting.
        """
        own = [subject.name for subject in self._circuits if subject.scope == "connection"]
        is_suspect = any(self._is_our_trial(name) for name in own)

        def step(subject: Subject, circuit: Circuit, now: float) -> Circuit:
            if is_suspect and subject.name not in own:
                return circuit.gave_up(now, self._who)
            return circuit.failed(now, self._who, reason)

        self._turn(step)

    def answered(self, headers: Mapping[str, str]) -> None:
        """Note an answer, also one that refuses, and what it says of the provider's own count."""
        if any(known.failures or known.state != "closed" for known in self._known.values()):
            self._turn(lambda subject, circuit, now: circuit.answered(now, self._who))
        for quota in self._quotas:
            if _share(quota, headers, self._budgets) >= quota.pause_at:
                self._pause(self._budgets, QUOTA_PAUSE_SECONDS, first="account")

    def gave_up(self) -> None:
        """Note that the call never reached the provider, by our own fault or choice."""
        if any(self._is_our_trial(name) for name in self._known):
            self._turn(lambda subject, circuit, now: circuit.gave_up(now, self._who))

    def asked_to_wait(self, path: str, seconds: float | None) -> None:
        """Note a pause the provider asked for; it holds for all that share the narrowest budget."""
        if seconds is not None:
            self._pause(self._applying(path), seconds)

    def close(self) -> None:
        """Give back what was leased and not used. What cannot be given back lapses by itself."""
        unused = [
            subject
            for subject in self._budgets
            if subject.name in self._slots
            or (subject.name in self._purses and self._purses[subject.name].tokens)
        ]
        if unused:
            with contextlib.suppress(RetryableError):
                self._store.change(unused, self._without_ours)
        self._purses.clear()
        self._slots.clear()

    def _applying(self, path: str) -> list[Subject]:
        """The first budget of each scope whose path matches, and its slots."""
        found: dict[tuple[str, str], Subject] = {}
        for subject in self._budgets:
            if subject.limit is not None and fnmatchcase(path, subject.limit.path):
                found.setdefault((subject.kind, subject.scope), subject)
        return list(found.values())

    def _is_covered(self, wanted: Sequence[Subject]) -> bool:
        """Whether the call may leave without asking anybody."""
        now = self._clock.monotonic()
        if now - self._known_at >= BELIEVED_SECONDS:
            return False
        if any(circuit.state != "closed" for circuit in self._known.values()):
            return False
        return all(self._holds(subject, now) for subject in wanted)

    def _holds(self, subject: Subject, now: float) -> bool:
        if subject.kind == "slots":
            return now - self._slots.get(subject.name, -math.inf) < BELIEVED_SECONDS
        purse = self._purses.get(subject.name)
        return purse is not None and now < purse.lapses_at and purse.tokens >= _cost(subject)

    def _ask(self, wanted: Sequence[Subject]) -> float:
        """Take what the call needs from the store; return the seconds to wait if it has not got it.

        Raises:
            CircuitOpenError: see admit.
        """
        asked_at = self._clock.monotonic()
        missing = [subject for subject in wanted if not self._holds(subject, asked_at)]
        claim = _Claim(self, missing, asked_at)
        self._store.change([*self._circuits, *missing], claim)
        self._known, self._known_at = claim.circuits, asked_at
        if claim.circuit_wait:
            self._known_at = -math.inf
            raise CircuitOpenError(
                f"{self._label} failed several times in a row and is not asked for the next "
                f"{math.ceil(claim.circuit_wait)} s.",
                retry_after=claim.circuit_wait,
            )
        if claim.wait:
            self._purses.update(claim.emptied)
            for name in claim.left:
                self._slots.pop(name, None)
            return claim.wait
        self._purses.update(claim.purses)
        self._slots.update(dict.fromkeys(claim.entered, asked_at))
        return 0.0

    def _is_our_trial(self, name: str) -> bool:
        return name in self._known and self._known[name].trial_by == self._who

    def _turn(self, step: "_Step") -> None:
        """Take a step with every circuit, for all processes."""

        def change(documents: Documents, now: float) -> dict[str, Document]:
            changed: dict[str, Document] = {}
            for subject in self._circuits:
                before = Circuit.of_document(documents[subject.name])
                after = step(subject, before, now)
                if after != before:
                    changed[subject.name] = after.as_document()
            return changed

        kept = self._store.change(self._circuits, change)
        self._known = {name: Circuit.of_document(document) for name, document in kept.items()}
        self._known_at = self._clock.monotonic()

    def _pause(self, budgets: Sequence[Subject], seconds: float, first: str = "") -> None:
        order = [first, *_NARROW_FIRST]
        able = [each for each in budgets if each.kind == "budget" and each.scope in order]
        for subject in sorted(able, key=lambda each: order.index(each.scope))[:1]:

            def change(documents: Documents, now: float) -> dict[str, Document]:
                return {
                    name: Budget.of_document(kept).paused(now + seconds).as_document()
                    for name, kept in documents.items()
                }

            self._store.change([subject], change)
            if subject.name in self._purses:
                self._purses[subject.name].lapses_at = -math.inf

    def _without_ours(self, documents: Documents, now: float) -> dict[str, Document]:
        changed: dict[str, Document] = {}
        for name, kept in documents.items():
            budget = Budget.of_document(kept)
            if purse := self._purses.get(name):
                budget = budget.give_back(purse.tokens, purse.counts_until)
            changed[name] = budget.leave(self._who).served(self._who).as_document()
        return changed


class _Step(Protocol):
    def __call__(self, subject: Subject, circuit: Circuit, now: float) -> Circuit: ...


@dataclass(slots=True)
class _Claim:
    """One question to the store; asked again with fresh documents, it begins anew."""

    guard: Guard
    missing: Sequence[Subject]
    asked_at: float
    circuits: dict[str, Circuit] = field(default_factory=dict)
    circuit_wait: float = 0.0
    wait: float = 0.0
    purses: dict[str, _Purse] = field(default_factory=dict)
    emptied: dict[str, _Purse] = field(default_factory=dict)
    entered: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def __call__(self, documents: Documents, now: float) -> dict[str, Document]:
        self.circuits, self.purses, self.emptied = {}, {}, {}
        self.entered, self.left = [], []
        self.circuit_wait = self.wait = 0.0
        trials = self._ask_circuits(documents, now)
        if self.circuit_wait:
            return {}
        taken: dict[str, Document] = {}
        refused: dict[str, Document] = {}
        for subject in self.missing:
            budget = Budget.of_document(documents[subject.name])
            ask = self._enter if subject.kind == "slots" else self._lease
            got, otherwise, wait = ask(subject, budget, now)
            taken[subject.name] = got.as_document()
            refused[subject.name] = otherwise.as_document()
            self.wait = max(self.wait, wait)
        if self.wait:
            self.circuits = {name: Circuit.of_document(documents[name]) for name in self.circuits}
            return refused
        return {**trials, **taken}

    def _ask_circuits(self, documents: Documents, now: float) -> dict[str, Document]:
        changed: dict[str, Document] = {}
        for subject in self.guard._circuits:
            before = Circuit.of_document(documents[subject.name])
            after, wait = before.asked(now, self.guard._who)
            self.circuits[subject.name] = after
            self.circuit_wait = max(self.circuit_wait, wait)
            if after != before:
                changed[subject.name] = after.as_document()
        return changed

    def _enter(self, subject: Subject, budget: Budget, now: float) -> tuple[Budget, Budget, float]:
        """With the slot, without it, and how long until one asks again."""
        who, left = self.guard._who, budget.leave(self.guard._who)
        otherwise = left.waits(who, now, 2 * BELIEVED_SECONDS)
        got = left.enter(_concurrent(subject), who, now)
        if got is None:
            self.left.append(subject.name)
            return left, otherwise, SLOT_POLL_SECONDS
        self.entered.append(subject.name)
        return got, left, 0.0

    def _lease(self, subject: Subject, budget: Budget, now: float) -> tuple[Budget, Budget, float]:
        """With the tokens taken, without them, and how long until they are there."""
        limit, cost = _limit(subject), _cost(subject)
        old = self.guard._purses.get(subject.name)
        if old is not None:
            budget = budget.give_back(old.tokens, old.counts_until)
        calls = _calls_wanted(old, limit, cost, self.asked_at)
        self.emptied[subject.name] = _Purse(calls=calls)
        if wait := budget.wait(limit, cost, now):
            return budget, budget.waits(self.guard._who, now, wait), wait
        tokens = max(cost, min(calls * cost, limit.requests - budget.used(now)))
        taken, counts_until = budget.served(self.guard._who).take(limit, tokens, now)
        lapses_at = self.asked_at + lease_seconds(limit)
        self.purses[subject.name] = _Purse(
            tokens, lapses_at, self.asked_at, counts_until, calls=calls
        )
        return taken, budget, 0.0


def _calls_wanted(old: _Purse | None, limit: Limit, cost: int, now: float) -> int:
    """For how many calls the next block is: as many as the last one would have done in its time.

    At most half of what the limit allows, so that no process takes it all.
    """
    most = max(1, limit.requests // (2 * cost))
    if old is None or not old.leased_at:
        return min(old.calls if old else FIRST_BLOCK, most)
    seconds = max(now - old.leased_at, 0.02)
    pace = old.spent / cost / seconds * lease_seconds(limit)
    return max(1, min(math.ceil(pace), old.calls * GROWTH, most))


def _share(quota: Quota, headers: Mapping[str, str], budgets: Sequence[Subject]) -> float:
    """How much of its own count the provider says is used, 0 to 1; 0 if it says nothing."""
    found = re.search(quota.pattern, headers.get(quota.header.lower(), ""))
    if found is None:
        return 0.0
    said = {name: float(value) for name, value in found.groupdict().items() if value}
    declared = max((each.limit.requests for each in budgets if each.limit), default=0)
    limit = said.get("limit", declared)
    used = said.get("used", limit - said.get("left", limit))
    return used / limit if limit > 0 else 0.0


def _limit(subject: Subject) -> Limit:
    assert subject.limit is not None
    return subject.limit


def _cost(subject: Subject) -> int:
    limit = _limit(subject)
    return min(limit.cost, limit.requests)


def _concurrent(subject: Subject) -> int:
    return _limit(subject).concurrent or 1
