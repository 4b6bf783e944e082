"""Asking for a pre-flight, and making the one that was asked for."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fleet.attempts import audit_failed
from hub.fleet.models import Due
from integrations.errors import FencedError, HubError, RetryableError
from integrations.models import Connection, Preflight
from integrations.sync.failures import NOT_ASKED, TRIES
from integrations.sync.preflight import check, want
from integrations.sync.settle import wait_for
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.decorators import requires_role
from tenants.roles import Role

LANE = "preflight"


@requires_role(Role.OPERATOR)
@transaction.atomic
def request_preflight(*, connection: Connection, actor: Actor) -> None:
    """A worker makes a pre-flight of `connection` now. Asking twice is safe.

    Raises:
        ConnectionNotActiveError: it is paused, or waits for a person to reconnect it.
    """
    row = Connection.objects.select_for_update(no_key=True).get(pk=connection.pk)
    row.check_can("be read")
    want(row, Preflight.Because.ASKED)
    fresh = {"due_at": Now(), "attempts": 0, "failures": 0, "parked_reason": ""}
    Due.objects.update_or_create(
        tenant=current_tenant(),
        kind=Due.Kind.PREFLIGHT,
        object_id=row.pk,
        lane=LANE,
        defaults=fresh,
        create_defaults={**fresh, "provider": row.provider},
    )
    record_event(AuditAction.SYNC_REQUESTED, actor=actor, target=row, detail={"mode": "preflight"})


def make_preflight(*, due_id: UUID, fence: int) -> str:
    """Make the pre-flight of the due row and give the lease back; return a short sentence."""
    due = Due.objects.get(pk=due_id)
    if due.fence != fence:
        raise FencedError("Another worker has taken over.")
    connection = Connection.objects.active().filter(pk=due.object_id).first()
    said = "The connection cannot be read now."
    if connection is not None:
        try:
            because = Preflight.Because.ASKED
            report = check(connection, actor=Actor.system("worker"), because=because)
            said = f"Looked at {len(report.lines)} entity types."
        except RetryableError as exc:
            was_asked = not isinstance(exc, NOT_ASKED)
            if due.failures < TRIES or not was_asked:
                wait = max(1.0, wait_for(exc, due.failures))
                later = Now() + timedelta(seconds=wait)
                waited = F("failures") + int(was_asked)
                given = {"due_at": later, "failures": waited, "attempts": 0}
                with transaction.atomic():
                    is_ours = Due.objects.release(due_id, fence=fence, **given)
                    if is_ours and was_asked:
                        audit_failed(due, reason=exc.code, target=connection)
                return f"Waits {wait:.0f} s: {exc}"
            said = str(exc)
        except HubError as exc:  # the next sync meets it too, and says so on the connection
            said = str(exc)
    Due.objects.filter(pk=due_id, fence=fence).delete()
    return said
