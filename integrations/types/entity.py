"""What a provider lists, and what travels from connector to engine: entities and positions."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from integrations.records import NormalizedRecord

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Payload: TypeAlias = dict[str, Any]
Cursor: TypeAlias = dict[str, Any]
"""A place in one list, JSON only, opaque to everyone but the paginator that made it."""


@dataclass(frozen=True, slots=True)
class EntityType:
    """A kind of thing a provider lists, and how it behaves.

    after: types to read first, by name; without cycles.
    parent: the type whose entities are this one's scopes.
    across: its lists run across all parents, each a scope of its own to walk; an entity's scope is
        its parent all the same.
    path, items, key, changed_at: where the list is asked for, and where rows, id and change time
        lie in an answer; connectors that read it otherwise leave them out.
    deletions: "signal" the provider reports them, "absence" a complete walk shows them, "never".
    orphans: what happens to records whose parent is gone.
    window: only a moving window of it is listed; what leaves the window is not gone.
    lifetime: an older checkpoint is never handed over; the type is read in full instead.
    min_interval: not read more often than this.
    scopes: OAuth scopes without which its provider refuses this type; then it is left out.
    inside: comes along in another type's walk and shares its checkpoint.
    newest_wins: an entity older than the stored one is dropped.
    ignore: payload keys whose change alone is no change.
    free_names: keys of objects, at any depth, whose own keys people make up: they are data.
    """

    name: str
    becomes: "type[NormalizedRecord] | tuple[type[NormalizedRecord], ...]"
    after: tuple[str, ...] = ()
    parent: str | None = None
    across: bool = False
    path: str = ""
    items: str = ""
    key: str = "id"
    changed_at: str = ""
    deletions: Literal["signal", "absence", "never"] = "absence"
    orphans: Literal["keep", "delete"] = "keep"
    window: bool = False
    lifetime: timedelta | None = None
    min_interval: timedelta | None = None
    scopes: tuple[str, ...] = ()
    inside: str | None = None
    newest_wins: bool = False
    ignore: tuple[str, ...] = ()
    free_names: tuple[str, ...] = ()

    @property
    def record_types(self) -> "tuple[type[NormalizedRecord], ...]":
        return self.becomes if isinstance(self.becomes, tuple) else (self.becomes,)


@dataclass(frozen=True, slots=True)
class Ref:
    """Another entity of the same source system; it may not have arrived yet."""

    entity_type: str
    source_id: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place where a run may start again once everything before it is committed.

    done: the scope's walk is complete; `cursor` is where the next run begins.
    skipped: the scope could not be read, and why (a code); its records stay.
    """

    scope: str
    cursor: Cursor
    done: bool = False
    skipped: str = ""

    @property
    def is_over(self) -> bool:
        """Whether this run is through with the scope: it is not asked again until the next."""
        return self.done or bool(self.skipped)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """One row of an answer that no JSON reader or database would take, kept as it came."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Entity:
    """What the provider sent under one id; or that it is gone; or only a position.

    `source_id` is '' for a mere position, which like a deletion never reaches `transform`.
    """

    entity_type: str
    source_id: str
    payload: Payload | Unreadable = field(default_factory=dict)
    scope: str = ""
    changed_at: datetime | None = None
    deleted: bool = False
    position: Position | None = None

    @classmethod
    def gone(
        cls,
        entity_type: str,
        source_id: str,
        scope: str = "",
        changed_at: datetime | None = None,
        position: Position | None = None,
    ) -> "Entity":
        """The provider says that it is deleted, or no longer in `scope`."""
        return cls(entity_type, source_id, {}, scope, changed_at, True, position)

    @classmethod
    def rest(cls, position: Position, entity_type: str = "") -> "Entity":
        """Nothing but a position: an empty page, a new cursor, a scope that ended."""
        return cls(entity_type, "", {}, position.scope, position=position)

    @property
    def is_rest(self) -> bool:
        return not self.source_id

    @property
    def data(self) -> Payload:
        """The payload as a dict.

        Raises:
            TypeError: it is Unreadable; the engine sets such entities aside before transform.
        """
        if isinstance(self.payload, Unreadable):
            raise TypeError(f"{self.entity_type} {self.source_id} could not be read")
        return self.payload


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The positions committed so far, one cursor per scope.

    `finished` are the scopes already complete in this run. `not_before` is the backfill date: a
    scope without a cursor of its own starts there.
    """

    cursors: Mapping[str, Cursor] = field(default_factory=dict)
    finished: frozenset[str] = frozenset()
    not_before: datetime | None = None

    def at(self, scope: str = "") -> Cursor:
        """The cursor of `scope`; {"not_before": "2026-01-01T00:00:00Z"} or {} if it has none."""
        if scope in self.cursors:
            return dict(self.cursors[scope])
        if self.not_before is None:
            return {}
        return {"not_before": self.not_before.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


def unreadable_id(raw: bytes) -> str:
    """A stable stand-in id for a row whose own id cannot be read."""
    return f"unreadable-{hashlib.blake2b(raw, digest_size=16).hexdigest()}"
