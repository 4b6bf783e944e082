"""How a connection does: broken with a reason for each reader, and whole again by itself."""

from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from hub.fleet.managers import DueQuerySet
from hub.fleet.models import Due
from integrations.auth import missing_scopes
from integrations.connectors.registry import get_connector
from integrations.errors import AppRefusedError
from integrations.models import Connection
from integrations.sync.status import publish
from integrations.types import OAuth2
from tenants.actor import Actor

SCOPES_MISSING = "scopes_missing"

# Of a connection whose provider refuses our app: how often one looks whether that has passed.
APP_PROBE = timedelta(hours=1)

_HEALTH_FIELDS = (
    "status",
    "error_code",
    "error",
    "customer_message",
    "last_success_at",
    "updated_at",
)


@transaction.atomic
def mark_needs_reauth(
    connection: Connection, *, reason_code: str, operator: str, customer: str, actor: Actor
) -> None:
    """Say that a person must reconnect, to the operator and to the customer; nothing is due then.

    A second call with the same reason changes nothing, and a disconnected connection stays so.
    """
    status = Connection.Status
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    is_known = row.status == status.NEEDS_REAUTH and row.error_code == reason_code
    is_news = not row.is_leaving and not is_known
    work_of(row).update(due_at=None, parked_reason=status.NEEDS_REAUTH if is_news else row.status)
    if is_news:
        row.status = status.NEEDS_REAUTH
        row.error_code, row.error, row.customer_message = reason_code, operator, customer
        row.save(update_fields=_HEALTH_FIELDS)
        publish(row)
        record_event(
            AuditAction.CONNECTION_BROKEN, actor=actor, target=row, detail={"reason": reason_code}
        )
    _show(row, connection)


@transaction.atomic
def mark_app_refused(connection: Connection, *, operator: str, customer: str, actor: Actor) -> None:
    """Say that the provider does not accept our app: an operator's matter, not the customer's.

    The schedule stops at once; every hour one attempt to renew shows whether that has passed, and
    the first that succeeds repairs it. A second call changes nothing.
    """
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    is_news = row.can_sync
    if is_news:
        row.status = Connection.Status.BROKEN
        row.error_code = AppRefusedError.code
        row.error, row.customer_message = operator[:500], customer
        row.save(update_fields=_HEALTH_FIELDS)
    if row.waits_for_app:
        due_at = Now() + APP_PROBE
        work_of(row).update(due_at=due_at, parked_reason=AppRefusedError.code)
    if is_news:
        publish(row)
        record_event(
            AuditAction.CONNECTION_BROKEN,
            actor=actor,
            target=row,
            detail={"reason": row.error_code},
        )
    _show(row, connection)


@transaction.atomic
def mark_working(connection: Connection) -> None:
    """Note a success of just now; what was broken is whole again and its work comes round again."""
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    row.last_success_at = database_now()
    is_repaired = row.status in (Connection.Status.NEEDS_REAUTH, Connection.Status.BROKEN)
    if row.status != Connection.Status.PAUSED and not row.is_leaving:
        say_working(row)
    row.save(update_fields=_HEALTH_FIELDS)
    if is_repaired:
        work_of(row).filter(due_at=None).update(due_at=Now())
        work_of(row).update(parked_reason="", failures=0)
    publish(row)
    if is_repaired:
        record_event(AuditAction.CONNECTION_REPAIRED, actor=Actor.system("worker"), target=row)
    _show(row, connection)


def say_working(connection: Connection) -> None:
    """Set status and sentences of a connection whose access works: active, or limited by scopes."""
    missing = _missing(connection)
    if missing:
        label = get_connector(connection.provider).provider.label
        connection.status = Connection.Status.LIMITED
        connection.error_code = SCOPES_MISSING
        connection.error = f"Not granted: {', '.join(missing)}"[:500]
        connection.customer_message = (
            f"Some {label} data cannot be read, because not everything was allowed. "
            "Reconnect and allow all that is asked for."
        )
    else:
        connection.status = Connection.Status.ACTIVE
        connection.error_code = connection.error = connection.customer_message = ""


def work_of(connection: Connection) -> DueQuerySet:
    """The due rows that stop while nobody may read the account."""
    return Due.objects.for_object(connection).filter(kind__in=(Due.Kind.SYNC, Due.Kind.REFRESH))


def _missing(connection: Connection) -> list[str]:
    if connection.auth_kind != OAuth2.kind:
        return []
    for way in get_connector(connection.provider).provider.auth:
        if isinstance(way, OAuth2):
            return missing_scopes(way, connection.granted_scopes)
    return []


def _show(row: Connection, connection: Connection) -> None:
    """The caller's own instance says the same as the row."""
    for name in _HEALTH_FIELDS:
        setattr(connection, name, getattr(row, name))
