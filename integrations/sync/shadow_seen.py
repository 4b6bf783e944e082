"""What the walk of a shadow diff has seen, in the database until the entity type is through."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from django.db import connection as database

from integrations.connectors.base import Connector
from integrations.destinations.compare import Compared
from integrations.models import EntityTypeStatus, Record, ShadowBatch, ShadowDiff
from integrations.sync import deletions, positions
from integrations.sync.open import Parents
from integrations.sync.shadow_samples import SAMPLES
from integrations.types import Checkpoint, Entity, EntityType

# As `deletions.ABSENT` is of a sync: what this walk saw, and what it found to be gone itself.
_ABSENT = """
SELECT a.id FROM ({absent}) a WHERE NOT EXISTS (
    SELECT FROM ({gone}) known WHERE known.id = a.id
)
"""
_SEEN = """
    SELECT unnest(b.record_ids) AS id FROM integrations_shadowbatch b
    WHERE b.shadow_id = %(shadow)s AND b.entity_type = %(type)s
"""
_GONE = """
    SELECT unnest(b.gone_ids) AS id FROM integrations_shadowbatch b WHERE b.shadow_id = %(shadow)s
"""
_NOTE_ABSENT = """
INSERT INTO integrations_shadowbatch (shadow_id, entity_type, record_ids, gone_ids, parents)
SELECT %(shadow)s, %(type)s, '{{}}', array({absent}), '[]'
RETURNING cardinality(gone_ids), gone_ids[1:%(samples)s]
""".format(
    absent=_ABSENT.format(
        absent=deletions.ABSENT.format(
            scopes="SELECT unnest(%(scopes)s::text[])",
            seen=_SEEN,
            gone=f"p.deleted_at IS NOT NULL OR p.id IN ({_GONE})",
        ),
        gone=_GONE,
    )
)


def since(shadow: ShadowDiff, declared: EntityType, status: EntityTypeStatus) -> Checkpoint | None:
    """Where the walk goes on: the diff's own positions over the committed ones."""
    own = shadow.positions[declared.name]
    from_start = shadow.counts[declared.name]["from_start"]
    base = None if from_start else positions.since(status, shadow.pk)
    if not own:
        return base
    return Checkpoint(
        cursors={
            **(base.cursors if base else {}),
            **{scope: place["cursor"] for scope, place in own.items()},
        },
        finished=frozenset(scope for scope, place in own.items() if place["done"]),
        not_before=base.not_before if base else None,
    )


def sweep(
    shadow: ShadowDiff, declared: EntityType, status: EntityTypeStatus, start: Checkpoint | None
) -> deletions.Sweep:
    """Which scopes the walk from `start` on shows whole."""
    is_complete = status.is_complete and not shadow.counts[declared.name]["from_start"]
    is_wanted = deletions.can_show_absence(declared, start, is_complete=is_complete)
    own = shadow.positions[declared.name]
    scopes = frozenset(scope for scope, place in own.items() if place["whole"])
    return deletions.Sweep(is_wanted, start, scopes)


def note_absent(
    shadow: ShadowDiff,
    entity_types: Iterable[EntityType],
    declared: EntityType,
    places: Mapping[str, Mapping[str, Any]],
) -> tuple[int, list[int]]:
    """Note what the walk, now at its end, showed to be absent; return how many and the first ids.

    `places` are the positions the type has come to.
    """
    inside = [each.name for each in entity_types if each.inside == declared.name]
    status = positions.find_status(shadow.connection, declared)
    has_floor = status is not None and not shadow.counts[declared.name]["from_start"]
    values: dict[str, Any] = {
        "shadow": shadow.pk,
        "system": shadow.connection.source_system,
        "connection": shadow.connection_id,
        "type": declared.name,
        "types": [declared.name, *inside],
        "scopes": [scope for scope, place in places.items() if place["whole"] and place["done"]],
        "floor": status.not_before if status is not None and has_floor else None,
        "everywhere": declared.across and all(p["whole"] and p["done"] for p in places.values()),
        "orphans": declared.orphans == "delete" and declared.parent is not None,
        "parent": declared.parent or "",
        "samples": SAMPLES,
    }
    with database.cursor() as cursor, deletions.joined_by_hash():
        cursor.execute(_NOTE_ABSENT, values)
        count, first = cursor.fetchone()
    shadow.batches.filter(entity_type=declared.name).update(record_ids=[])
    return count, first


def parents_among(
    entity_types: Iterable[EntityType], declared: EntityType, found: Compared
) -> list[list[Any]]:
    """Entities that others are listed under and that a sync would have stored by then.

    Each as [source id, scope, payload]; none where nothing is listed under the type.
    """
    if not any(each.parent == declared.name for each in entity_types):
        return []
    return [
        [row.source_id, row.scope, payload]
        for row in (*found.changed, *found.rejected)
        if row.entity_type == declared.name and (payload := _payload(row.raw))
    ]


def load_parents(
    parents: Parents, shadow: ShadowDiff, connector: Connector, declared: EntityType
) -> None:
    """Load the parents of a type as they would be by then: new ones too, and not those gone."""
    name = declared.parent
    while name is not None:
        batches = ShadowBatch.objects.filter(shadow=shadow, entity_type=name)
        for rows, gone in batches.values_list("parents", "gone_ids"):
            parents.remember(name, [Entity(name, row[0], row[2], row[1]) for row in rows])
            left = Record.objects.filter(pk__in=gone, entity_type=name)
            parents.leave_out(name, left.values_list("source_id", flat=True))
        name = connector.entity_type(name).parent
    parents.load(shadow.connection, connector, declared)


def _payload(raw: bytes) -> dict[str, Any] | None:
    try:
        payload = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return payload if isinstance(payload, dict) else None
