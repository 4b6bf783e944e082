"""One connection taken through many faults in a row: each slice meets the next one.

After every fault the source changes, what is committed must bear out its checkpoints, and the next
slice goes on; at the end everything must be as if nothing had happened.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from integrations import crash
from tests.harness.checker import Wrong, check, early
from tests.harness.hub import Hub, due_of, let_leases_run_out, let_waits_pass
from tests.harness.simulator import Account

SWEPT = (*crash.POINTS["slice"], *crash.POINTS["access"])
OFTEN = ("after_fetch", "before_commit", "before_checkpoint", "after_checkpoint", "after_commit")
TIMEOUT_SECONDS = 0.8  # of a slice that is to hang; doubled if it was too slow to come so far
LONGEST_SECONDS = 120.0
SHORTEST_SECONDS = 0.01  # a slice ends at its first position, and a first read changes lanes
TRIES = 8


class NotReachedError(AssertionError):
    """The slices did not come to the point at all."""


@dataclass
class Chain:
    """A connection, its account at the provider, and a source of chance."""

    hub: Hub
    account: Account
    connection: str
    rng: Random
    slice_seconds: float = LONGEST_SECONDS
    wrong: Wrong = field(default_factory=dict)

    def through(self, points: Iterable[str], action: crash.Action) -> Wrong:
        """What is wrong after `action` at each of the points, one after the other."""
        for point in points:
            self.meet(point, action)
            self.account.change(self.rng, 3)
        return self.rest()

    def meet(self, point: str, action: crash.Action, nth: int = 1) -> None:
        """Let slices begin until one comes to the point; what it leaves must be sound."""
        timeout = TIMEOUT_SECONDS if action == "HANG" else LONGEST_SECONDS
        for _ in range(TRIES):
            self.make_ready(point)
            order = f"{point}:{nth}:{action}"
            number = self.hub.order(
                do="work",
                due=str(due_of(self.connection)[0].pk),
                crash=order,
                timeout=timeout,
                slice=self.slice_seconds,
            )
            answer = self.hub.answer(number)
            if answer.get("stopped"):
                self._take_over(number, order)
            if answer["acted"]:
                self.note(order)
                return
            if answer["said"] == "timed out":
                timeout = min(LONGEST_SECONDS, 2 * timeout)
            self.account.change(self.rng, 3)
            nth = 1
        raise NotReachedError(f"no slice came to {point}:\n{self.hub.log.read_text()[-3000:]}")

    def make_ready(self, point: str) -> None:
        """Something is due, and access has expired if the point lies in its renewal."""
        let_waits_pass(self.connection)
        if not due_of(self.connection):
            self.hub.ask(do="request", connection=self.connection)
        if point in crash.POINTS["access"]:
            self.account.grant.left = 0

    def note(self, order: str) -> None:
        """Look whether checkpoints run ahead after the fault `order`."""
        if found := early(self.connection, self.account):
            self.wrong.setdefault("early", []).extend(f"{order}: {each}" for each in found)

    def turns(self, point: str) -> tuple[int, ...]:
        """At which passings of the point a fault may come: a slice passes most of them once."""
        return (1, 2, 3) if point in OFTEN else (1,)

    def rest(self) -> Wrong:
        """Everything that is wrong once all work is done."""
        self.hub.drain(self.connection)
        return {**check(self.connection, self.account), **self.wrong}

    def _take_over(self, number: int, order: str) -> None:
        """Another worker finishes what the frozen one began; then that one wakes."""
        let_leases_run_out(self.connection)
        self.account.change(self.rng, 3)
        self.hub.drain(self.connection, also=False)
        self.hub.ask(do="wake", order=number)
        self.hub.answer(number)
        self.note(f"{order} woken")
