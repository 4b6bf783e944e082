"""A base of the sandbox to write to, records in acme, and slices of following as a worker does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.db import connection as database
from django.utils import timezone

from hub.fleet.claims import claim_one
from hub.fleet.models import Due
from integrations.models import Connection, Destination, DestinationRun, Record, Route
from integrations.sandbox import Sandbox
from integrations.sandbox.airtable import Airtable
from integrations.services.destinations import create_destination
from integrations.services.routes import create_route
from integrations.sync.follow import follow_slice
from integrations.sync.lease import LeaseWatch
from tenants.actor import Actor
from tenants.roles import Role
from tests.factories import ConnectionFactory

ADMIN = Actor(kind="user", id="1", label="admin@example.com", role=Role.ADMIN)


@dataclass
class Base:
    """One base of the sandbox's first Airtable account, as tests order and question it."""

    sandbox: Sandbox
    http: requests.Session
    id: str
    token: str
    account: str

    def control(self, action: str, **order: Any) -> Any:
        answer = self.http.post(
            f"{self.sandbox.url}/_control", json={"action": action, "slug": "airtable", **order}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, **order: Any) -> None:
        self.control("fault", **order)

    def count_slowly(self) -> None:
        """Five requests a minute, so that no slow machine gets through with six."""
        part = self.sandbox.world.parts["airtable"]
        assert isinstance(part, Airtable)
        part.base_calls.seconds = 60
        self.control("set", limits=True)

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Every row that was written, in order, whether or not the answer arrived."""
        params = {"slug": "airtable", "since": str(since)}
        written = self.http.get(f"{self.sandbox.url}/_log", params=params).json()
        return [entry for entry in written if entry["base"] == self.id]

    def created(self) -> list[str]:
        return [entry["key"] for entry in self.log() if entry["kind"] == "created"]

    def requests(self, method: str = "") -> list[dict[str, Any]]:
        answered = self.http.get(f"{self.sandbox.url}/_requests?slug=airtable").json()
        return [one for one in answered if method in ("", one["method"])]

    def forget_requests(self) -> None:
        self.http.delete(f"{self.sandbox.url}/_requests")

    def ask(self, path: str, **params: str) -> Any:
        """What a person with the token sees."""
        address = self.sandbox.addresses()["https://api.airtable.com"] + f"/v0{path}"
        answer = self.http.get(
            address, params=params, headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def tables(self) -> dict[str, dict[str, Any]]:
        return {t["name"]: t for t in self.ask(f"/meta/bases/{self.id}/tables")["tables"]}

    def fields(self, table: str) -> dict[str, str]:
        """{name: type} of the table's fields."""
        return {field["name"]: field["type"] for field in self.tables()[table]["fields"]}

    def rows(self, table: str) -> dict[str, dict[str, Any]]:
        """{Hub ID: cells by name}, with the row's own id as "id"."""
        found = self.ask(f"/{self.id}/{self.tables()[table]['id']}")["records"]
        return {row["fields"]["Hub ID"]: {**row["fields"], "id": row["id"]} for row in found}

    def make_table(self, name: str, *fields: Any) -> None:
        """Somebody makes a table there."""
        head = {"Authorization": f"Bearer {self.token}"}
        meta = self.sandbox.addresses()["https://api.airtable.com"] + f"/v0/meta/bases/{self.id}"
        made = self.http.post(
            f"{meta}/tables", json={"name": name, "fields": list(fields)}, headers=head
        )
        assert made.status_code == 200, made.text


@pytest.fixture(scope="session")
def airtable() -> Iterator[tuple[Sandbox, requests.Session]]:
    http = requests.Session()
    http.trust_env = False
    with Sandbox(seed=5, scale=0.02) as sandbox:
        yield sandbox, http
    http.close()


@pytest.fixture
def base(airtable: tuple[Sandbox, requests.Session], settings: Any) -> Base:
    """The base made for a hub: one empty table, and nobody counts requests."""
    sandbox, http = airtable
    settings.HUB_PROVIDER_ADDRESSES = sandbox.addresses()
    settings.HUB_EGRESS_ALLOW = ["127.0.0.1"]
    settings.HUB_LIMITS_FACTOR = 100
    settings.HUB_TENANT_CALLS_PER_SECOND = 10_000
    http.post(f"{sandbox.url}/_control", json={"action": "reset"})
    keys = http.get(f"{sandbox.url}/_credentials").json()["airtable"]["keys"]
    writer = next(key for key in keys if "data.records:write" in key["scopes"])
    made = Base(sandbox, http, "", writer["key"], writer["account"])
    made.control("set", limits=False)
    made.id = next(b["id"] for b in made.ask("/meta/bases")["bases"] if b["name"] == "Hub")
    made.forget_requests()
    return made


@pytest.fixture
def crm(db: None, inside_acme: None) -> Connection:
    return ConnectionFactory()


class Records:
    """Stores records as the tenant's own destination does: each change gets the next number."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def put(
        self, entity_type: str, source_id: str, record_type: str, *, gone: bool = False, **data: Any
    ) -> Record:
        now = timezone.now()
        with database.cursor() as cursor:
            cursor.execute("SELECT nextval('integrations_change_seq')")
            seq = cursor.fetchone()[0]
        record, _ = Record.objects.update_or_create(
            source_system=self.connection.source_system,
            entity_type=entity_type,
            source_id=source_id,
            defaults={
                "connection_id": self.connection.pk,
                "run_id": uuid4(),
                "record_type": record_type,
                "title": data.get("name", ""),
                "data": data,
                "raw": data,
                "content_hash": b"h",
                "first_seen_at": now,
                "changed_at": now,
                "deleted_at": now if gone else None,
                "change_seq": seq,
            },
        )
        self._link(record, data)
        return record

    def company(self, number: int, **data: Any) -> Record:
        return self.put("companies", f"c{number}", "company", **{"name": f"Firm {number}", **data})

    def person(self, number: int, company: int | None = None, **data: Any) -> Record:
        ref = {"entity_type": "companies", "source_id": f"c{company}"} if company else None
        data = {"name": f"Person {number}", "emails": [f"p{number}@firm.example"], **data}
        return self.put("people", f"p{number}", "person", **data, company=ref)

    def delete(self, record: Record) -> Record:
        return self.put(
            record.entity_type, record.source_id, record.record_type, gone=True, **record.data
        )

    def key(self, entity_type: str, source_id: str) -> str:
        """The Hub ID of a record's row."""
        return f"{self.connection.source_system}:{entity_type}:{source_id}"

    def _link(self, record: Record, data: dict[str, Any]) -> None:
        record.links.all().delete()
        for field, ref in data.items():
            if isinstance(ref, dict) and "source_id" in ref:
                target = Record.objects.filter(
                    source_system=record.source_system,
                    entity_type=ref["entity_type"],
                    source_id=ref["source_id"],
                ).first()
                record.links.create(
                    field=field,
                    target_system=record.source_system,
                    target_type=ref["entity_type"],
                    target_source_id=ref["source_id"],
                    target=target,
                )
        waiting = self._waiting(record)
        waiting.update(target=record)

    def _waiting(self, record: Record) -> Any:
        from integrations.models import RecordLink

        return RecordLink.objects.filter(
            target=None,
            target_system=record.source_system,
            target_type=record.entity_type,
            target_source_id=record.source_id,
        )


@pytest.fixture
def records(crm: Connection) -> Records:
    return Records(crm)


@pytest.fixture
def destination(request: pytest.FixtureRequest, crm: Connection) -> Destination:
    """The sandbox's base, for a test that names it; else one that nobody asks for anything."""
    id, token = "appElsewhere1", "patElsewhere.1"
    if "base" in request.fixturenames:
        base = request.getfixturevalue("base")
        id, token = base.id, base.token
    return create_destination(
        type="airtable",
        name="Ops base",
        settings={"base_id": id},
        secrets={"key": token},
        actor=ADMIN,
    )


@pytest.fixture
def route(destination: Destination) -> Callable[..., Route]:
    def make(record_type: str, **options: Any) -> Route:
        return create_route(
            destination=destination, record_type=record_type, actor=ADMIN, **options
        )

    return make


def follow(destination: Destination, *, seconds: float = 600, watch: Any = None) -> str:
    """Claim the destination's work and do one slice of it; return its sentence."""
    due = Due.objects.get(object_id=destination.pk)
    claim = claim_one(due.pk, worker_id=uuid4(), lease_seconds=600)
    assert claim is not None
    said = follow_slice(claim.due_id, claim.fence, seconds=seconds, watch=watch or LeaseWatch())
    destination.refresh_from_db()
    return said


def wait_of(destination: Destination) -> timedelta:
    """How long until its work is due."""
    return Due.objects.get(object_id=destination.pk).due_at - timezone.now()


def last_run(destination: Destination) -> DestinationRun:
    return destination.runs.latest("started_at")
