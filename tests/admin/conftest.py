"""Signed-in people, and rows of every kind to look at."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import models
from django.test import Client
from django.utils import timezone

from hub.audit.models import AuditAction, AuditEvent
from hub.audit.record import record_event
from hub.connect.models import AllowedAddress, ProviderApp
from hub.fleet.limits import Circuit, RateBudget, row_id
from hub.fleet.models import ConnectionStatus, DestinationStatus, Due, Worker
from integrations.models import (
    Checkpoint,
    Connection,
    DeletionReview,
    Destination,
    EntityShape,
    EntityTypeStatus,
    IdentityGroup,
    Record,
    RecordLink,
    RejectedRecord,
    Route,
    ShadowDiff,
    SyncRun,
)
from integrations.services.destinations import create_destination
from integrations.services.routes import create_route
from tenants.actor import Actor
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.roles import Role
from tests.api.rows import alike, waiting
from tests.factories import ConnectionFactory, MembershipFactory, SyncRunFactory, UserFactory

COUNTS = {
    "companies": {
        "state": "running",
        "read": 120,
        "inserted": 100,
        "updated": 15,
        "unchanged": 3,
        "deleted": 0,
        "superseded": 0,
        "rejected": 2,
        "expected": 300,
    }
}


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def staff(db: None) -> User:
    return UserFactory(staff=True, email="ops@example.com")


@pytest.fixture
def ops(staff: User) -> Client:
    """A superuser at operations, who is a member of no tenant."""
    return signed_in(staff)


@pytest.fixture
def member(acme: Tenant) -> Callable[[Role], Client]:
    """A client of somebody with the role in acme and in no other tenant."""

    def make(role: Role) -> Client:
        return signed_in(MembershipFactory(role=role, tenant=acme).user)

    return make


@pytest.fixture
def viewer(member: Callable[[Role], Client]) -> Client:
    return member(Role.VIEWER)


@pytest.fixture
def acme_operator(member: Callable[[Role], Client]) -> Client:
    return member(Role.OPERATOR)


@pytest.fixture
def acme_admin(member: Callable[[Role], Client]) -> Client:
    return member(Role.ADMIN)


def make_record(connection: Connection, number: int = 1, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "source_system": connection.source_system,
        "entity_type": "companies",
        "source_id": str(number),
        "connection_id": connection.pk,
        "run_id": connection.pk,
        "record_type": "company",
        "title": f"Company {number}",
        "data": {"name": f"Company {number}", "address": {"city": "Ulm"}},
        "raw": {"id": number},
        "content_hash": b"0",
        "first_seen_at": timezone.now(),
        "changed_at": timezone.now(),
        "change_seq": number,
    }
    return Record.objects.create(**{**fields, **changes})


def make_rejected(connection: Connection, number: int = 1, **changes: Any) -> RejectedRecord:
    fields: dict[str, Any] = {
        "connection": connection,
        "run_id": connection.pk,
        "source_system": connection.source_system,
        "entity_type": "people",
        "source_id": str(number),
        "reason": "name is missing",
        "raw": b'{"id": 7}',
        "first_at": timezone.now(),
        "last_at": timezone.now(),
    }
    return RejectedRecord.objects.create(**{**fields, **changes})


def make_shape(connection: Connection) -> EntityShape:
    """The amounts of deals came as text since today, and a stage nobody knew."""
    now = timezone.now()
    changes = [
        {"kind": "value", "path": "stage", "value": "won"},
        {"kind": "type", "path": "amount", "was": ["number"], "now": ["<b>text"]},
    ]
    return EntityShape.objects.create(
        connection=connection,
        entity_type="deals",
        entities=40,
        changed_at=now,
        fields={
            "amount": {"types": ["number", "text"], "always": True, "values": None, "seen": 40},
            "stage": {"types": ["text"], "always": False, "values": ["open", "won"], "seen": 9},
        },
        changes=[{"at": now.isoformat(), "run": "", **change} for change in changes],
    )


def make_status(tenant: Tenant, connection: Connection, **changes: Any) -> ConnectionStatus:
    fields: dict[str, Any] = {
        "connection_id": connection.pk,
        "tenant": tenant,
        "provider": connection.provider,
        "account_label": connection.account_label,
        "status": connection.status,
        "last_run_state": "succeeded",
        "last_run_at": timezone.now(),
        "records": 10,
    }
    return ConnectionStatus.objects.create(**{**fields, **changes})


def make_due(tenant: Tenant, connection: Connection, **changes: Any) -> Due:
    fields: dict[str, Any] = {
        "kind": Due.Kind.SYNC,
        "tenant": tenant,
        "object_id": connection.pk,
        "provider": connection.provider,
        "due_at": timezone.now() + timedelta(hours=1),
    }
    return Due.objects.create(**{**fields, **changes})


def make_circuit(tenant: Tenant, connection: Connection, **changes: Any) -> Circuit:
    """Open for 20 s, after five failures of the connection."""
    now = timezone.now()
    retry_at = now + timedelta(seconds=40)
    fields: dict[str, Any] = {
        "name": f"circuit:connection:{connection.provider}:{connection.pk}",
        "scope": Circuit.Scope.CONNECTION,
        "provider": connection.provider,
        "owner": str(connection.pk),
        "tenant_id": tenant.pk,
        "state": Circuit.State.OPEN,
        "failures": 5,
        "reason": "The provider did not answer in time.",
        "changed_at": now - timedelta(seconds=20),
        "retry_at": retry_at,
        "document": {"state": "open", "failures": 5, "retry_at": retry_at.timestamp()},
    }
    row = {**fields, **changes}
    return Circuit.objects.create(id=row_id(row["name"]), **row)


def make_budget(tenant: Tenant, connection: Connection, **changes: Any) -> RateBudget:
    """150 a minute, of which 37 are used; the connection itself waits."""
    later = timezone.now().timestamp() + 600  # so that no slow machine outlives it
    fields: dict[str, Any] = {
        "name": f"budget:connection:{connection.provider}:{connection.pk}:150/60",
        "kind": RateBudget.Kind.BUDGET,
        "scope": RateBudget.Scope.CONNECTION,
        "provider": connection.provider,
        "owner": str(connection.pk),
        "tenant_id": tenant.pk,
        "requests": 150,
        "per_seconds": 60,
        "document": {"taken": [[later, 37]], "waiting": {f"{connection.pk}:a1": [0, later]}},
    }
    return RateBudget.objects.create(**{**fields, **changes})


def make_event(tenant: Tenant | None, target: models.Model, **detail: Any) -> AuditEvent:
    record_event(
        AuditAction.SYNC_REQUESTED,
        actor=Actor(kind="user", id="7", label="jo@example.com"),
        target=target,
        detail=detail,
        tenant_id=tenant and tenant.pk,
    )
    return AuditEvent.objects.latest("seq")


def make_destination(number: int = 1) -> Destination:
    return create_destination(
        type="airtable",
        name=f"Base {number}",
        settings={"base_id": f"appBase{number}"},
        secrets={"key": "patOfBase.secret"},
        actor=Actor.system("tests"),
    )


def make_route(destination: Destination) -> Route:
    return create_route(destination=destination, record_type="company", actor=Actor.system("tests"))


def fill(tenant: Tenant, rows: int, *, first: int = 0) -> dict[type[models.Model], models.Model]:
    """Make `rows` rows of every registered model; return the last of each."""
    made: dict[type[models.Model], models.Model] = {}
    for number in range(first, first + rows):
        connection = ConnectionFactory()
        EntityTypeStatus.objects.create(connection=connection, entity_type="companies")
        Checkpoint.objects.create(
            connection=connection,
            entity_type="companies",
            committed_at=timezone.now(),
            cursor={"page": 3},
        )
        record = make_record(connection, number)
        RecordLink.objects.create(
            record=record,
            field="company",
            target_system=connection.source_system,
            target_type="companies",
            target_source_id=str(number),
            target=record,
        )
        user = UserFactory()
        destination = make_destination(number)
        made = {
            Connection: connection,
            SyncRun: SyncRunFactory(
                connection=connection, state=SyncRun.State.RUNNING, ended_at=None, counts=COUNTS
            ),
            DeletionReview: waiting(connection, [record]),
            EntityShape: make_shape(connection),
            ShadowDiff: ShadowDiff.objects.create(
                connection=connection, mode="full", asked_by="jo@example.com"
            ),
            Record: record,
            IdentityGroup: alike(record, make_record(connection, rows + number + 1000)),
            RejectedRecord: make_rejected(connection, number),
            ConnectionStatus: make_status(tenant, connection),
            Due: make_due(tenant, connection),
            Worker: Worker.objects.create(host=f"host-{number}", pid=number, cluster="hub"),
            AuditEvent: make_event(tenant, connection, mode="full"),
            User: user,
            Membership: MembershipFactory(user=user, tenant=tenant),
            Circuit: make_circuit(tenant, connection),
            RateBudget: make_budget(tenant, connection),
            ApiKey: ApiKey.objects.create(
                tenant=tenant, name="export", prefix="hub_ab", hash=f"hash {number}".encode()
            ),
            ProviderApp: ProviderApp.objects.create(
                provider=f"provider{number}", tenant=tenant, client_id="id-1"
            ),
            AllowedAddress: AllowedAddress.objects.create(
                tenant=tenant,
                kind=AllowedAddress.Kind.RETURN,
                address=f"https://app{number}.{tenant.slug}.example",
            ),
            Tenant: tenant,
            Destination: destination,
            Route: make_route(destination),
            DestinationStatus: DestinationStatus.objects.get(destination_id=destination.pk),
        }
    return made
