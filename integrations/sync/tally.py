"""What becomes of one page of a destination's changes, checked against what was planned for it."""

from collections import Counter
from uuid import UUID

from integrations.destinations.change import Change
from integrations.errors import FatalError
from integrations.models import ExternalId
from integrations.sync.ledger import is_noted
from integrations.sync.plan import Plan


class Tally:
    """Counts each change once per run, though its page may be worked on twice.

    What changes a line of the ledger is counted together with it. What changes none is kept here
    until the page is through.
    """

    def __init__(self, run_id: UUID) -> None:
        self._run_id = run_id
        self._dealt_with = 0
        self._at_end: Counter[str] = Counter()

    def add(
        self,
        what: str,
        change: Change,
        line: ExternalId | None,
        counts: Counter[str] | None = None,
    ) -> None:
        """One change is dealt with; it is counted in `counts`, or at the end of the page."""
        self._dealt_with += 1
        if not is_noted(line, change, self._run_id):
            counts = self._at_end if counts is None else counts
            counts[what] += 1

    def outcomes(self, plan: Plan) -> Counter[str]:
        """What is to be counted when the page is through.

        Raises:
            FatalError: not everything that was planned came to something, or it did so twice.
        """
        planned = sum(map(len, plan.writes.values())) + sum(map(len, plan.deletes.values()))
        if self._dealt_with != planned:
            raise FatalError(
                f"A page of changes is not passed over: {planned} of its changes were to be written"
                f" or deleted, {self._dealt_with} were."
            )
        return self._at_end + Counter(dropped=plan.dropped, unchanged=plan.unchanged)
