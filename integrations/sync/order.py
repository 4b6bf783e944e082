"""In which order the entity types of a connector are read: what is needed first, first."""

from collections.abc import Iterable
from graphlib import TopologicalSorter

from integrations.types import EntityType


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
