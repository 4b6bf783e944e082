"""What is to be done for a page of changes: per route, which rows to write and which to delete.

Nothing here asks the destination. Routes come in the order in which their records changed, so what
is referred to is mostly written before what refers to it.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from integrations.destinations.cells import cells_of, refs_at, titled_refs
from integrations.destinations.change import Change
from integrations.destinations.columns import RAW, Column, columns_of
from integrations.destinations.conditions import Condition, all_hold, conditions_of
from integrations.destinations.tables import Table, TableRow
from integrations.models import ExternalId, Route
from integrations.sync.ledger import LineKey, is_noted
from integrations.sync.references import Titles
from integrations.types import Ref

Links = Mapping[int, Mapping[str, str]]  # record id → table → external id


@dataclass(frozen=True, slots=True)
class ActiveRoute:
    """A route with what its data means."""

    id: UUID
    table: str
    record_type: str
    entity_type: str
    source_system: str  # '' for all
    columns: tuple[Column, ...]
    conditions: tuple[Condition, ...]
    refusing: frozenset[str]  # providers whose records may not go there

    @classmethod
    def of(cls, route: Route, refusing: Iterable[str]) -> "ActiveRoute":
        """Raises InvalidInputError if the route no longer makes sense."""
        return cls(
            route.pk,
            route.table,
            route.record_type,
            route.entity_type,
            route.connection.source_system if route.connection else "",
            columns_of(route.record_type, route.mapping),
            conditions_of(route.record_type, route.filter),
            frozenset(refusing),
        )

    @property
    def needs_raw(self) -> bool:
        sources = [column.source for column in self.columns]
        sources += [condition.field for condition in self.conditions]
        return any(source.partition(".")[0] == RAW for source in sources)

    def is_about(self, change: Change) -> bool:
        return (
            change.record_type == self.record_type
            and self.entity_type in ("", change.entity_type)
            and self.source_system in ("", change.source_system)
            and change.source_system.partition(":")[0] not in self.refusing
        )

    def takes(self, change: Change) -> bool:
        return not change.is_deleted and self.is_about(change) and all_hold(self.conditions, change)

    def refs(self, change: Change) -> list[Ref]:
        """Everything whose title or row is needed to write this record."""
        links = [ref for c in self.columns if c.is_link for ref in refs_at(change, c.source)]
        return [*titled_refs(change, self.columns), *links]

    def row(self, change: Change, titles: Titles, there: Links) -> TableRow:
        """The row the record makes, linked to what is there by now.

        Raises:
            RecordRejectedError: a value does not fit its column.
        """
        cells = cells_of(change, self.columns, titles.of_change(change))
        links: dict[str, dict[str, list[str]]] = {}
        for column, refs in cells.refs.items():
            links[column] = {}
            for ref in refs:
                record_id = titles.record_id(change, ref)
                for table, external_id in there.get(record_id or 0, {}).items():
                    links[column].setdefault(table, []).append(external_id)
        return TableRow(change.key, cells.values, links)


@dataclass(slots=True)
class Plan:
    """A page of changes, sorted out. `dropped` and `unchanged` need nothing to be sent; `refusals`
    are lines of what was refused earlier and is not taken any more."""

    writes: dict[UUID, list[Change]] = field(default_factory=dict)
    deletes: dict[UUID, list[tuple[Change, ExternalId]]] = field(default_factory=dict)
    refusals: list[int] = field(default_factory=list)
    dropped: int = 0
    unchanged: int = 0


def plan_of(
    changes: Sequence[Change],
    routes: Sequence[ActiveRoute],
    lines: Mapping[LineKey, ExternalId],
    ours: Iterable[int],
    run_id: UUID,
) -> Plan:
    """`ours` are the records that were read from the destination itself: they never go round.

    What the run has deleted already needs nothing and was counted then.
    """
    plan, going_round = Plan(), set(ours)
    for change in changes:
        concerned = [r for r in routes if r.is_about(change) or (r.id, change.record_id) in lines]
        if not concerned or change.record_id in going_round:
            plan.dropped += 1
            continue
        for route in concerned:
            line = lines.get((route.id, change.record_id))
            if route.takes(change):
                plan.writes.setdefault(route.id, []).append(change)
                continue
            if line is not None and line.external_id:
                plan.deletes.setdefault(route.id, []).append((change, line))
                continue
            if line is not None:
                plan.refusals.append(line.pk)
            if is_noted(line, change, run_id):
                continue
            if change.is_deleted:
                plan.unchanged += 1
            else:
                plan.dropped += 1
    return plan


def hash_of(row: TableRow) -> bytes:
    """The same for the same cells and links."""
    said: Any = {"values": row.values, "links": row.links}
    return hashlib.blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16).digest()


def table_of(route: ActiveRoute) -> Table:
    return Table(route.table, route.columns)
