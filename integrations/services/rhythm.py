"""How often each entity type of a connection is read."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fleet.models import Due
from integrations.connectors.registry import get_connector
from integrations.errors import InvalidInputError, ReadTooSoonError, UnknownProviderError
from integrations.models import Connection, EntityTypeStatus
from integrations.sync.order import in_order
from integrations.sync.rhythm import interval_of, too_soon_until
from integrations.types import EntityType
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=1)  # of connections and of their types
SHORTEST_RECONCILE = timedelta(days=1)
LONGEST_RECONCILE = timedelta(days=90)


@requires_role(Role.OPERATOR)
@transaction.atomic
def change_type_interval(
    *, connection: Connection, entity_type: str, seconds: int | None, actor: Actor
) -> EntityTypeStatus:
    """Read the type every `seconds` from now on; None as often as the connection.

    Raises:
        InvalidInputError: no such type, not between a minute and a day, or more often than the
            provider allows; or it comes along in another one.
    """
    declared = declared_type(connection, entity_type)
    if seconds is not None:
        _check(connection, declared, timedelta(seconds=seconds))
    status = _change(connection, declared, "interval_seconds", seconds, "interval", actor=actor)
    if seconds is not None:
        work = Due.objects.for_object(connection).filter(kind=Due.Kind.SYNC)
        work.bring_forward(timedelta(seconds=seconds))
    return status


@requires_role(Role.OPERATOR)
@transaction.atomic
def change_type_reconcile_interval(
    *, connection: Connection, entity_type: str, seconds: int | None, actor: Actor
) -> EntityTypeStatus:
    """Read the type in full every `seconds`, to find what was missed; 0: never.

    None: as often as the connection says, where the provider reports no deletions; else never.

    Raises:
        InvalidInputError: no such type, or neither 0 nor between a day and 90 days; or it comes
            along in another one.
    """
    declared = declared_type(connection, entity_type)
    check_reconcile_interval(seconds or 0)
    said = "reconciling interval"
    return _change(connection, declared, "reconcile_seconds", seconds, said, actor=actor)


def _change(
    connection: Connection,
    declared: EntityType,
    column: str,
    new: int | None,
    said: str,
    *,
    actor: Actor,
) -> EntityTypeStatus:
    """Set one column of the type's status and write down, as `said`, what it was."""
    status, _ = EntityTypeStatus.objects.select_for_update().get_or_create(
        connection=connection, entity_type=declared.name
    )
    old = getattr(status, column)
    setattr(status, column, new)
    status.save(update_fields=[column])
    record_event(
        AuditAction.CONNECTION_CHANGED,
        actor=actor,
        target=connection,
        detail={f"{said} of {declared.name}": {"old": old, "new": new}},
    )
    return status


def declared_type(connection: Connection, name: str) -> EntityType:
    """Return the provider's entity type of this name, one that is read by itself.

    Raises:
        InvalidInputError: there is none, or it comes along in another one.
    """
    connector = get_connector(connection.provider)
    types = {each.name: each for each in connector.entity_types}
    if name not in types:
        label = connector.provider.label
        problem = f"{label} has no entity type '{name}'; it has {', '.join(types)}."
    elif inside := types[name].inside:
        problem = f"{name} come along in {inside}; name that."
    else:
        return types[name]
    raise InvalidInputError(problem, {"entity_type": [problem]})


def seconds_between_reads(status: EntityTypeStatus) -> int | None:
    """How often the type is read on schedule; None if today's connector does not know it."""
    connection = status.connection
    try:
        declared = declared_type(connection, status.entity_type)
    except (InvalidInputError, UnknownProviderError):
        return None
    return int(interval_of(connection, declared, status).total_seconds())


def why_not_shorter(connection: Connection, declared: EntityType) -> str:
    """The sentence that says how often the provider lets the type be read; '' if it does not."""
    if declared.min_interval is None:
        return ""
    label = get_connector(connection.provider).provider.label
    return f"{label} allows {declared.name} to be read once in {_words(declared.min_interval)}."


def refuse_too_soon(connection: Connection, named: Sequence[str]) -> None:
    """Refuse to read types in full that the provider does not allow to be read again yet.

    What nobody `named` is left out of the run instead, unless nothing would remain.

    Raises:
        ReadTooSoonError: with the time from which on it may be read.
    """
    types = in_order(get_connector(connection.provider).entity_types, named)
    found = {row.entity_type: row for row in connection.entity_type_statuses.all()}
    until = [
        (at, each.name, each)
        for each in types
        if each.name in found and (at := too_soon_until(each, found[each.name]))
    ]
    if not until or (not named and len(until) < len(types)):
        return
    at, _, declared = max(until) if named else min(until)
    raise ReadTooSoonError(
        f"{why_not_shorter(connection, declared)} Ask for it in full again after"
        f" {at + timedelta(minutes=1):%d %b %H:%M} UTC."
    )


def check_interval(wanted: timedelta) -> None:
    """Raises InvalidInputError if nothing is read so often, or so seldom."""
    if not SHORTEST <= wanted <= LONGEST:
        problem = "Choose an interval between one minute and one day."
        raise InvalidInputError(problem, {"interval_seconds": [problem]})


def check_reconcile_interval(seconds: int) -> None:
    """Raises InvalidInputError if it is neither 0, for never, nor between a day and 90 days."""
    if seconds and not SHORTEST_RECONCILE <= timedelta(seconds=seconds) <= LONGEST_RECONCILE:
        problem = "Choose between one day and 90 days, or 0 for never."
        raise InvalidInputError(problem, {"reconcile_seconds": [problem]})


def _check(connection: Connection, declared: EntityType, wanted: timedelta) -> None:
    check_interval(wanted)
    if declared.min_interval is not None and wanted < declared.min_interval:
        problem = why_not_shorter(connection, declared)
        raise InvalidInputError(problem, {"interval_seconds": [problem]})


def _words(span: timedelta) -> str:
    for unit, seconds in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(int(span.total_seconds()), seconds)
        if count and not rest:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{span.total_seconds():.0f} seconds"
