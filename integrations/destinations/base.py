"""What travels from the engine to a destination, and what every destination offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, Protocol
from uuid import UUID

from integrations.errors import FatalError
from integrations.types import Position


@dataclass(frozen=True, slots=True)
class Link:
    """One reference of a row to another entity of the same source system."""

    field: str
    position: int
    target_type: str
    target_source_id: str


@dataclass(slots=True)  # frozen it would take twice as long to make, and each entity makes one
class Row:
    """One entity, ready to be written.

    kind "record": `data`, `raw` (JSON) and `content_hash` are set. "gone": the provider deleted it.
    "rejected": `reason` says why and `raw` holds what the provider sent. "rest": only a position.
    """

    kind: Literal["record", "gone", "rejected", "rest"]
    entity_type: str
    source_id: str
    scope: str = ""
    position: Position | None = None
    record_type: str = ""
    title: str = ""
    data: bytes = b""
    raw: bytes = b""
    content_hash: bytes = b""
    source_changed_at: datetime | None = None
    newest_wins: bool = False
    links: tuple[Link, ...] = ()
    reason: str = ""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.data) + len(self.raw) + 200


class Covers(Protocol):
    """Tells of a scope whether what a walk does not find there is absent."""

    @property
    def is_asked(self) -> bool:
        """Whether somebody is asked about records of the type."""

    def covers(self, scope: str) -> bool: ...


@dataclass(slots=True)
class Batch:
    """Rows committed together with the positions they lead to.

    Rows after the last position wait in `pending` until the next one: only what lies before a
    position may be committed. `sweep` says which scopes are walked in full. `adopts`: records an
    earlier connection to the account has left behind become this one's.
    """

    connection_id: UUID
    source_system: str
    run_id: UUID
    walked_type: str
    generation: int
    fence: int
    due_id: UUID
    has_rejections: bool = True
    sweep: Covers | None = None
    adopts: bool = False
    rows: list[Row] = field(default_factory=list)
    positions: dict[str, Position] = field(default_factory=dict)
    pending: list[Row] = field(default_factory=list)
    size: int = 0

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row.kind != "rest":
                self.pending.append(row)
                self.size += row.size
            if row.position is not None:
                self.positions[row.position.scope] = row.position
                self.rows += self.pending
                self.pending = []


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows of one batch; the sum is the number of rows read.

    `dropped` were left out by a rule: reported deletions that wait for a person, or that one kept.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    superseded: int = 0
    rejected: int = 0
    dropped: int = 0

    @property
    def read(self) -> int:
        return (
            self.inserted
            + self.updated
            + self.unchanged
            + self.deleted
            + self.superseded
            + self.rejected
            + self.dropped
        )


def reconciled(written: Written, read: int) -> Written:
    """What became of the `read` rows of a batch, if it adds up.

    Raises:
        FatalError: it does not, so a row was lost or written twice.
    """
    if written.read != read:
        raise FatalError(
            f"What became of {read} rows does not add up to them but to {written.read}, so their"
            " batch was not kept."
        )
    return written


class Destination(ABC):
    """A place that takes batches: safe to give the same batch twice."""

    type: ClassVar[str]

    @abstractmethod
    def write(self, batch: Batch) -> Written:
        """Store the batch and its positions, both or neither.

        Raises:
            FencedError: another worker holds the lease now; nothing was written.
            TenantNotActiveError: the tenant is being closed; nothing was written.
        """
