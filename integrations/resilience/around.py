"""A gate around another, to be given a say of its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import Gate


@dataclass
class AroundGate:
    """Passes on everything it is told; whoever derives from it adds what it wants."""

    inner: Gate

    def admit(self, path: str, deadline: Deadline) -> None:
        self.inner.admit(path, deadline)

    def failed(self, reason: str) -> None:
        self.inner.failed(reason)

    def answered(self, headers: Mapping[str, str]) -> None:
        self.inner.answered(headers)

    def gave_up(self) -> None:
        self.inner.gave_up()

    def asked_to_wait(self, path: str, seconds: float | None) -> None:
        self.inner.asked_to_wait(path, seconds)

    def close(self) -> None:
        self.inner.close()
