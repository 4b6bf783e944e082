"""Deleting what is stored of the account of a connection that is being disconnected."""

from collections.abc import Callable
from typing import Any

from django.db import connection as database

from integrations import crash
from integrations.models import Connection, Disconnection

PURGE_ROWS = 5_000  # in one transaction, so that no lock is long

# Once the step is over the account may be connected again, and what is there is not ours any more.
# Each statement looks at what was committed when it began, so this and the rows are of one moment.
_IS_OPEN = """EXISTS (
    SELECT FROM integrations_disconnection asked
    WHERE asked.id = %(asked)s AND asked.steps -> 'records' IS NULL
)"""

_PURGE_RECORDS = f"""
WITH going AS (
    SELECT id FROM integrations_record WHERE source_system = %(system)s AND {_IS_OPEN}
    LIMIT %(rows)s FOR UPDATE
), parted AS (
    UPDATE integrations_recordlink SET target_id = NULL
    WHERE target_id IN (SELECT id FROM going) AND record_id NOT IN (SELECT id FROM going)
), unlinked AS (
    DELETE FROM integrations_recordlink WHERE record_id IN (SELECT id FROM going)
)
DELETE FROM integrations_record WHERE id IN (SELECT id FROM going)
"""

_SHADOWS = "SELECT id FROM integrations_shadowdiff WHERE connection_id = ANY(%(connections)s)"

# What else is kept per account, or per connection that ever read it.
_PURGE_OTHERS = tuple(
    f"DELETE FROM {table} WHERE id IN"
    f" (SELECT id FROM {table} WHERE {owner} AND {_IS_OPEN} LIMIT %(rows)s)"
    for table, owner in (
        ("integrations_rejectedrecord", "source_system = %(system)s"),
        ("integrations_checkpoint", "connection_id = ANY(%(connections)s)"),
        ("integrations_entitytypestatus", "connection_id = ANY(%(connections)s)"),
        ("integrations_entityshape", "connection_id = ANY(%(connections)s)"),
        ("integrations_sweepbatch", "connection_id = ANY(%(connections)s)"),
        ("integrations_deletionreview", "connection_id = ANY(%(connections)s)"),
        ("integrations_shadowbatch", f"shadow_id IN ({_SHADOWS})"),
        ("integrations_shadowdiff", "connection_id = ANY(%(connections)s)"),
        ("integrations_syncrun", "connection_id = ANY(%(connections)s)"),
    )
)


def purge_account(asked: Disconnection, *, after_chunk: Callable[[], None]) -> None:
    """Records, rejected records, checkpoints, runs and reviews of the account are gone.

    `after_chunk` is called after each that may have left some; what it raises leaves the rest for
    the next call. Does nothing once the step "records" is over, whoever calls.
    """
    connection = asked.connection
    readers = Connection.objects.filter(source_system=connection.source_system)
    values: dict[str, Any] = {
        "system": connection.source_system,
        "connections": list(readers.values_list("pk", flat=True)),
        "rows": PURGE_ROWS,
        "asked": asked.pk,
    }
    for statement in (_PURGE_RECORDS, *_PURGE_OTHERS):
        while True:
            with database.cursor() as cursor:
                cursor.execute(statement, values)
                deleted = cursor.rowcount
            crash.hit("after_purge_chunk")
            if deleted < PURGE_ROWS:
                break
            after_chunk()
