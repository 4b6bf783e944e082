"""What people do with routes: create, change, delete, and see what one would write."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from integrations.connectors.registry import get_connector, refusing
from integrations.destinations.cells import cells_of, refs_at, titled_refs
from integrations.destinations.change import Change
from integrations.destinations.columns import (
    RAW,
    Column,
    columns_of,
    name_for,
    table_for,
)
from integrations.destinations.conditions import Condition, all_hold, conditions_of
from integrations.destinations.registry import get_destination_type
from integrations.errors import InvalidInputError, NameTakenError, RecordRejectedError
from integrations.models import Connection, Destination, Record, Route
from integrations.records import RECORD_TYPES
from integrations.services.destinations import begin_again
from integrations.sync.changes import changes_of
from integrations.sync.references import Titles
from integrations.types import EntityType, Json, Ref
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

LONGEST_NAME = 200
LONGEST_TABLE = 100
PREVIEWED = 10

CHANGEABLE = (
    "name",
    "connection",
    "record_type",
    "entity_type",
    "table",
    "mapping",
    "filter",
    "is_active",
)


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What a route would make of one record: cells by column, or why it would write none."""

    record_id: int
    title: str
    verdict: str  # "written", "dropped" or "rejected"
    reason: str
    cells: dict[str, Json]


@requires_role(Role.OPERATOR)
@transaction.atomic
def create_route(
    *,
    destination: Destination,
    record_type: str = "",
    entity_type: str = "",
    connection: Connection | None = None,
    name: str = "",
    table: str = "",
    mapping: Sequence[Mapping[str, Any]] = (),
    filter: Sequence[Mapping[str, Any]] = (),
    is_active: bool = True,
    actor: Actor,
) -> Route:
    """Return the new route; its destination compares everything stored with what is there.

    Left out: the record type follows from the entity type where that is certain, the table and
    the name from the record type, and the mapping is every field.

    Raises:
        InvalidInputError: one sentence about what cannot be used.
        NameTakenError: the destination has a route of that name.
    """
    route = Route(
        destination=destination,
        connection=connection,
        record_type=record_type,
        entity_type=entity_type,
        table=table,
        name=name,
        mapping=list(mapping),
        filter=list(filter),
        is_active=is_active,
    )
    check_route(route)
    _saved(route)
    begin_again(destination)
    record_event(AuditAction.ROUTE_CREATED, actor=actor, target=route, detail=_told(route))
    return route


@requires_role(Role.OPERATOR)
@transaction.atomic
def change_route(*, route: Route, changes: Mapping[str, Any], actor: Actor) -> Route:
    """The route with these fields changed; rows that it makes differently are written again.

    What it wrote to another table, or takes no longer after a change of its filter: the first
    stays where it is, the second is deleted.

    Raises:
        InvalidInputError, NameTakenError: as when it is created; nothing was changed.
    """
    row = Route.objects.select_for_update(no_key=True, of=("self",)).get(pk=route.pk)
    before = _told(row)
    for field in changes:
        if field not in CHANGEABLE:
            raise _wrong(field, f"{field!r} of a route cannot be changed.")
        setattr(row, field, changes[field])
    check_route(row)
    after = _told(row)
    told = {name: {"old": before[name], "new": after[name]} for name in after}
    told = {name: change for name, change in told.items() if change["old"] != change["new"]}
    if told:
        # Held first: else a slice at work notes rows of the table of before behind this.
        Destination.objects.select_for_update(no_key=True).get(pk=row.destination_id)
        _saved(row)
        if "table" in told:
            row.external_ids.all().delete()
        if row.is_active and "is_active" in told:
            # While it was off, tombstones it has not seen may have been pruned.
            Destination.objects.filter(pk=row.destination_id).update(swept_at=None)
        if set(told) - {"name"}:
            begin_again(row.destination)
        record_event(AuditAction.ROUTE_CHANGED, actor=actor, target=row, detail=told)
    return row


@requires_role(Role.OPERATOR)
@transaction.atomic
def delete_route(*, route: Route, actor: Actor) -> None:
    """The route is gone; what it wrote stays at the destination and is kept in step no more."""
    record_event(AuditAction.ROUTE_DELETED, actor=actor, target=route, detail=_told(route))
    route.external_ids.all()._raw_delete("default")
    Route.objects.filter(pk=route.pk).delete()


def preview_route(route: Route, *, limit: int = PREVIEWED) -> list[PreviewRow]:
    """What the route, saved or not, would make of the first records it is about.

    Raises:
        InvalidInputError: as when it is created.
    """
    columns, conditions = check_route(route)
    ids = list(records_of(route).order_by("pk").values_list("pk", flat=True)[:limit])
    changes = changes_of(ids, with_raw=needs_raw(columns, conditions))
    titles = Titles.of((change, ref) for change in changes for ref in _refs(change, columns))
    return [_previewed(change, columns, conditions, titles) for change in changes]


def check_route(route: Route) -> tuple[tuple[Column, ...], tuple[Condition, ...]]:
    """Fill in what was left out, and return the columns and conditions that the route means.

    Raises:
        InvalidInputError: one sentence about the first thing that cannot be used.
    """
    kind = get_destination_type(route.destination.type)
    _check_origin(route)
    columns = columns_of(route.record_type, route.mapping)
    conditions = conditions_of(route.record_type, route.filter)
    route.table = _checked(route.table or table_for(route.record_type), "table", LONGEST_TABLE)
    route.name = _checked(route.name or _name_of(route), "name", LONGEST_NAME)
    if route.connection is not None and route.connection.provider == kind.provider:
        place = route.destination.settings.get(kind.place, "")
        read = Record.objects.present().filter(source_system=route.connection.source_system)
        if read.filter(source_id=place).exists():
            raise _wrong(
                "connection",
                f"{route.connection} reads the place that {route.destination} writes to, so its "
                "rows would go round in a circle; choose another connection or destination.",
            )
    return columns, conditions


def records_of(route: Route) -> Any:
    """The present records a route is about, before its filter."""
    rows = Record.objects.present().filter(record_type=route.record_type)
    for slug in refusing(route.destination.type):
        rows = rows.exclude(source_system__startswith=f"{slug}:")
    if route.connection is not None:
        rows = rows.filter(source_system=route.connection.source_system)
    return rows.filter(entity_type=route.entity_type) if route.entity_type else rows


def needs_raw(columns: Iterable[Column], conditions: Iterable[Condition]) -> bool:
    sources = [*(column.source for column in columns), *(one.field for one in conditions)]
    return any(source.partition(".")[0] == RAW for source in sources)


def _check_origin(route: Route) -> None:
    """Connection, entity type and record type fit together."""
    if route.connection is not None and route.connection.is_leaving:
        raise _wrong("connection", f"{route.connection} is disconnected; choose another.")
    kind = get_destination_type(route.destination.type)
    if route.connection is not None and route.connection.provider in refusing(kind.slug):
        label = get_connector(route.connection.provider).provider.label
        raise _wrong("connection", f"Records of {label} may not be written to {kind.label}.")
    if route.entity_type and route.connection is not None:
        connector = get_connector(route.connection.provider)
        by_name = {declared.name: declared for declared in connector.entity_types}
        if route.entity_type not in by_name:
            raise _wrong(
                "entity_type",
                f"{connector.provider.label} has no entity type {route.entity_type!r}; "
                f"there are {', '.join(by_name)}.",
            )
        _settle_record_type(route, by_name[route.entity_type])
    if not route.record_type:
        raise _wrong(
            "record_type", "Say which record type is meant, or connection and entity type."
        )
    if route.record_type not in RECORD_TYPES:
        known = ", ".join(RECORD_TYPES)
        raise _wrong("record_type", f"There is no record type {route.record_type!r}: {known}.")


def _settle_record_type(route: Route, declared: EntityType) -> None:
    possible = [made.record_type for made in declared.record_types]
    if not route.record_type and len(possible) == 1:
        route.record_type = possible[0]
    if route.record_type not in possible:
        raise _wrong("record_type", f"{declared.name} become {' or '.join(possible)}; choose that.")


def _refs(change: Change, columns: tuple[Column, ...]) -> list[Ref]:
    """Everything whose title is shown."""
    links = [ref for c in columns if c.is_link for ref in refs_at(change, c.source)]
    return [*titled_refs(change, columns), *links]


def _previewed(
    change: Change,
    columns: tuple[Column, ...],
    conditions: tuple[Condition, ...],
    titles: "Titles",
) -> PreviewRow:
    about = change.record_id, change.title or change.source_id
    if not all_hold(conditions, change):
        return PreviewRow(*about, "dropped", "The filter leaves it out.", {})
    try:
        cells = cells_of(change, columns, titles.of_change(change))
    except RecordRejectedError as exc:
        return PreviewRow(*about, "rejected", str(exc), {})
    title_of = titles.of_change(change)
    links: dict[str, Json] = {
        name: ", ".join(f"→ {title_of(ref) or ref.source_id}" for ref in refs) or None
        for name, refs in cells.refs.items()
    }
    values = {**cells.values, **links}
    return PreviewRow(*about, "written", "", {c.name: values[c.name] for c in columns})


def _name_of(route: Route) -> str:
    of = f" of {route.connection}" if route.connection is not None else ""
    what = name_for(route.entity_type) if route.entity_type else table_for(route.record_type)
    return f"{what}{of}"[:LONGEST_NAME]


def _checked(text: str, field: str, longest: int) -> str:
    text = text.strip()
    if not 1 <= len(text) <= longest or not text.isprintable():
        raise _wrong(field, f"Enter a {field} of 1 to {longest} characters.")
    return text


def _saved(route: Route) -> None:
    taken = Route.objects.filter(destination=route.destination, name=route.name)
    if taken.exclude(pk=route.pk).exists():
        raise NameTakenError(f"{route.destination} has a route called {route.name!r}.")
    try:
        with transaction.atomic():
            route.save()
    except IntegrityError as exc:
        raise NameTakenError(f"{route.destination} has a route called {route.name!r}.") from exc


def _told(route: Route) -> dict[str, Any]:
    """What the audit keeps of a route."""
    told = {name: getattr(route, name) for name in CHANGEABLE if name != "connection"}
    return {**told, "connection": str(route.connection_id or ""), "route": str(route.pk)}


def _wrong(field: str, sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, {field: [sentence]})
