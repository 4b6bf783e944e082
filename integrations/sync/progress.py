"""How far a run has come: counted over all entity types it reads, those not begun too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.errors import UnknownProviderError
from integrations.models import ShadowDiff, SyncRun
from integrations.sync.lanes import types_of
from integrations.sync.order import in_order

LEFT_OUT = ("waiting", "backfill", "live")  # states of types that this run does not read
OVER = ("done", "unavailable", "failed", "blocked")


@dataclass(frozen=True)
class Progress:
    """`ended` of `entity_types` are through, `read` entities were read in all of them.

    `expected` is None while nobody knows how many there will be. `share` is how much is done, 0 to
    1, each type counting alike; None while that would be a guess.
    """

    read: int
    expected: int | None
    share: float | None
    entity_types: int = 1
    ended: int = 0

    @property
    def text(self) -> str:
        if self.entity_types > 1:
            return f"{self.ended} of {self.entity_types} entity types, {self.read:,} read"
        if self.expected is None:
            return f"{self.read:,} read"
        return f"{self.read:,} of {self.expected:,}"


def progress_of(run: SyncRun | ShadowDiff) -> Progress:
    """How far `run` has come; no query if its connection is at hand.

    A type that is through counts as it is, however many were expected.
    """
    lines = [run.counts.get(name, {}) for name in _types_read(run)]
    shares = [_share(line) for line in lines]
    known = [_expected(line) for line in lines]
    said = [share for share in shares if share is not None]
    return Progress(
        read=run.totals["read"],
        expected=sum(each or 0 for each in known) if lines and None not in known else None,
        share=round(sum(said) / len(lines), 3) if said else None,
        entity_types=len(lines),
        ended=sum(line.get("state") in OVER for line in lines),
    )


def _types_read(run: SyncRun | ShadowDiff) -> list[str]:
    """The types the run reads or has read, by name. What has succeeded had no others."""
    names = list(run.counts)
    if run.state != run.State.SUCCEEDED:
        try:
            declared = types_of(run.connection)
        except UnknownProviderError:  # its connector is not installed any more
            declared = ()
        names += [each.name for each in in_order(declared, run.entity_types)]
    read = dict.fromkeys(names)
    return [name for name in read if run.counts.get(name, {}).get("state") not in LEFT_OUT]


def _share(line: Mapping[str, Any]) -> float | None:
    if line.get("state") in OVER:
        return 1.0
    expected = line.get("expected")
    return min(1.0, line.get("read", 0) / expected) if expected else None


def _expected(line: Mapping[str, Any]) -> int | None:
    read: int = line.get("read", 0)
    if line.get("state") in OVER:
        return read
    expected: int | None = line.get("expected")
    return None if expected is None else max(expected, read)
