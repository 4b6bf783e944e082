"""One change of the feed, as routes and destinations see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from integrations.types import Ref


@dataclass(frozen=True, slots=True)
class Change:
    """A record as it is now, at the place in the feed that its last change has.

    `data` is the shared shape, `raw` what the provider sent (empty unless asked for). `is_deleted`:
    the provider has it no more, and `data` is what it was.
    """

    seq: int
    record_id: int
    source_system: str
    entity_type: str
    source_id: str
    scope: str
    record_type: str
    title: str
    connection_id: UUID
    changed_at: datetime
    is_deleted: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for the same entity, for ever: "acme:73001:people:140001"."""
        return key_of(self.source_system, self.entity_type, self.source_id)

    @property
    def provenance(self) -> dict[str, str]:
        return {
            "source_system": self.source_system,
            "entity_type": self.entity_type,
            "source_id": self.source_id,
            "scope": self.scope,
        }

    def ref(self, value: Mapping[str, str]) -> Ref:
        """The entity that a stored reference names; it is of the same source system."""
        return Ref(value["entity_type"], value["source_id"])


def key_of(source_system: str, entity_type: str, source_id: str) -> str:
    return f"{source_system}:{entity_type}:{source_id}"
