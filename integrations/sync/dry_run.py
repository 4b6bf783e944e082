"""A dry run: fetch and transform as a sync would, write nothing, say what would be rejected."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import uuid4

from integrations.models import Connection
from integrations.sync import positions
from integrations.sync.open import Parents, open_connector
from integrations.sync.order import in_order
from integrations.sync.prepare import prepare
from integrations.types import Entity
from tenants.actor import Actor

SECONDS = 3_600.0  # for the whole dry run
REASONS_KEPT = 5


@dataclass
class DryRunResult:
    """What a sync would do with each entity type; `reasons` are the first rejections."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def dry_run(
    connection: Connection,
    *,
    actor: Actor,
    entity_types: Iterable[str] = (),
    is_full: bool = False,
    progress: Callable[[str, Counter[str]], None] = lambda name, counts: None,
) -> DryRunResult:
    """Read what a sync would read now and return how many entities are valid, gone or rejected.

    Raises:
        HubError: what ends a sync ends a dry run too.
    """
    result, parents = DryRunResult(), Parents()
    connector = open_connector(connection, None, parents=parents, seconds=SECONDS, actor=actor)
    try:
        for declared in in_order(connector.entity_types, entity_types):
            parents.load(connection, connector, declared)
            status = positions.find_status(connection, declared)
            since = None if is_full or status is None else positions.since(status, uuid4())
            counts = result.counts[declared.name] = Counter()
            read: list[Entity] = []
            for entity in connector.fetch_entities(declared.name, since):
                row = prepare(connector, entity)
                if row.kind == "rest":
                    continue
                counts[row.kind] += 1
                read.append(entity)
                if row.kind == "rejected" and len(result.reasons) < REASONS_KEPT:
                    result.reasons.append(f"{declared.name} {row.source_id}: {row.reason}")
                progress(declared.name, counts)
            if any(other.parent == declared.name for other in connector.entity_types):
                parents.remember(declared.name, read)
    finally:
        connector.http.close()
    return result
