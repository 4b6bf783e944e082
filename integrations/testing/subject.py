"""What the checks work on: one connector, and the sandbox with an account of its provider."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from integrations.connectors.base import Connector
from integrations.http.client import ProviderClient
from integrations.sandbox import Sandbox
from integrations.testing.access import Access, client_of, open_access, renewed
from integrations.testing.clock import SkippingClock
from integrations.testing.reader import Reader
from integrations.types import Entity, Payload

LEAST_OVERLAP = 0.5
"""A table is an entity type's if at least this share of the delivered ids stands in it."""


@dataclass
class Subject:
    """A connector under test.

    `tables` names the sandbox's table of an entity type where its ids do not show it; '' says
    that there is none.
    """

    connector: type[Connector]
    sandbox: Sandbox
    tables: Mapping[str, str] = field(default_factory=dict)
    access: Access | None = None
    _whole: Reader | None = None

    @property
    def slug(self) -> str:
        return self.connector.provider.slug

    @property
    def account_id(self) -> str:
        return self._access.account_id

    def begin(self) -> None:
        """The sandbox as at its start, with an account just connected. Limits are off."""
        self.sandbox.world.reset()
        self.control("set", limits=False, rotation=True, token_lifetime=3600)
        self.access = open_access(self.connector, self.sandbox)
        self.sandbox.world.forget_requests()

    def renew(self) -> None:
        """Take part in a renewal of the account's access, as the engine would."""
        self.access = renewed(self.connector, self.sandbox, self._access)

    def reader(self, **how: Any) -> Reader:
        """A connection that has read nothing yet."""
        return Reader(self.connector, self._client, **how)

    def whole(self) -> Reader:
        """The account read in full, once for all checks: the sandbox's rows never differ."""
        if self._whole is None:
            reader = self.reader()
            reader.read_all()
            self._whole = reader
        return self._whole

    def prepared(self, name: str, **how: Any) -> Reader:
        """A connection that has read everything but the type `name` and what comes along in it."""
        reader = self.reader(**how)
        within = self.within(name)
        for entity_type, kept in self.whole().stored.items():
            if entity_type not in within:
                reader.stored[entity_type] = dict(kept)
        return reader

    def within(self, name: str) -> set[str]:
        """The types that arrive in the walk of `name`."""
        types = self.connector.entity_types
        return {name} | {declared.name for declared in types if declared.inside == name}

    def longest(self) -> str:
        """The type whose full read takes most calls."""
        walks = self.whole().walks
        return max(walks, key=lambda name: walks[name].calls)

    def entities(self, entity_type: str) -> list[Entity]:
        """What a full read stored of a type, with payloads of one's own to spoil."""
        stored = self.whole().stored.get(entity_type, {}).values()
        return [replace(entity, payload=copied(entity.payload)) for entity in stored]

    # The sandbox's side.

    def control(self, action: str, **order: Any) -> dict[str, Any]:
        """One order to the sandbox; raises ValueError for what it cannot do."""
        if action not in ("fault", "set", "clear_faults", "expire_tokens", "expire_cursors"):
            order.setdefault("account", self.account_id)
        if action != "clear_faults":
            order["slug"] = self.slug
        return self.sandbox.control.act({"action": action, **order})

    def requests(self) -> list[dict[str, Any]]:
        """The requests the provider has received since the check began."""
        return [one for one in self.sandbox.world.requests if one["slug"] == self.slug]

    def rows(self, table: str) -> dict[str, Payload]:
        """{id: {"stamp": …, "visible": …}} of a table, as the sandbox says it is."""
        truth = self.sandbox.control.truth(self.slug, self.account_id, table)
        return {row["id"]: row for row in truth["rows"]}

    def table_of(self, entity_type: str) -> str:
        """The sandbox's table that holds a type's rows; '' if none does."""
        if entity_type in self.tables:
            return self.tables[entity_type]
        delivered = self.whole().ids(entity_type)
        part = self.sandbox.world.parts[self.slug]
        shares: dict[str, float] = {}
        for table in part.tables(part.accounts[self.account_id]):
            rows = set(self.rows(table))
            shares[table] = len(rows & delivered) / max(len(rows | delivered), 1)
        best = max(shares, key=lambda table: shares[table], default="")
        if not best or len(set(self.rows(best)) & delivered) < LEAST_OVERLAP * len(delivered):
            return ""
        return best

    @property
    def _access(self) -> Access:
        assert self.access is not None, "begin() comes first"
        return self.access

    def _client(self, clock: SkippingClock) -> ProviderClient:
        return client_of(self.connector, self.sandbox, self._access.credentials, clock)


def copied(payload: Any) -> Any:
    """A payload of one's own; several times faster than `deepcopy`."""
    return pickle.loads(pickle.dumps(payload))
