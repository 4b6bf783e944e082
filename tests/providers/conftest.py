"""Connectors against the sandbox: one account of each provider, read as the engine would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import requests

from integrations.connectors import registry
from integrations.connectors.base import Connector, identify
from integrations.errors import HubError
from integrations.http.client import ProviderClient
from integrations.http.egress import Egress
from integrations.records import RECORD_TYPES
from integrations.resilience.clock import Clock, SystemClock
from integrations.types import (
    Account,
    Checkpoint,
    Credentials,
    Cursor,
    Entity,
    RunContext,
    Unreadable,
)
from tests.sandbox.conftest import Caller, caller, running

__all__ = ["caller", "running"]


@dataclass
class Reader:
    """A connection without an engine: it stores what it reads, and where it was."""

    connector: type[Connector]
    credentials: Credentials
    sandbox: Caller
    stored: dict[str, dict[str, Entity]] = field(default_factory=dict)
    cursors: dict[str, dict[str, Cursor]] = field(default_factory=dict)
    calls: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    clock: Clock = field(default_factory=SystemClock)

    def client(self) -> ProviderClient:
        context = self.connector(None).authenticate(self.credentials)
        egress = Egress(addresses=self.sandbox.sandbox.addresses(), allow=("127.0.0.1",))
        return ProviderClient(self.connector.provider, context, egress=egress, clock=self.clock)

    def read(
        self,
        entity_type: str,
        since: Checkpoint | None = None,
        stop_after: Callable[[Entity], bool] = lambda entity: False,
    ) -> list[Entity]:
        """What one walk yields; stored as the engine would, up to the last position."""
        seen: list[Entity] = []
        waiting: list[Entity] = []
        with closing(self.client()) as client:
            run = RunContext(started_at=datetime.now(UTC))
            connector = self.connector(client, run, self.known)
            for entity in connector.fetch_entities(entity_type, since):
                seen.append(entity)
                waiting.append(entity)
                if entity.position is not None:
                    self._commit(entity_type, waiting, entity)
                    waiting = []
                if stop_after(entity):
                    break
            self.calls = client.calls
        return [entity for entity in seen if not entity.is_rest]

    def again(self, entity_type: str) -> list[Entity]:
        """What a walk yields that goes on where the one before has ended."""
        return self.read(entity_type, self.checkpoint(entity_type))

    def order(self, action: str, entity: str = "", **how: Any) -> list[str]:
        """Have the provider's sandbox do this; the ids of the rows it was done to, if any."""
        place = {"slug": self.connector.provider.slug, **({"entity": entity} if entity else {})}
        ids: list[str] = self.sandbox.control(action, **place, **how).get("ids", [])
        return ids

    def there(self, entity: str, account: str = "") -> set[str]:
        """The ids of the rows that the provider holds and shows."""
        rows = self.sandbox.truth(self.connector.provider.slug, entity, account)
        return {id for id, row in rows.items() if row["visible"]}

    def asked(self) -> list[str]:
        """Path and query of every call so far."""
        found = self.sandbox.own(f"/_requests?slug={self.connector.provider.slug}")
        return [one["path"] for one in found]

    def forget_asked(self) -> None:
        """As if nothing had been asked yet."""
        self.sandbox.http.delete(f"{self.sandbox.sandbox.url}/_requests")

    def ask_again(self, path: str) -> requests.Response:
        """What the sandbox answers now to one of the calls that were asked."""
        headers = {"Authorization": f"Bearer {self.credentials.access_token}"}
        url = self.sandbox.sandbox.url + path
        return self.sandbox.http.get(url, headers=headers | self.connector.provider.headers)

    def account(self) -> Account:
        """Whose account this is, as the provider says."""
        with self.client() as client:
            return identify(self.connector, client)

    def error_of(self, entity_type: str, *, status: int, body: Any, path: str = "") -> HubError:
        """What reading the type raises while every answer, or every one to `path`, is this one.

        It asks for a minute's pause, so that nothing is asked again here.
        """
        self.order(
            "fault",
            path=path,
            status=status,
            body=body if isinstance(body, str) else orjson.dumps(body).decode(),
            headers={"Retry-After": "60"},
            count=None,
        )
        with pytest.raises(HubError) as raised:
            self.read(entity_type)
        return raised.value

    def known(self, entity_type: str) -> Iterator[Entity]:
        return iter(list(self.stored.get(entity_type, {}).values()))

    def checkpoint(self, entity_type: str, **more: Any) -> Checkpoint:
        return Checkpoint(self.cursors.get(entity_type, {}), **more)

    def ids(self, entity_type: str) -> set[str]:
        return set(self.stored.get(entity_type, {}))

    def _commit(self, entity_type: str, waiting: list[Entity], last: Entity) -> None:
        kept = self.stored.setdefault(entity_type, {})
        for entity in waiting:
            if entity.deleted:
                kept.pop(entity.source_id, None)
            elif not entity.is_rest:
                kept[entity.source_id] = entity
        position = last.position
        assert position is not None
        if position.skipped:
            self.skipped[position.scope] = position.skipped
        else:
            self.cursors.setdefault(entity_type, {})[position.scope] = position.cursor


def assert_all_become_records(reader: Reader, entity_type: str) -> None:
    """Every stored entity transforms twice into equal, valid records of a declared type."""
    connector = reader.connector(None)
    declared = connector.entity_type(entity_type)
    entities = list(reader.known(entity_type))
    assert entities
    for entity in entities:
        assert not isinstance(entity.payload, Unreadable)
        record = connector.transform(entity)
        record.validate()
        assert isinstance(record, declared.record_types)
        assert record == connector.transform(entity)
        assert RECORD_TYPES[record.record_type] is type(record)
        record.to_data()


@pytest.fixture
def copper(caller: Caller) -> Reader:
    key = caller.own("/_credentials")["copper"][0]
    credentials = Credentials(key=key["key"], extra={"user_email": key["user_email"]})
    return _reader("copper", credentials, caller)


@pytest.fixture
def quickbooks(caller: Caller) -> Reader:
    token = caller.quickbooks_token()
    extra = {"realmId": token["realmId"]}
    return _reader("quickbooks", Credentials(token["access_token"], extra=extra), caller)


@pytest.fixture
def slack(caller: Caller) -> Reader:
    token = caller.slack_install()
    return _reader("slack", Credentials(token["access_token"]), caller)


def _reader(slug: str, credentials: Credentials, sandbox: Caller) -> Reader:
    registry.load()
    return Reader(registry.get_connector(slug), credentials, sandbox)
