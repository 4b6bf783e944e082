"""How old what readers get is: the last synced records stay readable when a provider is down."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from hub.fleet.limits import Circuit
from integrations.connectors.registry import get_connector
from integrations.errors import UnknownProviderError
from integrations.models import Connection, Record
from integrations.sync.guards import circuits_of
from integrations.sync.rhythm import interval_of
from integrations.types import EntityType

LATE_INTERVALS: Final = 3
"""Late by less is a busy worker or a wait the provider asked for."""

LEAST_LATE: Final = timedelta(minutes=15)

PROVIDER_DOWN: Final = "provider_unavailable"
OVERDUE: Final = "overdue"
NOT_CONNECTED: Final = "disconnected"


@dataclass(frozen=True)
class Freshness:
    """`as_of`: the last time the entity type was read from the provider and committed.

    `reason` says why nothing newer is to be had: the provider does not answer
    (provider_unavailable), the sync is late (overdue), or the connection's status; '' if all is
    well.
    """

    as_of: datetime | None
    reason: str = ""

    @property
    def is_stale(self) -> bool:
        return self.reason != ""


def freshness_of(records: Iterable[Record]) -> dict[tuple[UUID, str], Freshness]:
    """Freshness by (connection id, entity type) of the records, in three statements.

    More are asked only while a circuit that may concern them is open.
    """
    wanted = {(record.connection_id, record.entity_type) for record in records}
    rows = Connection.objects.filter(pk__in={connection_id for connection_id, _ in wanted})
    connections = {row.pk: row for row in rows.prefetch_related("entity_type_statuses")}
    down, now = _down(connections), timezone.now()
    return {
        (pk, name): _of(connections[pk], name, pk in down, now)
        if pk in connections
        else Freshness(None, NOT_CONNECTED)
        for pk, name in wanted
    }


def with_freshness(records: Sequence[Any]) -> list[Any]:
    """The records, each with `freshness`, for whoever shows them."""
    ages = freshness_of(records)
    for record in records:
        record.freshness = ages[record.connection_id, record.entity_type]
    return list(records)


def _of(connection: Connection, entity_type: str, is_down: bool, now: datetime) -> Freshness:
    statuses = {row.entity_type: row for row in connection.entity_type_statuses.all()}
    declared = _declared(connection, entity_type)
    if declared is not None and declared.inside:  # it comes along and shares that checkpoint
        declared = _declared(connection, declared.inside)
    status = statuses.get(declared.name if declared else entity_type)
    # A type that is begun again has no checkpoint before its first batch, and its records have.
    as_of = (status.checkpoint_at or status.walked_at) if status else None
    if not connection.can_sync:
        return Freshness(as_of, connection.status)
    if is_down:
        return Freshness(as_of, PROVIDER_DOWN)
    every = timedelta(seconds=connection.interval_seconds)
    if declared is not None:
        every = interval_of(connection, declared, status)
    if as_of is None or now - as_of > max(LATE_INTERVALS * every, LEAST_LATE):
        return Freshness(as_of, OVERDUE)
    return Freshness(as_of)


def _declared(connection: Connection, entity_type: str) -> EntityType | None:
    """None if today's connector no longer knows the provider or the type."""
    try:
        types = get_connector(connection.provider).entity_types
    except UnknownProviderError:
        return None
    return next((each for each in types if each.name == entity_type), None)


def _down(connections: Mapping[UUID, Connection]) -> set[UUID]:
    """The connections whose calls an open circuit stops."""
    if not connections:
        return set()
    own = Q(scope=Circuit.Scope.CONNECTION, owner__in=[str(pk) for pk in connections])
    providers = {connection.provider for connection in connections.values()}
    shared = Q(scope=Circuit.Scope.APP, provider__in=providers)
    is_open = ~Q(state=Circuit.State.CLOSED)
    names = set(Circuit.objects.filter(own | shared, is_open).values_list("name", flat=True))
    if not names:
        return set()
    return {pk for pk, theirs in circuits_of(connections.values()).items() if names & theirs}
