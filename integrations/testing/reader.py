"""A connection without an engine and without a database, which keeps the engine's rules.

What is read counts only up to the last position; the next walk begins there. Cursors make the way
through JSON, as they do through the database.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from integrations.connectors.base import Connector
from integrations.errors import CheckpointExpiredError, HubError
from integrations.http.client import ProviderClient
from integrations.sync.order import in_order
from integrations.testing.clock import SkippingClock
from integrations.types import Checkpoint, Cursor, Entity, RunContext

OpenClient = Callable[[SkippingClock], ProviderClient]
Stop = Callable[[Entity], bool]


@dataclass
class Walk:
    """What one walk yielded; `committed` is what lay before its last position."""

    entities: list[Entity] = field(default_factory=list)
    committed: list[Entity] = field(default_factory=list)
    is_over: bool = False
    calls: int = 0
    calls_between_positions: int = 0


@dataclass
class Reader:
    """`stored` holds entities by type and id, `cursors` by walked type and scope.

    `finished` are the scopes complete in this run; `calls` the calls of each type's last walk.
    """

    connector: type[Connector]
    open_client: OpenClient
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    not_before: datetime | None = None
    stored: dict[str, dict[str, Entity]] = field(default_factory=dict)
    cursors: dict[str, dict[str, Cursor]] = field(default_factory=dict)
    finished: dict[str, set[str]] = field(default_factory=dict)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    yielded: dict[str, Counter[str]] = field(default_factory=dict)
    walks: dict[str, Walk] = field(default_factory=dict)
    clock: SkippingClock = field(default_factory=SkippingClock)

    @property
    def walked_types(self) -> list[str]:
        """The types that are walked, in the engine's order."""
        return [declared.name for declared in in_order(self.connector.entity_types)]

    def read_all(self) -> None:
        """One run over all types; from the checkpoints there are. Raises what the walks raise."""
        self.begin_run()
        for name in self.walked_types:
            self.read(name)

    def begin_run(self) -> None:
        self.finished.clear()
        self.skipped.clear()

    def read(self, name: str) -> Walk:
        """One type to its end; begun anew, once, where the provider says that its cursor is old."""
        try:
            return self.walk(name)
        except CheckpointExpiredError:
            self.forget(name)
            return self.walk(name)

    def walk(self, name: str, stop: Stop | None = None) -> Walk:
        """From the last position until the end, or until `stop` says yes after an entity.

        What was committed before an error stays.
        """
        walk = self.walks[name] = Walk()
        waiting: list[Entity] = []
        calls_before = 0
        with self.open_client(self.clock) as client:
            connector = self.connector(client, RunContext(self.started_at), self.known)
            try:
                for entity in connector.fetch_entities(name, self.since(name)):
                    walk.entities.append(entity)
                    waiting.append(entity)
                    if entity.position is not None:
                        between = client.calls - calls_before
                        walk.calls_between_positions = max(walk.calls_between_positions, between)
                        calls_before = client.calls
                        self._commit(name, waiting, walk)
                        waiting = []
                    if stop is not None and stop(entity):
                        return walk
            finally:
                walk.calls = client.calls
        walk.is_over = True
        return walk

    def error_of(self, name: str) -> HubError | None:
        """The error a walk ends with; None if it comes to its end."""
        try:
            self.walk(name)
        except HubError as error:
            return error
        return None

    def since(self, name: str) -> Checkpoint | None:
        cursors = self.cursors.get(name)
        if not cursors and self.not_before is None:
            return None
        finished = frozenset(self.finished.get(name, ()))
        return Checkpoint(cursors or {}, finished=finished, not_before=self.not_before)

    def known(self, entity_type: str) -> Iterator[Entity]:
        return iter(list(self.stored.get(entity_type, {}).values()))

    def ids(self, entity_type: str) -> set[str]:
        return set(self.stored.get(entity_type, {}))

    def forget(self, name: str) -> None:
        """A new generation: positions are gone, what is stored stays."""
        self.cursors.pop(name, None)
        self.finished.pop(name, None)

    def _commit(self, name: str, waiting: list[Entity], walk: Walk) -> None:
        for entity in waiting:
            if entity.is_rest:
                continue
            walk.committed.append(entity)
            self.yielded.setdefault(entity.entity_type, Counter())[entity.source_id] += 1
            kept = self.stored.setdefault(entity.entity_type, {})
            if entity.deleted:
                kept.pop(entity.source_id, None)
            else:
                kept[entity.source_id] = entity
        position = waiting[-1].position
        assert position is not None
        cursor = orjson.loads(orjson.dumps(position.cursor))
        self.cursors.setdefault(name, {})[position.scope] = cursor
        if position.done:
            self.finished.setdefault(name, set()).add(position.scope)
        if position.skipped:
            self.skipped.setdefault(name, {})[position.scope] = position.skipped
