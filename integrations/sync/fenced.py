"""A gate that lets a call leave only while the lease is ours.

What is written outside the database knows no fence: a worker that froze, was overtaken and wakes
would set newer rows back. So it looks at the last moment, behind every wait, before each try.
"""

from dataclasses import dataclass
from uuid import UUID

from hub.fleet.models import Due
from integrations.errors import FencedError
from integrations.resilience.around import AroundGate
from integrations.resilience.deadline import Deadline


@dataclass
class FencedGate(AroundGate):
    """Whoever holds an older fence of the due row calls nobody any more."""

    due_id: UUID
    fence: int

    def admit(self, path: str, deadline: Deadline) -> None:
        """As any gate.

        Raises:
            FencedError: another worker has taken over.
        """
        self.inner.admit(path, deadline)
        if not Due.objects.is_held(self.due_id, fence=self.fence):
            self.inner.gave_up()
            raise FencedError("Another worker has taken over.")
