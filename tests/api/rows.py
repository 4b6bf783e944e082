"""Rows the API shows, in the tenant that is entered."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from django.db import connection as database
from django.utils import timezone

from hub.fleet.models import Due
from integrations.models import (
    Connection,
    DeletionReview,
    DestinationRun,
    IdentityGroup,
    IdentityMember,
    Record,
    RecordLink,
    SyncRun,
)
from integrations.services.destinations import create_destination
from integrations.services.routes import create_route
from tenants.actor import Actor
from tenants.context import current_tenant
from tests.factories import ConnectionFactory, SyncRunFactory


def connected(**fields: Any) -> Connection:
    """A connection with its place in the schedule."""
    connection = ConnectionFactory(**fields)
    Due.objects.create(
        kind=Due.Kind.SYNC,
        tenant_id=current_tenant().pk,
        object_id=connection.pk,
        provider=connection.provider,
        due_at=None if connection.status == Connection.Status.PAUSED else timezone.now(),
    )
    return connection


def next_change() -> int:
    """The number of the next change, drawn as the engine draws it."""
    with database.cursor() as sequence:
        sequence.execute("SELECT nextval('integrations_change_seq')")
        return int(sequence.fetchone()[0])


def stored(connection: Connection, source_id: str, **fields: Any) -> Record:
    """A company, stored by a run of `connection`."""
    now = timezone.now()
    values = {
        "entity_type": "companies",
        "record_type": "company",
        "title": f"Company {source_id}",
        "data": {"name": f"Company {source_id}"},
        "raw": {"id": source_id, "secret": "never shown"},
        "run_id": connection.pk,
        "content_hash": b"h" * 16,
        "first_seen_at": now,
        "changed_at": now,
        "change_seq": next_change(),
        **fields,
    }
    return Record.objects.create(
        source_system=connection.source_system,
        connection_id=connection.pk,
        source_id=source_id,
        **values,
    )


def linked(record: Record, field: str, target: Record | None, source_id: str = "9") -> RecordLink:
    """A reference from `record`; without target, to something that has not arrived."""
    return RecordLink.objects.create(
        record=record,
        field=field,
        position=record.links.filter(field=field).count(),
        target_system=record.source_system,
        target_type=target.entity_type if target else "companies",
        target_source_id=target.source_id if target else source_id,
        target=target,
    )


def ran(connection: Connection, **fields: Any) -> SyncRun:
    """A run that read and inserted three companies."""
    line = dict.fromkeys(("updated", "unchanged", "deleted", "superseded", "rejected"), 0) | {
        "read": 3,
        "inserted": 3,
        "expected": 3,
        "state": "done",
    }
    return SyncRunFactory(connection=connection, counts={"companies": line}, **fields)


def waiting(
    connection: Connection, records: Sequence[Record], *, entity_type: str = "companies"
) -> DeletionReview:
    """A review of whether `records` are to be deleted."""
    return DeletionReview.objects.create(
        connection=connection,
        entity_type=entity_type,
        cause=DeletionReview.Cause.ABSENCE,
        run_id=connection.pk,
        record_ids=[record.pk for record in records],
        present=2 * len(records),
    )


def followed(slug: str) -> dict[str, Any]:
    """A destination named after the tenant, with a route and a run: the id of each by name."""
    admin = Actor.system("tests")
    destination = create_destination(
        type="airtable",
        name=f"{slug} base",
        settings={"base_id": f"app{slug}1"},
        secrets={"key": f"pat{slug}.1"},
        actor=admin,
    )
    route = create_route(destination=destination, record_type="company", actor=admin)
    run = DestinationRun.objects.create(destination=destination)
    return {"destination": destination.pk, "route": route.pk, "destination_run": run.pk}


def alike(*records: Record, **fields: Any) -> IdentityGroup:
    """A candidate: the records look like one, each like the next."""
    reason = {"reason": "same domain", "confidence": 0.92}
    values = {
        "record_type": records[0].record_type,
        "label": " · ".join(record.title for record in records),
        "confidence": 0.92,
        "reasons": [
            {"left": left.pk, "right": right.pk, **reason} for left, right in pairwise(records)
        ],
        **fields,
    }
    group = IdentityGroup.objects.create(**values)
    for record in records:
        IdentityMember.objects.create(
            group=group,
            record=record,
            source_system=record.source_system,
            entity_type=record.entity_type,
            source_id=record.source_id,
            is_confirmed=group.state == IdentityGroup.State.CONFIRMED,
        )
    return group
