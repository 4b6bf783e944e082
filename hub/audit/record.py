"""Writing audit events: with the change they describe, or at once.

`record_event` writes in the transaction of the change, so both happen or neither does.
`record_now` is for what must be kept although the transaction is lost or there is none: refusals,
failures, logins, credential reads. It uses a connection of its own in autocommit, before anybody
gets an answer; if that fails, the caller's action fails too.

When it happened is said by the database's clock, as hosts may have wrong ones and the month decides
where an event is kept.
"""

import os
import threading
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from hub.audit.models import AuditAction, AuditEvent, Outcome
from hub.fields import uuid7
from hub.observability import context
from integrations import crash

if TYPE_CHECKING:
    from tenants.actor import Actor

_own = threading.local()

_INSERT = """
INSERT INTO public.audit_event (id, at, tenant_id, actor_kind, actor_id, actor_label, action,
    outcome, target_kind, target_id, target_label, detail, request_id, client_address)
VALUES (%s, clock_timestamp(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s)
"""


def record_event(
    action: AuditAction,
    *,
    actor: "Actor",
    target: models.Model | None = None,
    detail: dict[str, Any] | None = None,
    tenant_id: UUID | None = None,
    outcome: Outcome = Outcome.SUCCEEDED,
) -> None:
    """Write that the change in this transaction was made by `actor`, or that it came to nothing."""
    _insert(connections["default"], _event(action, outcome, actor, target, detail, tenant_id))


def record_now(
    action: AuditAction,
    *,
    actor: "Actor",
    outcome: Outcome = Outcome.SUCCEEDED,
    target: models.Model | None = None,
    detail: dict[str, Any] | None = None,
    tenant_id: UUID | None = None,
) -> None:
    """Write the event for good before returning, whatever becomes of the open transaction."""
    _insert(own_connection(), _event(action, outcome, actor, target, detail, tenant_id))


def record_on(
    connection: BaseDatabaseWrapper,
    action: AuditAction,
    *,
    actor: "Actor",
    target: models.Model | None = None,
    detail: dict[str, Any] | None = None,
    tenant_id: UUID | None = None,
) -> None:
    """Write the event in the transaction of a change made on a connection of its own."""
    event = _event(action, Outcome.SUCCEEDED, actor, target, detail, tenant_id)
    _insert(connection, event)


def own_connection() -> BaseDatabaseWrapper:
    """Return this thread's second connection to the same database, in autocommit."""
    kept: _Kept | None = getattr(_own, "kept", None)
    if kept is None or kept.process != os.getpid():  # a fork shares the socket; it is the parent's
        kept = _own.kept = _Kept(connections.create_connection("default"))
    kept.connection.close_if_unusable_or_obsolete()
    return kept.connection


class _Kept:
    """A connection that is closed when its thread has ended, as web servers begin many."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self.process = os.getpid()

    def __del__(self) -> None:
        if self.process == os.getpid() and self.connection.connection is not None:
            self.connection.connection.close()


def _event(
    action: AuditAction,
    outcome: Outcome,
    actor: "Actor",
    target: models.Model | None,
    detail: dict[str, Any] | None,
    tenant_id: UUID | None,
) -> AuditEvent:
    return AuditEvent(
        id=uuid7(),
        tenant_id=tenant_id or context.tenant_id.get(),
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_label=actor.label[:200],
        action=action,
        outcome=outcome,
        target_kind=target._meta.model_name or "" if target else "",
        target_id=str(target.pk) if target else "",
        target_label=str(target)[:200] if target else "",
        detail=detail or {},
        request_id=context.request_id.get(),
        client_address=context.client_address.get(),
    )


def _insert(connection: BaseDatabaseWrapper, event: AuditEvent) -> None:
    detail = AuditEvent._meta.get_field("detail").get_db_prep_save(event.detail, connection)
    crash.hit("before_audit")
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT,
            (
                event.id,
                event.tenant_id,
                event.actor_kind,
                event.actor_id,
                event.actor_label,
                event.action,
                event.outcome,
                event.target_kind,
                event.target_id,
                event.target_label,
                detail,
                event.request_id,
                event.client_address,
            ),
        )
    crash.hit("after_audit")
