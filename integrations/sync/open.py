"""Opening a connector for one slice: credentials, client, and the parents it may ask for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from hub.clock import database_now
from integrations.connectors.base import Connector
from integrations.connectors.registry import get_connector
from integrations.errors import FatalError
from integrations.http.client import ProviderClient
from integrations.models import Connection, Record, RejectedRecord, SyncRun
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.resilience.guard import Gate
from integrations.resilience.provider_clock import provider_now
from integrations.sync.credentials import access_for
from integrations.sync.gateway import egress_for
from integrations.sync.guards import guard_for
from integrations.types import Entity, EntityType, RunContext
from tenants.actor import Actor

SKEW = timedelta(minutes=10)  # our clock may be ahead of one that was not heard yet by so much


@dataclass
class Parents:
    """The stored entities a connector may ask for while it fetches.

    They are loaded before the walk, because fetching runs in a thread that touches no table.
    """

    by_type: dict[str, list[Entity]] = field(default_factory=dict)
    _only_read: dict[str, dict[str, Entity]] = field(default_factory=dict)
    _left_out: dict[str, set[str]] = field(default_factory=dict)

    def __call__(self, entity_type: str) -> Iterable[Entity]:
        if entity_type not in self.by_type:
            raise FatalError(f"{entity_type} is asked for without being declared as a parent.")
        return self.by_type[entity_type]

    def load(self, connection: Connection, connector: Connector, declared: EntityType) -> None:
        """Read the declared parents of a type, and theirs, in two statements each."""
        name = declared.parent
        while name is not None:
            stored = [*_stored(connection, name), *_rejected(connection, name)]
            read = self._only_read.get(name, {})
            found = {entity.source_id: entity for entity in reversed(stored)}
            found = {entity.source_id: found[entity.source_id] for entity in stored} | read
            gone = self._left_out.get(name, set())
            self.by_type[name] = [entity for id_, entity in found.items() if id_ not in gone]
            name = connector.entity_type(name).parent

    def remember(self, entity_type: str, entities: Iterable[Entity]) -> None:
        """Count these as stored: whoever only looks has read them and will not write them."""
        present = {e.source_id: e for e in entities if e.source_id and not e.deleted}
        self._only_read.setdefault(entity_type, {}).update(present)

    def leave_out(self, entity_type: str, source_ids: Iterable[str]) -> None:
        """Count these as deleted, which whoever only looks will not do."""
        self._left_out.setdefault(entity_type, set()).update(source_ids)


def open_connector(
    connection: Connection,
    run: SyncRun | None,
    *,
    parents: Parents,
    seconds: float,
    refused: bool = False,
    actor: Actor | None = None,
    gate: Callable[[Gate], Gate] = lambda inner: inner,
) -> Connector:
    """Return the connection's connector, ready to fetch for at most `seconds`.

    `refused`: the provider did not take the present access, so it is renewed first. `gate` wraps
    what each call must pass.

    Raises:
        ReauthorizationRequiredError: access cannot be renewed without a person.
    """
    actor = actor or Actor.system("engine")
    connector_class = get_connector(connection.provider)
    credentials = access_for(
        connection,
        actor=actor,
        reason="sync",
        refused=connection.credential_generation if refused else None,
    )
    provider, access = connector_class.provider, connector_class().authenticate(credentials)
    clock = SystemClock()
    client = ProviderClient(
        provider,
        access,
        egress=egress_for(connection, provider, access, actor=actor, reason="sync"),
        deadline=Deadline.after(seconds, clock),
        clock=clock,
        gate=gate(guard_for(connection, provider, base_url=access.base_url, clock=clock)),
    )
    started_at = _begun_at(run, provider.slug)
    context = RunContext(started_at=started_at, run_id=str(run.pk) if run else "dry")
    return connector_class(client, context, parents)


def _begun_at(run: SyncRun | None, provider: str) -> datetime:
    """When the run began, never later than by the provider's clock.

    Connectors ask for what has changed since: if our clock is ahead, changes would be passed over;
    if it is behind, some are read twice.
    """
    now = database_now()
    begun = (run and run.started_at) or now
    theirs = provider_now(provider, ours=now)
    return begun - SKEW if theirs is None else min(begun, theirs - (now - begun))


def _stored(connection: Connection, entity_type: str) -> Iterable[Entity]:
    rows = (
        Record.objects.present()
        .filter(source_system=connection.source_system, entity_type=entity_type)
        .order_by("id")
        .values_list("source_id", "raw", "scope", "source_changed_at")
    )
    for source_id, raw, scope, changed_at in rows.iterator():
        yield Entity(entity_type, source_id, raw, scope, changed_at)


def _rejected(connection: Connection, entity_type: str) -> Iterable[Entity]:
    """Parents that could not become records: their children can still be read."""
    rows = RejectedRecord.objects.filter(
        source_system=connection.source_system, entity_type=entity_type, resolved_at=None
    ).values_list("source_id", "raw", "scope")
    for source_id, raw, scope in rows:
        yield Entity(entity_type, source_id, _payload(bytes(raw)), scope)


def _payload(raw: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}
    return payload if isinstance(payload, dict) else {}
