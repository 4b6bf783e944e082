"""What is asked of a person before it is deleted: opening reviews and keeping them true.

One review per entity type and cause is open at a time. What is found later joins it, what is listed
again leaves it, and what a person has kept or not decided yet is never deleted meanwhile.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.utils import timezone

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from integrations.destinations.base import Row
from integrations.destinations.postgres import order_changes
from integrations.models import Connection, DeletionReview
from integrations.sync.status import publish_reviews
from integrations.types import EntityType
from tenants.actor import Actor

_ASK = """
INSERT INTO integrations_deletionreview AS d
    (id, connection_id, entity_type, cause, run_id, record_ids, present, state, decided_by)
SELECT %(id)s, %(connection)s, %(type)s, %(cause)s, %(run)s, f.ids, %(present)s, 'pending', ''
FROM (SELECT array(SELECT a.id FROM ({found}) a ORDER BY a.id) AS ids) f
WHERE cardinality(f.ids) > 0
ON CONFLICT (connection_id, entity_type, cause) WHERE state = 'pending' DO UPDATE SET
    run_id = excluded.run_id, present = excluded.present, found_at = statement_timestamp(),
    record_ids = {ids}
RETURNING xmax = 0
"""

_DECIDED = """
SELECT g.place - 1,
    r.id IN (
        SELECT unnest(d.record_ids) FROM integrations_deletionreview d
        JOIN integrations_connection c ON c.id = d.connection_id
        WHERE c.source_system = %(system)s AND d.entity_type = %(type)s
            AND d.cause = 'signal' AND d.state IN ('pending', 'refused')
    ),
    coalesce((
        SELECT d.held FROM integrations_deletionreview d
        WHERE d.connection_id = %(connection)s AND d.entity_type = %(type)s
            AND d.cause = 'signal' AND d.state = 'pending' AND d.run_id = %(run)s
    ), 0)
FROM unnest(%(types)s::text[], %(ids)s::text[], %(scopes)s::text[])
    WITH ORDINALITY AS g(entity_type, source_id, scope, place)
JOIN integrations_record r ON r.source_system = %(system)s AND r.entity_type = g.entity_type
    AND r.source_id = g.source_id AND r.deleted_at IS NULL AND (g.scope = '' OR r.scope = g.scope)
"""

_TAKE_BACK = """
UPDATE integrations_deletionreview d SET
    record_ids = remains.ids,
    state = CASE WHEN cardinality(remains.ids) = 0 THEN 'outdated' ELSE d.state END,
    decided_at = CASE WHEN cardinality(remains.ids) = 0 THEN %(now)s END
FROM (
    SELECT w.id, array(
        SELECT unnest(w.record_ids) EXCEPT
        SELECT r.id FROM unnest(%(types)s::text[], %(ids)s::text[]) AS k(entity_type, source_id)
        JOIN integrations_record r ON r.source_system = %(system)s
            AND r.entity_type = k.entity_type AND r.source_id = k.source_id
        ORDER BY 1
    ) AS ids
    FROM integrations_deletionreview w JOIN integrations_connection c ON c.id = w.connection_id
    WHERE c.source_system = %(system)s AND w.entity_type = %(type)s AND w.state = 'pending'
) remains
WHERE d.id = remains.id AND d.state = 'pending' AND cardinality(remains.ids) < d.held
RETURNING d.connection_id, d.state
"""


def is_asked(connection: Connection, declared: EntityType) -> bool:
    """Whether somebody is asked about records of the type."""
    system = connection.source_system  # an earlier connection may have asked
    asked = DeletionReview.objects.pending().filter(connection__source_system=system)
    return asked.filter(entity_type=declared.name).exists()


def ask(
    connection: Connection,
    declared: EntityType,
    cause: str,
    values: dict[str, Any],
    found: str,
    there: int,
    *,
    is_whole: bool = False,
) -> None:
    """Open the review, or bring the one that is open up to date. Only a new one is told.

    What was found without seeing everything (`is_whole`) adds to what is held. Nothing is asked
    where nothing is left, because somebody has approved it meanwhile.
    """
    order_changes()  # before the review is held, as whoever decides does
    review = DeletionReview(cause=cause)
    ids = "array(SELECT DISTINCT unnest(d.record_ids || excluded.record_ids) ORDER BY 1)"
    if is_whole:
        ids = "excluded.record_ids"
    with database.cursor() as cursor:
        cursor.execute(
            _ASK.format(found=found, ids=ids),
            {
                **_of(connection, declared),
                **values,
                "id": review.pk,
                "cause": cause,
                "present": there,
            },
        )
        asked = cursor.fetchone()
    if asked is not None and asked[0]:  # a new one
        record_event(
            AuditAction.DELETIONS_HELD,
            actor=Actor.system("engine"),
            target=connection,
            detail={"entity_type": declared.name, "cause": cause, "review": str(review.pk)},
        )
        publish_reviews(connection)


def withdraw(connection: Connection, declared: EntityType) -> None:
    """A walk found so few absent that nothing needs to be asked any more."""
    order_changes()
    open_one = DeletionReview.objects.pending().filter(
        connection=connection,
        entity_type=declared.name,
        cause=DeletionReview.Cause.ABSENCE,
    )
    if open_one.update(state=DeletionReview.State.OUTDATED, decided_at=timezone.now()):
        publish_reviews(connection)


def decided(
    connection: Connection, declared: EntityType, reported: Sequence[Row], run_id: UUID
) -> list[tuple[int, bool, int]]:
    """Of each reported deletion of a record that is there: its place in `reported`, whether
    somebody was asked about it before, and how many the run has held back so far.
    """
    values = {**_of(connection, declared), **columns_of(reported), "run": run_id}
    with database.cursor() as cursor:
        cursor.execute(_DECIDED, values)
        found: list[tuple[int, bool, int]] = cursor.fetchall()
    return found


def take_back(connection: Connection, declared: EntityType, rows: Sequence[Row]) -> None:
    """What is listed, changed or not, is there: nobody needs to be asked about it any more."""
    if not rows:
        return
    order_changes()
    values = {**_of(connection, declared), **columns_of(rows), "now": timezone.now()}
    with database.cursor() as cursor:
        cursor.execute(_TAKE_BACK, values)
        found = cursor.fetchall()
    over = {asked_of for asked_of, state in found if state == DeletionReview.State.OUTDATED}
    for asked_of in Connection.objects.filter(pk__in=over) if over else ():
        publish_reviews(asked_of)


def columns_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The keys and scopes of the rows, as the statements here take them."""
    return {
        "types": [row.entity_type for row in rows],
        "ids": [row.source_id for row in rows],
        "scopes": [row.scope for row in rows],
    }


def _of(connection: Connection, declared: EntityType) -> dict[str, Any]:
    return {
        "system": connection.source_system,
        "connection": connection.pk,
        "type": declared.name,
    }
