"""In which order the entity types of a connector are read: what is needed first, first."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

from integrations.types import EntityType

# States of a type's line in a run's counts in which the run is through with it: read to its end,
# not readable, not due yet, or left to the other lane, "backfill" or "live".
ENDED = ("done", "unavailable", "waiting", "backfill", "live")


def in_order(entity_types: Iterable[EntityType], wanted: Iterable[str] = ()) -> list[EntityType]:
    """Return the types to walk, each behind its parent and what it comes `after`.

    Of independent types the declared order is kept. Without `wanted` it is all of them. A type
    that comes along inside another's walk is not walked itself.
    """
    declared = {each.name: each for each in entity_types}
    needs = {
        each.name: [name for name in (*each.after, each.parent) if name in declared]
        for each in declared.values()
    }
    chosen = set(wanted) or set(declared)
    return [
        declared[name]
        for name in TopologicalSorter(needs).static_order()
        if name in chosen and declared[name].inside is None
    ]


def next_type(
    entity_types: Sequence[EntityType], counts: Mapping[str, Mapping[str, Any]]
) -> EntityType | None:
    """Return whose turn it is: of those that wait for no other, the one not worked on longest.

    `counts` are the run's lines. None if the run is through with all of them, or the others wait
    for one that has failed.
    """
    names = {each.name for each in entity_types}
    ended = {name for name, line in counts.items() if line.get("state") in ENDED}
    failed = {name for name, line in counts.items() if line.get("state") == "failed"}
    ready = [
        each
        for each in entity_types
        if each.name not in ended | failed and not ({*each.after, each.parent} & names) - ended
    ]
    return min(ready, key=lambda each: counts.get(each.name, {}).get("turn", 0), default=None)
