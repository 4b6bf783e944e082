"""Schema drift: what a provider sends has changed, seen in a sample of each batch and said once.

Nothing breaks by it: records keep what was sent as it was sent, fields nobody knows change no
record, and what no longer fits a record sets its entity aside. But somebody should hear of it, so
each change is written down once, with an audit event, and shown in the admin. The names of fields
may be data where people make them up: the tenant's own pages show them, the audit log and the log
do not. A type that was never
read in full, or only in a handful of entities, has no shape yet that could change.
"""

import logging
import re
from collections.abc import Collection, Sequence
from uuid import UUID

import orjson
from django.db import transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.clock import database_now
from integrations.connectors.registry import get_connector
from integrations.destinations.base import Batch, Row
from integrations.destinations.postgres import hold_fence
from integrations.models import Connection, EntityShape, EntityTypeStatus
from integrations.sync.shape import Change, Sample, merge
from tenants.actor import Actor

SAMPLED = 20  # entities of each type in a batch, and as many rejected ones
LEARNED = 20  # entities after which a shape is known
CHANGES_KEPT = 50
CHANGES_AUDITED = 20
LONGEST_ENTITY = 100_000  # bytes; larger ones are not looked at

ENGINE = Actor.system("engine")

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(\[\])?")

log = logging.getLogger(__name__)


class Shapes:
    """The shapes of a connection's entity types, read once in a slice."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[str, EntityShape] | None = None

    def look(self, batch: Batch, status: EntityTypeStatus) -> None:
        """Write down what is different in the batch, in a transaction of its own.

        It stands also when the batch does not: very many rejected entities often are a drift.

        Raises:
            FencedError: another worker has taken over; nothing was written.
        """
        by_type: dict[str, list[Row]] = {}
        for row in batch.rows:
            if row.raw:
                by_type.setdefault(row.entity_type, []).append(row)
        for entity_type, rows in by_type.items():
            self._look(entity_type, _sample(rows), batch, is_known=status.full_read_at is not None)

    def _look(self, entity_type: str, sample: Sample, batch: Batch, *, is_known: bool) -> None:
        if not sample.entities:
            return
        if self._known is None:
            found = EntityShape.objects.filter(connection=self._connection)
            self._known = {shape.entity_type: shape for shape in found}
        shape = self._known.setdefault(
            entity_type, EntityShape(connection=self._connection, entity_type=entity_type)
        )
        is_learned = is_known and shape.entities >= LEARNED
        was_learned = shape.entities >= LEARNED
        has_changed, changes = merge(shape.fields, sample, counts_absent=is_learned)
        shape.entities = min(shape.entities + sample.entities, 2**31 - 1)
        if not has_changed and was_learned:
            return
        with transaction.atomic():
            hold_fence(batch.due_id, batch.fence)
            if changes and is_learned:
                self._say(shape, changes, batch.run_id)
            shape.save()

    def _say(self, shape: EntityShape, changes: Sequence[Change], run_id: UUID) -> None:
        """One audit event, without the tenant's data; the values stay in the tenant's schema."""
        shape.changed_at = database_now()
        told = {"at": shape.changed_at.isoformat(timespec="seconds"), "run": str(run_id)}
        shape.changes = [*({**told, **one} for one in changes), *shape.changes][:CHANGES_KEPT]
        free = self._free_names(shape.entity_type)
        public = [_public(one, free) for one in changes]
        record_event(
            AuditAction.ENTITY_TYPE_DRIFTED,
            actor=ENGINE,
            target=self._connection,
            detail={
                "entity_type": shape.entity_type,
                "run": str(run_id),
                "changes": public[:CHANGES_AUDITED],
                "more": max(0, len(public) - CHANGES_AUDITED),
            },
        )
        said = {"connection_id": str(self._connection.pk), "entity_type": shape.entity_type}
        log.warning("the provider sends something different", extra={**said, "changes": public})

    def _free_names(self, entity_type: str) -> Collection[str]:
        declared = get_connector(self._connection.provider).entity_types
        return next((one.free_names for one in declared if one.name == entity_type), ())


def _public(change: Change, free: Collection[str]) -> Change:
    """The change without values, and without names that may be data."""
    shown = {name: value for name, value in change.items() if name != "value"}
    shown["path"] = _named(change["path"], free)
    if isinstance(change.get("now"), str):  # the path that is renamed
        shown["now"] = _named(change["now"], free)
    return shown


def _named(path: str, free: Collection[str]) -> str:
    """The path with `*` for what is no identifier, and for all names below a free one."""
    names: list[str] = []
    is_free = False
    for name in path.split("."):
        names.append(name if _IDENTIFIER.fullmatch(name) and not is_free else "*")
        is_free = name.removesuffix("[]") in free
    return ".".join(names)


def _sample(rows: Sequence[Row]) -> Sample:
    """Some of the rows, evenly spread, as their provider sent them; rejected ones come first."""
    sample = Sample()
    rejected = [row for row in rows if row.kind == "rejected"][:SAMPLED]
    others = [row for row in rows if row.kind != "rejected"]
    for row in [*rejected, *others[:: -(-len(others) // SAMPLED) or 1]]:
        if len(row.raw) > LONGEST_ENTITY:
            continue
        try:
            payload = orjson.loads(row.raw)
        except orjson.JSONDecodeError:  # set aside because nobody can read it
            continue
        if isinstance(payload, dict):
            sample.add(payload)
    return sample
