"""What people do with destinations: create, change, pause, look again, write anew, delete.

And what is said of one whose worker dies again and again.
"""

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fleet.models import DestinationStatus, Due
from hub.observability.known_secrets import remember_values
from integrations.destinations.registry import get_destination_type
from integrations.destinations.tables import TableDestination
from integrations.errors import InvalidInputError, NameTakenError, RefusedError
from integrations.models import Connection, Destination, DestinationRun, ExternalId
from integrations.services.entered import checked_fields
from integrations.sync.destination_status import change_due, make_due, publish_destination
from integrations.sync.ledger import try_soon, write_again
from integrations.types import OAuth2
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.keys import seal_for
from tenants.roles import Role

LONGEST_NAME = 200


@requires_role(Role.ADMIN)
@transaction.atomic
def create_destination(
    *,
    type: str,
    name: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str] | None = None,
    connection: Connection | None = None,
    actor: Actor,
) -> Destination:
    """Return a new destination that is due at once; it writes as soon as it has a route.

    `settings` and `secrets` are the fields its type declares. With `connection` that connection's
    access is used and no secret is asked for.

    Raises:
        NotFoundRefusedError: there is no such type.
        InvalidInputError: a field is missing or odd, or the connection cannot lend its access.
        NameTakenError: the name, or the place it would write to, has a destination already.
    """
    kind = get_destination_type(type)
    destination = Destination(
        type=kind.slug,
        name=_checked_name(name),
        settings=_checked_settings(kind, settings),
        connection=connection,
    )
    _refuse_taken(kind, destination)
    _seal_access(kind, destination, secrets or {})
    _saved(destination)
    make_due(destination)
    publish_destination(destination)
    record_event(
        AuditAction.DESTINATION_CREATED,
        actor=actor,
        target=destination,
        detail={"type": kind.slug, **destination.settings},
    )
    return destination


@requires_role(Role.ADMIN)
@transaction.atomic
def change_destination(
    *,
    destination: Destination,
    name: str | None = None,
    secrets: Mapping[str, str] | None = None,
    connection: Connection | None = None,
    actor: Actor,
) -> Destination:
    """Rename it, or give it another access: `secrets`, or that of `connection`. Due at once.

    Where it writes to cannot be changed, because what was written lies there.

    Raises:
        InvalidInputError, NameTakenError: as when it is created.
    """
    row = _locked(destination)
    kind = get_destination_type(row.type)
    changed: dict[str, Any] = {}
    if name is not None and name.strip() != row.name:
        changed["name"] = {"old": row.name, "new": name.strip()}
        row.name = _checked_name(name)
        _refuse_taken(kind, row)
    if secrets is not None or connection is not None:
        row.connection = connection
        _seal_access(kind, row, secrets or {})
        changed["access"] = "connection" if connection else "entered"
    if changed:
        _saved(row)
        if not row.is_paused:
            make_due(row)
        publish_destination(row)
        record_event(AuditAction.DESTINATION_CHANGED, actor=actor, target=row, detail=changed)
    return row


@requires_role(Role.OPERATOR)
@transaction.atomic
def pause_destination(*, destination: Destination, actor: Actor) -> None:
    """Nothing is written there until somebody resumes; its checkpoint stays. Twice is as once."""
    row = _locked(destination)
    if row.is_paused:
        return
    row.status = destination.status = Destination.Status.PAUSED
    row.save(update_fields=["status", "updated_at"])
    change_due(row, due_at=None, parked_reason="paused")
    publish_destination(row)
    record_event(AuditAction.DESTINATION_PAUSED, actor=actor, target=row)


@requires_role(Role.OPERATOR)
@transaction.atomic
def resume_destination(*, destination: Destination, actor: Actor) -> None:
    """Write again from where it stopped; what is blocked or was refused is looked at again now."""
    row = _locked(destination)
    try_soon(row)
    if row.is_paused:
        row.status = destination.status = Destination.Status.ACTIVE
        row.error_code = row.error = ""
        row.save(update_fields=["status", "error_code", "error", "updated_at"])
        record_event(AuditAction.DESTINATION_RESUMED, actor=actor, target=row)
    make_due(row)
    publish_destination(row)


@requires_role(Role.OPERATOR)
@transaction.atomic
def rewrite_destination(
    *, destination: Destination, actor: Actor, forget_tables: bool = False
) -> None:
    """Every row is written again, whether it changed or not; due at once.

    With `forget_tables` tables and fields that somebody removed there are made anew.

    Raises:
        RefusedError: it is paused.
    """
    row = _locked(destination)
    if row.is_paused:
        raise RefusedError(f"{row} is paused; resume it first.")
    write_again(row, is_unsure=forget_tables)
    if forget_tables:
        row.schema = get_destination_type(row.type).to_be_made_anew(row.schema)
        row.save(update_fields=["schema", "updated_at"])
    begin_again(row)
    record_event(
        AuditAction.DESTINATION_REWRITTEN,
        actor=actor,
        target=row,
        detail={"forget_tables": forget_tables},
    )


@requires_role(Role.ADMIN)
@transaction.atomic
def delete_destination(*, destination: Destination, actor: Actor) -> None:
    """The destination, its routes and their ledger are gone; what was written there stays there."""
    row = _locked(destination)
    record_event(AuditAction.DESTINATION_DELETED, actor=actor, target=row)
    Due.objects.for_object(row).delete()
    DestinationStatus.objects.filter(destination_id=row.pk).delete()
    ExternalId.objects.filter(destination=row)._raw_delete("default")
    row.delete()


@transaction.atomic
def end_parked_destination(*, due: Due) -> None:
    """Say of work that was parked that it waits for a person; who looks again puts it back."""
    row = Destination.objects.select_for_update(no_key=True).filter(pk=due.object_id).first()
    if row is None or row.is_paused:
        return
    row.status, row.error_code = Destination.Status.BLOCKED, due.parked_reason
    row.error = (
        f"The worker ended {due.attempts} times without writing anything, so it is not tried again "
        "by itself. Look for memory or time limits, then look again."
    )
    row.save(update_fields=["status", "error_code", "error", "updated_at"])
    DestinationRun.objects.filter(destination=row, state=DestinationRun.State.RUNNING).update(
        state=DestinationRun.State.FAILED,
        ended_at=database_now(),
        error_code=row.error_code,
        error=row.error,
    )
    publish_destination(row)
    record_event(
        AuditAction.DESTINATION_BLOCKED,
        actor=Actor.system("worker"),
        target=row,
        detail={"code": row.error_code, "reason": row.error},
    )


def begin_again(destination: Destination) -> None:
    """The feed is read from its beginning, for instance for a new route; unchanged rows cost
    nothing there. A slice that is at work ends without moving the checkpoint.
    """
    Destination.objects.filter(pk=destination.pk).update(
        checkpoint=0, generation=F("generation") + 1
    )
    destination.refresh_from_db(fields=["checkpoint", "generation", "status"])
    if not destination.is_paused:
        make_due(destination)
    publish_destination(destination)


def _locked(destination: Destination) -> Destination:
    return Destination.objects.select_for_update(no_key=True).get(pk=destination.pk)


def _saved(destination: Destination) -> None:
    try:
        with transaction.atomic():
            destination.save()
    except IntegrityError as exc:
        raise NameTakenError(f"There is a destination called {destination.name!r}.") from exc


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        problem = f"Enter a name of 1 to {LONGEST_NAME} characters."
        raise InvalidInputError(problem, {"name": [problem]})
    return name


def _checked_settings(kind: type[TableDestination], settings: Mapping[str, str]) -> dict[str, str]:
    return checked_fields([field for field in kind.fields if not field.secret], settings)


def _refuse_taken(kind: type[TableDestination], destination: Destination) -> None:
    others = Destination.objects.exclude(pk=destination.pk)
    if others.filter(name=destination.name).exists():
        raise NameTakenError(f"There is a destination called {destination.name!r}.")
    place = destination.settings[kind.place]
    there = others.filter(type=kind.slug, **{f"settings__{kind.place}": place}).first()
    if there is not None:
        raise NameTakenError(f"The destination {there.name!r} writes there already; add a route.")


def _seal_access(
    kind: type[TableDestination], destination: Destination, secrets: Mapping[str, str]
) -> None:
    """Give the destination its own access, or check that its connection can lend one."""
    connection = destination.connection
    if connection is None:
        checked = checked_fields([field for field in kind.fields if field.secret], secrets)
        remember_values(checked)
        destination.credentials = seal_for(
            destination, "credentials", checked, tenant_id=current_tenant().pk
        )
        return
    if secrets:
        raise _no_lender("Choose a connection or enter an access, not both.")
    if connection.provider != kind.provider or connection.is_leaving:
        raise _no_lender(f"Choose a connection to {kind.label}.")
    missing = set(kind.lends) - set(connection.granted_scopes)
    if connection.auth_kind == OAuth2.kind and missing:
        raise _no_lender(
            f"{connection} may not write ({', '.join(sorted(missing))} not granted); "
            "enter an access of its own instead."
        )
    destination.credentials = None


def _no_lender(sentence: str) -> InvalidInputError:
    return InvalidInputError(sentence, {"connection": [sentence]})
