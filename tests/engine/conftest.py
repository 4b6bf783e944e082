"""A connection to the provider in memory, and one call that works a slice of it."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.models import Connection, Record, SyncRun
from integrations.sync import engine, preflight, read_ahead
from integrations.sync.credentials import save_credentials
from integrations.sync.engine import SliceResult, work_slice
from integrations.sync.lease import LeaseWatch
from integrations.sync.status import publish
from tenants.actor import Actor
from tenants.context import current_tenant
from tenants.roles import Role
from tests.engine import acme_provider, shelf_provider
from tests.engine.acme_provider import Server, company, person
from tests.factories import ConnectionFactory

PERSON = Actor("user", "1", "Ada", Role.OPERATOR)
HOUR_SECONDS = 3600.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends by what is in it: a machine that stands still for seconds makes no more of them.

    That time ends one too is shown in test_batches.
    """
    monkeypatch.setattr(engine, "BATCH_SECONDS", HOUR_SECONDS)
    monkeypatch.setattr(read_ahead, "CHUNK_SECONDS", HOUR_SECONDS)
    monkeypatch.setattr(preflight, "SECONDS", HOUR_SECONDS)


@pytest.fixture
def server() -> Iterator[Server]:
    """25 companies and 15 people, ten to a page."""
    server = acme_provider.SERVER
    server.__init__()  # type: ignore[misc]
    server.rows = {
        "companies": [company(n) for n in range(25)],
        "people": [person(n) for n in range(15)],
    }
    yield server
    server.__init__()  # type: ignore[misc]


@pytest.fixture
def shelves() -> Iterator[shelf_provider.Server]:
    """Three shelves with twenty books each."""
    server = shelf_provider.SERVER
    server.__init__()  # type: ignore[misc]
    server.shelves = ["a", "b", "c"]
    server.books = {name: list(range(20)) for name in server.shelves}
    yield server
    server.__init__()  # type: ignore[misc]


def connected(
    provider: str = "acme_memory",
    *,
    account: str = "1",
    secrets: Mapping[str, str] | None = None,
    **fields: Any,
) -> Connection:
    """A connection by what needs no renewal, whose first sync is due."""
    connection: Connection = ConnectionFactory.build(
        provider=provider, account_id=account, source_system=f"{provider}:{account}", **fields
    )
    save_credentials(connection, secrets or {"key": "k"}, expires_at=None, scopes=[])
    publish(connection)
    Due.objects.create(
        kind=Due.Kind.SYNC,
        tenant=current_tenant(),
        object_id=connection.pk,
        provider=connection.provider,
    )
    return connection


@pytest.fixture
def connection(db: None, inside_acme: None, server: Server) -> Connection:
    return connected()


def work(
    connection: Connection, *, seconds: float = 600, due: Due | None = None, **options: Any
) -> SliceResult:
    """Claim the connection's work and do one slice of it; a backfill that is open goes first."""
    due = due or Due.objects.filter(object_id=connection.pk).order_by("lane").first()
    assert due is not None
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    options.setdefault("watch", LeaseWatch())
    return work_slice(claim.due_id, claim.fence, seconds=seconds, **options)


def run_of(connection: Connection) -> SyncRun:
    return SyncRun.objects.filter(connection=connection).latest("created_at")


def stored(entity_type: str) -> dict[str, str]:
    """The names of the records of the type that are there, by id."""
    records = Record.objects.present().filter(entity_type=entity_type)
    return {record.source_id: record.data["name"] for record in records}


def full(connection: Connection) -> SliceResult:
    """A slice of a full sync."""
    SyncRun.objects.create(connection=connection, mode=SyncRun.Mode.FULL)
    return work(connection)


def present(entity_type: str = "books") -> set[str]:
    """The ids of the records of the type that are there."""
    rows = Record.objects.present().filter(entity_type=entity_type)
    return set(rows.values_list("source_id", flat=True))
