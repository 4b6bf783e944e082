"""What people do with records: replay one that was set aside."""

from uuid import UUID

from django.db import transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.fields import uuid7
from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.connectors.registry import get_connector
from integrations.destinations.base import Batch
from integrations.destinations.postgres import PostgresDestination, order_changes
from integrations.errors import AlreadyRunningError, RefusedError
from integrations.http.json_reader import read_piece
from integrations.models import EntityTypeStatus, RejectedRecord
from integrations.sync.prepare import prepare
from integrations.types import Entity
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role

REPLAY_SECONDS = 30.0


@requires_role(Role.OPERATOR)
def replay_rejected(*, rejected: RejectedRecord, actor: Actor) -> str:
    """Try the stored bytes of a rejected record again with today's connector; return a sentence.

    What fails again stays rejected, with the reason of now; what is older than what is stored
    changes nothing, where the newest wins.

    Raises:
        AlreadyRunningError: a sync of this connection is writing just now.
        RefusedError: the entity was stored or deleted since, which these bytes would set back.
    """
    due = Due.objects.filter(object_id=rejected.connection_id, kind=Due.Kind.SYNC).first()
    claim = due and claim_one(due.pk, worker_id=uuid7(), lease_seconds=REPLAY_SECONDS)
    if due is None or claim is None:
        raise AlreadyRunningError("A sync of this connection is running; replay when it is done.")
    try:
        with transaction.atomic():
            order_changes()  # before the row is held, as a sync does
            rows = RejectedRecord.objects.select_for_update(no_key=True, of=("self",))
            if rows.get(pk=rejected.pk).resolved_at is not None:
                raise RefusedError("Something newer has arrived since; there is nothing to replay.")
            written = PostgresDestination().write(_batch(rejected, due.pk, claim.fence))
            record_event(AuditAction.RECORD_REPLAYED, actor=actor, target=rejected)
    finally:
        Due.objects.release(due.pk, fence=claim.fence, attempts=due.attempts)
    if written.rejected:
        rejected.refresh_from_db()
        return f"Still rejected: {rejected.reason}"
    if written.superseded:
        return "A newer version is stored already; nothing was changed."
    return "Stored as a record."


def _batch(rejected: RejectedRecord, due_id: UUID, fence: int) -> Batch:
    connection = rejected.connection
    connector = get_connector(connection.provider)()
    generation = (
        EntityTypeStatus.objects.filter(connection=connection, entity_type=rejected.entity_type)
        .values_list("generation", flat=True)
        .first()
    )
    batch = Batch(
        connection_id=connection.pk,
        source_system=connection.source_system,
        run_id=rejected.run_id,
        walked_type=rejected.entity_type,
        generation=generation or 1,
        fence=fence,
        due_id=due_id,
    )
    batch.rows = [prepare(connector, _entity(rejected))]
    return batch


def _entity(rejected: RejectedRecord) -> Entity:
    """The entity as it came: its bytes are read by the reader that refused or accepted them."""
    payload = read_piece(bytes(rejected.raw))
    changed_at = rejected.source_changed_at
    return Entity(rejected.entity_type, rejected.source_id, payload, rejected.scope, changed_at)
