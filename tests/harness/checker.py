"""Says what is wrong with what a hub has stored, given what the provider has. Nothing may be.

    lost        at the provider, not stored               stale       stored in an older version
    duplicated  one entity stored twice                   phantom     stored, deleted or never there
    early       a checkpoint past entities that are not stored
    backward    a checkpoint written under a fence nobody holds, or set back within a generation
    counts      a run whose lines do not add up, or runs that inserted more than there is
    open        a run without an end; a lease; work in the queue of a unit that lives
    reuse       a refresh token used a second time
    unaudited   a failed run, or an attempt that came to nothing, without exactly one audit event

`early` holds at any moment; the others once faults are healed and all work is done.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.signing import BadSignature
from django.db import connection as database
from django.db.models import F
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from hub.audit.models import AuditAction, AuditEvent
from hub.fleet.models import Due, Worker
from integrations.models import Checkpoint, Connection, Record, SyncRun
from integrations.queue import BEAT, QUEUE_PREFIX
from tenants.context import current_tenant
from tests.harness.simulator import TYPES, Account, Row, sha256_of

Wrong = dict[str, list[str]]
LINE = ("inserted", "updated", "unchanged", "deleted", "superseded", "rejected", "dropped")

_REMEMBER = """
CREATE TABLE harness_checkpoint AS
    SELECT 0::bigint AS step, false AS is_held, * FROM integrations_checkpoint WITH NO DATA;
CREATE SEQUENCE harness_step OWNED BY harness_checkpoint.step;
ALTER TABLE harness_checkpoint ALTER step SET DEFAULT nextval('harness_step');
CREATE FUNCTION harness_remember() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.harness_checkpoint
        SELECT nextval(''%I.harness_step''), $2, $1.*', TG_TABLE_SCHEMA, TG_TABLE_SCHEMA)
        USING NEW, EXISTS (
            SELECT FROM public.fleet_due WHERE object_id = NEW.connection_id
                AND fence = NEW.fence AND lease_until IS NOT NULL
        );
    RETURN NULL;
END $$;
CREATE TRIGGER harness_remember AFTER INSERT OR UPDATE ON integrations_checkpoint
    FOR EACH ROW EXECUTE FUNCTION harness_remember();
"""
# An attempt is lost when its lease is taken over or freed by others; it has failed when it is given
# back with one failure more, unless it got on (which sets its attempts to 0) and only waits. The
# events of the product must say the same.
_REMEMBER_ATTEMPTS = """
CREATE TABLE harness_attempt (object_id uuid, due uuid, fence bigint, how text);
CREATE FUNCTION harness_attempt_failed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE how text;
BEGIN
    IF OLD.lease_until IS NULL OR OLD.started_at IS NULL THEN
        RETURN NULL;
    ELSIF NEW.fence > OLD.fence THEN
        how := 'overtaken';
    ELSIF NEW.lease_until IS NOT NULL THEN
        RETURN NULL;
    ELSIF NEW.failures > OLD.failures AND OLD.attempts = 0 AND NEW.run_id IS NOT NULL THEN
        RETURN NULL;
    ELSIF NEW.failures > OLD.failures THEN
        how := 'failed';
    ELSIF (NEW.due_at, NEW.attempts) = (OLD.due_at, OLD.attempts) THEN
        how := 'freed';
    ELSE
        RETURN NULL;
    END IF;
    INSERT INTO %(schema)s.harness_attempt VALUES (OLD.object_id, OLD.id, OLD.fence, how);
    RETURN NULL;
END $$;
CREATE TRIGGER harness_attempt AFTER UPDATE ON public.fleet_due
    FOR EACH ROW WHEN (OLD.kind = 'sync') EXECUTE FUNCTION harness_attempt_failed();
"""
_FORGET = """
DROP TRIGGER harness_attempt ON public.fleet_due;
DROP FUNCTION harness_attempt_failed();
DROP TABLE harness_attempt;
DROP TRIGGER harness_remember ON integrations_checkpoint;
DROP FUNCTION harness_remember();
DROP TABLE harness_checkpoint;
"""


@contextmanager
def remembered_checkpoints() -> Iterator[None]:
    """Every checkpoint written in the tenant entered is kept, in order; and who failed at it."""
    schema = f'"{current_tenant().schema_name}"'
    with database.cursor() as cursor:
        cursor.execute(_REMEMBER)
        cursor.execute(_REMEMBER_ATTEMPTS % {"schema": schema})
    try:
        yield
    finally:
        with database.cursor() as cursor:
            cursor.execute(_FORGET)


def check(connection: str, account: Account) -> Wrong:
    """Everything that is wrong with a connection that has come to rest; {} if nothing is."""
    wrong: Wrong = defaultdict(list)
    system = Connection.objects.get(pk=connection).source_system
    _check_records(system, account, wrong)
    _check_history(connection, wrong)
    _check_runs(connection, system, wrong)
    _check_attempts(connection, wrong)
    _check_rest(connection, wrong)
    wrong["early"] += early(connection, account)
    if account.grant.reuse:
        wrong["reuse"].append(f"{account.grant.reuse} times")
    return {name: found for name, found in wrong.items() if found}


def early(connection: str, account: Account) -> list[str]:
    """Entities that a committed checkpoint says are stored, and are not."""
    system = Connection.objects.get(pk=connection).source_system
    stored = _stored(system)
    found = []
    for row in Checkpoint.objects.filter(connection_id=connection, destination="postgres"):
        is_feed, position = "feed" in row.cursor, _position(row.cursor)
        for there in account.tables[row.entity_type].values():
            if there.seq > position or (there.is_deleted and not is_feed):
                continue
            if not _is_stored(there, stored.get((row.entity_type, there.id))):
                found.append(f"{row.entity_type} {there.id}, checkpoint at {row.cursor}")
    return found


def _check_records(system: str, account: Account, wrong: Wrong) -> None:
    stored = _stored(system)
    for entity_type in TYPES:
        for id, row in account.present(entity_type).items():
            record = stored.get((entity_type, id))
            if record is None or record["deleted"]:
                wrong["lost"].append(f"{entity_type} {id}")
            elif record["version"] != row.version:
                wrong["stale"].append(f"{entity_type} {id}: {record['version']} of {row.version}")
    for (entity_type, id), record in stored.items():
        there = account.tables[entity_type].get(id)
        if there is None or (there.is_deleted and not record["deleted"]):
            wrong["phantom"].append(f"{entity_type} {id}")
        if not record["is_whole"]:
            wrong["phantom"].append(f"{entity_type} {id} is damaged")
    keys = Counter(
        Record.objects.filter(source_system=system).values_list("entity_type", "source_id")
    )
    wrong["duplicated"] += [f"{key} {times} times" for key, times in keys.items() if times > 1]


def _check_history(connection: str, wrong: Wrong) -> None:
    """Who writes holds the work, and within a generation the position only grows."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT entity_type, scope, destination, is_held, fence, generation, cursor::text"
            " FROM harness_checkpoint WHERE connection_id = %s ORDER BY step",
            [connection],
        )
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    last: dict[Any, tuple[int, ...]] = {}
    for entity_type, scope, destination, is_held, fence, generation, text in rows:
        key = (entity_type, scope, destination)
        rank = (generation, *_rank(json.loads(text)))
        if not is_held:
            wrong["backward"].append(f"{entity_type}: written under fence {fence}, held by nobody")
        if rank < last.get(key, rank):
            wrong["backward"].append(f"{entity_type}: {rank} after {last[key]}")
        last[key] = rank


def _check_runs(connection: str, system: str, wrong: Wrong) -> None:
    runs = list(SyncRun.objects.filter(connection_id=connection).order_by("created_at"))
    inserted = 0
    for run in runs:
        for entity_type, line in run.counts.items():
            total = sum(line.get(name, 0) for name in LINE)
            inserted += line.get("inserted", 0)
            if line.get("read", 0) != total:
                wrong["counts"].append(f"{entity_type} of {run.pk}: read {line}")
        if run.is_open:
            wrong["open"].append(f"run {run.pk} is {run.state}")
        audited = AuditEvent.objects.filter(
            action=AuditAction.SYNC_FAILED, detail__run=str(run.pk)
        ).exists()
        if run.state == SyncRun.State.FAILED and not audited:
            wrong["unaudited"].append(f"run {run.pk}")
    stored = Record.objects.filter(source_system=system).count()
    if inserted != stored:
        wrong["counts"].append(f"{inserted} inserted, {stored} stored")


def _check_attempts(connection: str, wrong: Wrong) -> None:
    """Each attempt that came to nothing left one event."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT due, fence, how FROM harness_attempt WHERE object_id = %s", [connection]
        )
        failed = {(str(due), fence): how for due, fence, how in cursor.fetchall()}
    events = AuditEvent.objects.filter(
        action__in=(AuditAction.ATTEMPT_FAILED, AuditAction.SYNC_FAILED),
        detail__has_keys=["due", "fence"],
    )
    told: Counter[tuple[str, int]] = Counter()
    for detail in events.values_list("detail", flat=True):
        told[detail["due"], detail["fence"]] += 1
    for attempt, how in failed.items():
        if told[attempt] != 1:
            wrong["unaudited"].append(f"attempt {attempt[1]}, {how}: {told[attempt]} events")


def _check_rest(connection: str, wrong: Wrong) -> None:
    for due in Due.objects.filter(object_id=connection):
        if due.lease_until is not None:
            wrong["open"].append(f"lease of {due.lane} until {due.lease_until}")
        if due.run_id is not None:
            wrong["open"].append(f"{due.lane} still names run {due.run_id}")
        if due.parked_reason:
            wrong["open"].append(f"{due.lane} is parked: {due.parked_reason}")
    if tasks := sum(_is_work(task) for task in OrmQ.objects.all()):
        wrong["open"].append(f"{tasks} tasks in the queue")


def _stored(system: str) -> dict[tuple[str, str], dict[str, Any]]:
    rows = (
        Record.objects.filter(source_system=system)
        .annotate(deleted=F("deleted_at"))
        .values_list("entity_type", "source_id", "raw", "deleted")
    )
    return {
        (entity_type, source_id): {
            "version": raw["version"],
            "is_whole": raw["sha256"] == sha256_of(raw),
            "deleted": deleted is not None,
        }
        for entity_type, source_id, raw, deleted in rows
    }


def _is_stored(there: Row, record: dict[str, Any] | None) -> bool:
    """Whether the record is what the row was when the checkpoint passed it, or newer."""
    if there.is_deleted:
        return record is None or record["deleted"]
    return record is not None and not record["deleted"] and record["version"] >= there.version


def _position(cursor: dict[str, Any]) -> int:
    """The number up to which everything was sent."""
    return int(cursor.get("page") or cursor.get("feed") or 0)


def _rank(cursor: dict[str, Any]) -> tuple[int, int, int]:
    """Grows along a list, then along the changes."""
    if "feed" in cursor:
        return 1, int(cursor["feed"]), int(cursor.get("page") or 0)
    return 0, int(cursor.get("page") or 0), 0


def _is_work(task: OrmQ) -> bool:
    """Whether somebody may still do it: not in the queue of a unit that is gone, and no beat.

    What a process had in hand when it died stays there until it is rung in vain.
    """
    if task.key.startswith(QUEUE_PREFIX) and not Worker.objects.filter(cluster=task.key).exists():
        return False
    try:
        rung = SignedPackage.loads(task.payload)
    except BadSignature:
        return True
    if rung["func"] == BEAT:
        return False
    _, due, fence = rung["args"]
    return Due.objects.filter(pk=due, fence=fence, lease_until__isnull=False).exists()
