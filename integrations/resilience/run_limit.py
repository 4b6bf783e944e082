"""How long a run may go on: as long as it gets anywhere, and a while when it does not."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RunLimit:
    """A run is over once it is older than `longest` and has committed nothing for `stall`.

    Age alone ends none: the first read of a large account may take days, and every batch counts.
    """

    longest: timedelta
    stall: timedelta

    def is_over(self, now: datetime, started_at: datetime, progress_at: datetime | None) -> bool:
        quiet_since = max(started_at, progress_at or started_at)
        return now - started_at > self.longest and now - quiet_since > self.stall
