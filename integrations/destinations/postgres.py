"""The tenant's own schema as destination: records, links, rejections and checkpoint together.

One transaction per batch, one statement per step, whatever the number of rows:
the fence, the stored hashes, COPY and one INSERT … ON CONFLICT for what changed, the links, the
deletions, the rejections, the checkpoint. Unchanged records are not touched.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from hub.clock import database_now
from integrations import crash
from integrations.destinations.base import Batch, Destination, Row, Written
from integrations.destinations.compare import Key, Stored, compare, in_columns, key_of
from integrations.destinations.wake import wake_destinations
from integrations.errors import FencedError
from tenants.context import current_tenant

CHANGE_LOCK = 7001  # class of the advisory locks that order change_seq within a tenant

COPY_ROWS = 500  # joined before they are sent
SET_ASIDE_AT_MOST = 200  # of a batch that is not written

_FENCE = """
SELECT 1 FROM public.fleet_due d JOIN public.tenants_tenant t ON t.id = d.tenant_id
WHERE d.id = %s AND d.fence = %s AND d.lease_until IS NOT NULL AND t.state = 'active'
FOR SHARE OF d, t
"""

_INCOMING = """
CREATE TEMP TABLE IF NOT EXISTS hub_incoming (
    ordinal int, entity_type text, source_id text, scope text, record_type text, title text,
    data jsonb, raw jsonb, content_hash bytea, source_changed_at timestamptz
) ON COMMIT DELETE ROWS
"""

_UPSERT = """
INSERT INTO integrations_record AS r (source_system, entity_type, source_id, scope, connection_id,
    run_id, generation, record_type, title, data, raw, content_hash, source_changed_at,
    first_seen_at, changed_at, deleted_at, change_seq)
SELECT %(system)s, entity_type, source_id, scope, %(connection)s, %(run)s, %(generation)s,
    record_type, title, data, raw, content_hash, source_changed_at,
    %(now)s, %(now)s, NULL, nextval('integrations_change_seq')
FROM (SELECT * FROM hub_incoming ORDER BY ordinal) AS i
ON CONFLICT (source_system, entity_type, source_id) DO UPDATE SET
    scope = excluded.scope, connection_id = excluded.connection_id, run_id = excluded.run_id,
    generation = excluded.generation, record_type = excluded.record_type, title = excluded.title,
    data = excluded.data, raw = excluded.raw, content_hash = excluded.content_hash,
    source_changed_at = excluded.source_changed_at, changed_at = excluded.changed_at,
    deleted_at = NULL, change_seq = excluded.change_seq
WHERE r.content_hash <> excluded.content_hash OR r.scope <> excluded.scope
    OR r.deleted_at IS NOT NULL
RETURNING r.id, r.entity_type, r.source_id
"""

_DELETE = """
UPDATE integrations_record r
SET deleted_at = %(now)s, changed_at = %(now)s, run_id = %(run)s,
    change_seq = nextval('integrations_change_seq')
FROM unnest(%(types)s::text[], %(ids)s::text[], %(scopes)s::text[])
    AS g(entity_type, source_id, scope)
WHERE r.source_system = %(system)s AND r.entity_type = g.entity_type
    AND r.source_id = g.source_id AND r.deleted_at IS NULL
    AND (g.scope = '' OR r.scope = g.scope)
"""

_ADOPT = """
UPDATE integrations_record SET connection_id = %(connection)s
WHERE id = ANY(%(ids)s) AND connection_id <> %(connection)s AND deleted_at IS NULL
"""

_UNLINK = "DELETE FROM integrations_recordlink WHERE record_id = ANY(%s)"

_LINK = """
INSERT INTO integrations_recordlink
    (record_id, field, position, target_system, target_type, target_source_id, target_id)
SELECT l.record_id, l.field, l.position, %s, l.target_type, l.target_source_id, t.id
FROM unnest(%s::bigint[], %s::text[], %s::smallint[], %s::text[], %s::text[])
    AS l(record_id, field, position, target_type, target_source_id)
LEFT JOIN integrations_record t ON t.source_system = %s
    AND t.entity_type = l.target_type AND t.source_id = l.target_source_id
"""

_LINK_THE_WAITING = """
UPDATE integrations_recordlink l SET target_id = r.id
FROM integrations_record r
WHERE r.id = ANY(%s) AND l.target_id IS NULL AND l.target_system = r.source_system
    AND l.target_type = r.entity_type AND l.target_source_id = r.source_id
"""

_REJECT = """
INSERT INTO integrations_rejectedrecord AS r (connection_id, run_id, source_system, entity_type,
    source_id, scope, reason, raw, source_changed_at, times, first_at, last_at)
SELECT %s, %s, %s, j.entity_type, j.source_id, j.scope, j.reason, j.raw, j.source_changed_at, 1,
    %s, %s
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[])
    AS j(entity_type, source_id, scope, reason, raw, source_changed_at)
ON CONFLICT (source_system, entity_type, source_id) DO UPDATE SET
    connection_id = excluded.connection_id, run_id = excluded.run_id, reason = excluded.reason,
    raw = excluded.raw, source_changed_at = excluded.source_changed_at, times = r.times + 1,
    last_at = excluded.last_at, resolved_at = NULL
"""

_RESOLVE = """
UPDATE integrations_rejectedrecord r SET resolved_at = %s
FROM unnest(%s::text[], %s::text[], %s::text[]) AS k(entity_type, source_id, scope)
WHERE r.resolved_at IS NULL AND r.source_system = %s
    AND r.entity_type = k.entity_type AND r.source_id = k.source_id
    AND k.scope IN ('', r.scope)
"""

_REMEMBER = """
INSERT INTO integrations_sweepbatch (connection_id, entity_type, scopes, record_ids)
VALUES (%s, %s, %s, %s)
"""

_FORGET = """
UPDATE integrations_sweepbatch
SET scopes = array(SELECT unnest(scopes) EXCEPT SELECT unnest(%(skipped)s::text[]))
WHERE connection_id = %(connection)s AND entity_type = %(type)s
    AND scopes::text[] && %(skipped)s::text[]
"""

_CHECKPOINT = """
INSERT INTO integrations_checkpoint AS c (connection_id, entity_type, scope, destination,
    generation, cursor, done_in_run, fence, committed_at)
SELECT %s, %s, p.scope, %s, %s, p.cursor, p.done_in_run, %s, %s
FROM unnest(%s::text[], %s::jsonb[], %s::uuid[]) AS p(scope, cursor, done_in_run)
ON CONFLICT (connection_id, entity_type, scope, destination) DO UPDATE SET
    generation = excluded.generation, cursor = excluded.cursor,
    done_in_run = excluded.done_in_run, fence = excluded.fence,
    committed_at = excluded.committed_at
"""


class PostgresDestination(Destination):
    """Writes into the schema of the tenant that is entered."""

    type = "postgres"

    def write(self, batch: Batch) -> Written:
        """Store the batch and its positions in one transaction, joining one that is open."""
        with transaction.atomic():
            return self._write(batch)

    def set_aside(self, batch: Batch) -> None:
        """Store the first rejected rows of a batch that is not written, to be looked at."""
        rejected = {key_of(row): row for row in batch.rows if row.kind == "rejected"}
        with transaction.atomic():
            hold_fence(batch.due_id, batch.fence)
            if rejected:
                first = list(rejected.values())[:SET_ASIDE_AT_MOST]
                self._reject(batch, first, database_now())

    def _write(self, batch: Batch) -> Written:
        rows = batch.rows
        now = database_now()
        hold_fence(batch.due_id, batch.fence)
        found = compare(batch.source_system, rows, with_rejected=batch.sweep is not None)
        records, rejected, changed, gone = found.records, found.rejected, found.changed, found.gone
        sent = touched = deleted = 0
        new: list[int] = []
        if changed or gone:
            order_changes()
            if changed:
                sent, touched, new = self._upsert(batch, changed, found.stored, now)
            if gone:
                deleted = self._delete(batch, gone, now)
        refused = self._reject(batch, rejected, now) if rejected else 0
        self._resolve(batch, records, gone, now)
        if batch.adopts and found.stored:
            self._adopt(batch, [row.id for row in found.stored.values()])
        if changed or deleted:
            wake_destinations()
        self._remember(batch, [*(row.id for row in found.stored.values()), *new])
        crash.hit("before_checkpoint")
        self._checkpoint(batch, now)
        crash.hit("after_checkpoint")
        # As the database counts them; what somebody else has written alike meanwhile is unchanged.
        return Written(
            inserted=len(new),
            updated=touched - len(new),
            unchanged=found.unchanged + sent - touched + len(gone) - deleted,
            deleted=deleted,
            superseded=found.superseded,
            rejected=refused,
        )

    def _upsert(
        self, batch: Batch, changed: list[Row], stored: dict[Key, Stored], now: datetime
    ) -> tuple[int, int, list[int]]:
        """Store what changed; return how many rows arrived, how many of them differed from what
        was stored, and the ids of what was not there before."""
        with connection.cursor() as cursor:
            cursor.execute(_INCOMING)
            with cursor.copy("COPY hub_incoming FROM STDIN") as copy:
                for start in range(0, len(changed), COPY_ROWS):
                    block = enumerate(changed[start : start + COPY_ROWS], start)
                    copy.write(b"".join(_copy_line(ordinal, row) for ordinal, row in block))
            cursor.execute(
                _UPSERT,
                {
                    "system": batch.source_system,
                    "connection": batch.connection_id,
                    "run": batch.run_id,
                    "generation": batch.generation,
                    "now": now,
                },
            )
            ids: dict[Key, int] = {(kind, source): pk for pk, kind, source in cursor.fetchall()}
            cursor.execute("DELETE FROM hub_incoming")
            sent = int(cursor.rowcount)
            # Not by key: a tombstone may have been pruned since, and the record has come anew.
            before = {row.id for row in stored.values()}
            known = [pk for pk in ids.values() if pk in before]
            if known:
                cursor.execute(_UNLINK, [known])
            links = [
                (ids[key], link.field, link.position, link.target_type, link.target_source_id)
                for row in changed
                if (key := (row.entity_type, row.source_id)) in ids
                for link in row.links
            ]
            if links:
                cursor.execute(
                    _LINK, [batch.source_system, *in_columns(links), batch.source_system]
                )
            new = [pk for pk in ids.values() if pk not in before]
            if new:
                cursor.execute(_LINK_THE_WAITING, [new])
        return sent, len(ids), new

    def _delete(self, batch: Batch, gone: list[Row], now: datetime) -> int:
        types, ids, scopes = in_columns([(r.entity_type, r.source_id, r.scope) for r in gone])
        with connection.cursor() as cursor:
            cursor.execute(
                _DELETE,
                {
                    "now": now,
                    "run": batch.run_id,
                    "system": batch.source_system,
                    "types": types,
                    "ids": ids,
                    "scopes": scopes,
                },
            )
            return int(cursor.rowcount)

    def _reject(self, batch: Batch, rejected: list[Row], now: datetime) -> int:
        said = [(r.entity_type, r.source_id, r.scope, r.reason, r.raw) for r in rejected]
        times = [row.source_changed_at for row in rejected]
        columns = [*in_columns(said), [time.isoformat() if time else None for time in times]]
        with connection.cursor() as cursor:
            cursor.execute(
                _REJECT,
                [batch.connection_id, batch.run_id, batch.source_system, now, now, *columns],
            )
            return int(cursor.rowcount)

    def _resolve(self, batch: Batch, records: list[Row], gone: list[Row], now: datetime) -> None:
        """What was set aside earlier and is stored now, or gone from where it was, is resolved."""
        said = [(row.entity_type, row.source_id, "") for row in records]
        said += [(row.entity_type, row.source_id, row.scope) for row in gone]
        if said and batch.has_rejections:
            with connection.cursor() as cursor:
                cursor.execute(_RESOLVE, [now, *in_columns(said), batch.source_system])

    def _adopt(self, batch: Batch, record_ids: list[int]) -> None:
        """Make these the connection's own. That is no change of them: see docs/decisions/0014."""
        with connection.cursor() as cursor:
            cursor.execute(_ADOPT, {"connection": batch.connection_id, "ids": record_ids})

    def _remember(self, batch: Batch, record_ids: list[int]) -> None:
        """Note what a full walk saw, so that what it did not see can be told in the end.

        A scope that had to be skipped shows nothing.
        """
        covered = [
            p for p in batch.positions.values() if batch.sweep and batch.sweep.covers(p.scope)
        ]
        scopes = [position.scope for position in covered if not position.skipped]
        skipped = [position.scope for position in covered if position.skipped]
        values: dict[str, Any] = {
            "connection": batch.connection_id,
            "type": batch.walked_type,
            "skipped": skipped,
        }
        with connection.cursor() as cursor:
            if scopes:
                cursor.execute(
                    _REMEMBER, [batch.connection_id, batch.walked_type, scopes, record_ids]
                )
            if skipped:  # begun perhaps, and not come to its end
                cursor.execute(_FORGET, values)

    def _checkpoint(self, batch: Batch, now: datetime) -> None:
        if not batch.positions:
            return
        columns = in_columns(
            [
                (p.scope, orjson.dumps(p.cursor).decode(), batch.run_id if p.is_over else None)
                for p in batch.positions.values()
            ]
        )
        with connection.cursor() as cursor:
            cursor.execute(
                _CHECKPOINT,
                [
                    batch.connection_id,
                    batch.walked_type,
                    self.type,
                    batch.generation,
                    batch.fence,
                    now,
                    *columns,
                ],
            )


def hold_fence(due_id: UUID, fence: int) -> None:
    """Make sure until the end of the transaction that the lease is ours and the tenant active.

    Raises:
        FencedError: another worker has taken over, or the tenant is being closed.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FENCE, [due_id, fence])
        if cursor.fetchone() is None:
            raise FencedError("Another worker has taken over, or the tenant is being closed.")


def order_changes() -> None:
    """Let change_seq grow in commit order: writers of one tenant commit one after the other."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", [CHANGE_LOCK, current_tenant().number]
        )


def _copy_line(ordinal: int, row: Row) -> bytes:
    changed_at = row.source_changed_at
    return (
        b"\t".join(
            (
                b"%d" % ordinal,
                _copy_text(row.entity_type),
                _copy_text(row.source_id),
                _copy_text(row.scope),
                _copy_text(row.record_type),
                _copy_text(row.title),
                row.data.replace(b"\\", b"\\\\"),
                row.raw.replace(b"\\", b"\\\\"),
                b"\\\\x" + row.content_hash.hex().encode(),
                changed_at.isoformat().encode() if changed_at else b"\\N",
            )
        )
        + b"\n"
    )


def _copy_text(value: str) -> bytes:
    text = value.encode().replace(b"\\", b"\\\\")
    return text.replace(b"\t", b"\\t").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
