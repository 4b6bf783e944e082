"""Where breakers and budgets are kept for all processes: documents that change in one step.

A store knows nothing of breakers: it reads the documents of some subjects, hands them with the time
of its clock to a function, and keeps what the function returns, before anybody else sees or
changes them. `MemoryStore` does so for one process; others are handed in from above.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from integrations.resilience.clock import Clock
from integrations.types import Limit

Scope = Literal["app", "account", "host", "connection", "tenant"]
Document = Mapping[str, Any]
Documents = Mapping[str, Document | None]
Change = Callable[[Documents, float], Mapping[str, Document]]
"""Gets the documents by name (None: never kept) and the time; returns those that change."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a document is about: a name that all processes build alike, and what a person reads.

    `owner` is the provider app, account, host, connection or tenant it belongs to; ids as text.
    `pool` parts budgets of the same figures that are counted apart.
    """

    kind: Literal["circuit", "budget", "slots"]
    scope: Scope
    owner: str
    provider: str = ""
    tenant_id: str = ""
    limit: Limit | None = None
    pool: str = ""

    @property
    def name(self) -> str:
        base = f"{self.kind}:{self.scope}:{self.provider}:{self.owner}"
        if self.limit is None:
            return base
        figures = self.limit.concurrent if self.kind == "slots" else _figures(self.limit)
        return f"{base}:{figures}:{self.pool}" if self.pool else f"{base}:{figures}"


class Store(Protocol):
    """Raises RetryableError while it cannot be reached: then nobody calls."""

    def change(self, subjects: Sequence[Subject], change: Change) -> Documents:
        """Apply `change` in one step; return the documents as they are afterwards."""


class MemoryStore:
    """For one process: tests, and what runs without any other."""

    def __init__(self, clock: Clock) -> None:
        self.changes = 0
        self._clock = clock
        self._documents: dict[str, Document] = {}
        self._lock = threading.Lock()

    def change(self, subjects: Sequence[Subject], change: Change) -> Documents:
        names = [subject.name for subject in subjects]
        with self._lock:
            self.changes += 1
            now = self._clock.now().timestamp()
            self._documents.update(change({n: self._documents.get(n) for n in names}, now))
            return {name: self._documents.get(name) for name in names}


def _figures(limit: Limit) -> str:
    return f"{limit.requests}/{limit.per_seconds:g}"
