"""A dry run: fetch and transform as a sync would, write nothing, say what would be rejected.

What a sync gets over by itself, a dry run gets over too: a type that may not be read, an access
that runs out, a list that must be begun again.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import uuid4

from integrations.connectors.base import Connector
from integrations.destinations.base import Row
from integrations.errors import (
    AccessTokenRefusedError,
    CheckpointExpiredError,
    EntityTypeUnavailableError,
    FatalError,
    ListRestartError,
    ParentSkippedError,
)
from integrations.models import Connection
from integrations.sync import positions
from integrations.sync.open import Parents, open_connector
from integrations.sync.order import in_order
from integrations.sync.prepare import prepare
from integrations.sync.rhythm import too_soon_until
from integrations.types import Checkpoint, Cursor, Entity, EntityType
from tenants.actor import Actor

SECONDS = 3_600.0  # for the whole dry run
REASONS_KEPT = 5
RESTARTS_AT_MOST = 3  # of one list

Progress = Callable[[str, Counter[str]], None]


@dataclass
class DryRunResult:
    """What a sync would do with each entity type; `reasons` are the first rejections.

    `unavailable` says of the types that may not be read, or not yet, why.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)


def dry_run(
    connection: Connection,
    *,
    actor: Actor,
    entity_types: Iterable[str] = (),
    is_full: bool = False,
    progress: Progress = lambda name, counts: None,
) -> DryRunResult:
    """Read what a sync would read now and return how many entities are valid, gone or rejected.

    Raises:
        ConnectionNotActiveError: it is paused, or waits for a person to reconnect it.
        HubError: what ends a sync ends a dry run too.
    """
    connection.check_can("be read")
    run = _DryRun(connection, actor, progress)
    try:
        for declared in in_order(run.open().entity_types, entity_types):
            status = positions.find_status(connection, declared)
            if status is not None and (until := too_soon_until(declared, status)):
                sentence = f"It may be read again after {until:%d %b %H:%M} UTC."
                run.result.unavailable[declared.name] = sentence
                continue
            since = None if is_full or status is None else positions.since(status, uuid4())
            try:
                run.walk(declared, since)
            except (EntityTypeUnavailableError, ParentSkippedError) as exc:
                run.result.unavailable[declared.name] = str(exc)
    finally:
        run.close()
    return run.result


@dataclass
class _DryRun:
    """What was found so far, and the connector it is read with."""

    connection: Connection
    actor: Actor
    progress: Progress
    result: DryRunResult = field(default_factory=DryRunResult)
    parents: Parents = field(default_factory=Parents)
    connector: Connector | None = None

    def open(self, *, refused: bool = False) -> Connector:
        self.close()
        self.connector = open_connector(
            self.connection,
            None,
            parents=self.parents,
            seconds=SECONDS,
            actor=self.actor,
            refused=refused,
        )
        return self.connector

    def close(self) -> None:
        if self.connector is not None:
            self.connector.http.close()

    def walk(self, declared: EntityType, since: Checkpoint | None) -> None:
        """Read one type to its end, from where a sync would begin."""
        walk, restarts = _Walk.begun(since), 0
        refused_at = -1
        while True:
            try:
                return self._read(declared, walk)
            except AccessTokenRefusedError:
                # One that got us nowhere is dead.
                if walk.positions == refused_at:
                    raise
                refused_at = walk.positions
                self.open(refused=True)
            except (CheckpointExpiredError, ListRestartError) as exc:
                restarts += 1
                if restarts > RESTARTS_AT_MOST:
                    sentence = f"The list of {declared.name} had to be begun {restarts} times."
                    raise FatalError(sentence) from exc
                walk = _Walk(not_before=walk.not_before)

    def _read(self, declared: EntityType, walk: "_Walk") -> None:
        connector = self.connector
        assert connector is not None
        self.parents.load(self.connection, connector, declared)
        is_parent = any(other.parent == declared.name for other in connector.entity_types)
        self.result.counts[declared.name] = walk.counts
        walk.pending.clear()
        for entity in connector.fetch_entities(declared.name, walk.since):
            row = prepare(connector, entity)
            walk.take(entity, row)
            if row.kind == "rejected":
                self._note(f"{declared.name} {row.source_id}: {row.reason}")
            if is_parent:
                self.parents.remember(declared.name, [entity])
            self.progress(declared.name, walk.counts)
        if walk.pending:
            raise FatalError(f"The list of {declared.name} ended without a position.")

    def _note(self, reason: str) -> None:
        reasons = self.result.reasons
        if len(reasons) < REASONS_KEPT and reason not in reasons:
            reasons.append(reason)


@dataclass
class _Walk:
    """How far the list of one type was read; what lies behind its last position is pending."""

    cursors: dict[str, Cursor] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    not_before: datetime | None = None
    positions: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    pending: Counter[str] = field(default_factory=Counter)

    @classmethod
    def begun(cls, since: Checkpoint | None) -> Self:
        known = since or Checkpoint()
        return cls(dict(known.cursors), set(known.finished), known.not_before)

    @property
    def since(self) -> Checkpoint | None:
        """Where it goes on; None at the very beginning."""
        if not self.cursors and self.not_before is None:
            return None
        return Checkpoint(dict(self.cursors), frozenset(self.finished), self.not_before)

    def take(self, entity: Entity, row: Row) -> None:
        """Count an entity once the position behind it is reached."""
        if row.kind != "rest":
            self.pending[row.kind] += 1
        if (position := entity.position) is None:
            return
        self.counts.update(self.pending)
        self.pending.clear()
        self.positions += 1
        self.cursors[position.scope] = position.cursor
        if position.is_over:
            self.finished.add(position.scope)
