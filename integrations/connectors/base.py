"""The connector contract: four methods, and what the base offers to write them in a few lines."""

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar
from urllib.parse import urlsplit

from hub.observability.known_secrets import remember
from integrations.errors import (
    FatalError,
    HubError,
    NotFoundError,
    ParentSkippedError,
    ReauthorizationRequiredError,
)
from integrations.http.answer import Answer
from integrations.http.client import ProviderClient
from integrations.records import NormalizedRecord, dig
from integrations.types import (
    Account,
    ApiKey,
    AuthContext,
    Basic,
    Checkpoint,
    Credentials,
    Cursor,
    Entity,
    EntityType,
    Position,
    Provider,
    RunContext,
    templates,
)

Known = Callable[[str], Iterable[Entity]]
"""The stored entities of a type, rejected ones included, deleted ones not."""


class Connector(ABC):
    """Speaks to one provider. Subclasses declare `provider` and `entity_types`, and write four
    methods; they never retry, sleep, log, store or catch, all of which happens around them.

    Tests and `transform` need no `http`; `run.started_at` is the only clock.
    """

    provider: ClassVar[Provider]
    entity_types: ClassVar[tuple[EntityType, ...]]

    def __init__(
        self,
        http: ProviderClient | None = None,
        run: RunContext | None = None,
        known: Known | None = None,
    ) -> None:
        self._http = http
        self._run = run
        self._known = known
        if http is not None:
            http.classify = self.classify_error

    # The contract.

    @abstractmethod
    def authenticate(self, credentials: Credentials) -> AuthContext:
        """How calls are made with these credentials. No call is made here."""

    @abstractmethod
    def fetch_entities(self, entity_type: str, since: Checkpoint | None) -> Iterator[Entity]:
        """All entities, or those changed since the checkpoint; positions along the way.

        `since is None` means that nothing is committed yet in this generation.
        """

    @abstractmethod
    def transform(self, raw: Entity) -> NormalizedRecord:
        """The record an entity makes: pure, the same entity always gives an equal record.

        Whatever it raises sets this one entity aside.
        """

    @abstractmethod
    def supports_destination(self, destination_type: str) -> bool:
        """Whether records of this provider may be written to such destinations."""

    # What a provider that lies about its errors may add.

    def classify_error(self, answer: Answer) -> HubError | None:
        """The error an answer is, where the declared table cannot say it; None leaves it be."""
        return None

    # What the base offers.

    @property
    def http(self) -> ProviderClient:
        if self._http is None:
            raise FatalError(f"{self.provider.slug} was made without a client and cannot fetch.")
        return self._http

    @property
    def run(self) -> RunContext:
        if self._run is None:
            raise FatalError(f"{self.provider.slug} was made without a run and knows no time.")
        return self._run

    def entity_type(self, name: str) -> EntityType:
        """The declaration of an entity type. Raises FatalError if there is none."""
        for declared in self.entity_types:
            if declared.name == name:
                return declared
        raise FatalError(f"{self.provider.label} has no entity type {name}.")

    def known(self, entity_type: str) -> Iterator[Entity]:
        """Entities of `entity_type` stored so far, in id order."""
        if self._known is None:
            raise FatalError(f"{self.provider.slug} was made without access to stored entities.")
        return iter(self._known(entity_type))

    def per_parent(
        self,
        parent_type: str,
        since: Checkpoint | None,
        fetch: Callable[[Entity, Cursor], Iterator[Entity]],
    ) -> Iterator[Entity]:
        """One walk per stored parent, each with its own cursor; finished ones are passed over.

        A parent that may not be read ends with a position that says so: its records stay, and
        its scope counts as not completely seen.
        """
        since = since or Checkpoint()
        for parent in self.known(parent_type):
            scope = parent.source_id
            if scope in since.finished:
                continue
            cursor = since.at(scope)
            try:
                for entity in fetch(parent, cursor):
                    if entity.position is not None:
                        cursor = entity.position.cursor
                    yield entity
            except (ParentSkippedError, NotFoundError) as error:
                yield Entity.rest(Position(scope, cursor, skipped=error.code))

    def details(
        self,
        listed: Iterable[Entity],
        path: str,
        start: Cursor | None = None,
        only_if: Callable[[Entity], bool] | None = None,
        **params: Any,
    ) -> Iterator[Entity]:
        """The full payload of each listed entity, from `path` with {id}; gone where it is 404.

        `start` is the cursor the list was given. One call stands between two positions, so a
        position follows every entity that cost one.
        """
        open_page: Cursor = dict(start or {})
        seen: list[str] = list(open_page.pop("seen", ()))
        for entity in listed:
            position = entity.position
            if entity.is_rest or entity.deleted or (only_if is not None and not only_if(entity)):
                yield entity
                seen += [entity.source_id] if entity.source_id else []
            else:
                seen.append(entity.source_id)
                rest = Position(entity.scope, {**open_page, "seen": list(seen)})
                yield self._detailed(entity, path, params, position or rest)
            if position is not None:
                open_page, seen = dict(position.cursor), []

    def _detailed(
        self, entity: Entity, path: str, params: Mapping[str, Any], position: Position
    ) -> Entity:
        try:
            answer = self.http.get(path.replace("{id}", entity.source_id), params, rows_at=None)
        except NotFoundError:
            return Entity.gone(
                entity.entity_type, entity.source_id, entity.scope, entity.changed_at, position
            )
        return replace(entity, payload=answer.body, position=position)


class Declared:
    """Answers two of the four methods from what is declared: access from `provider.auth`, and
    yes to every destination."""

    provider: ClassVar[Provider]

    def authenticate(self, credentials: Credentials) -> AuthContext:
        values = credentials.values()
        return AuthContext(
            auth=auth_headers(self.provider, credentials, values),
            base_url=base_url_of(self.provider, values),
            extra={str(name): str(value) for name, value in credentials.extra.items()},
        )

    def supports_destination(self, destination_type: str) -> bool:
        return True


def identify(connector: type[Connector], client: ProviderClient) -> Account:
    """Whose account this is, by one call; also tells whether the access works at all.

    Raises:
        FatalError: the answer holds no id where Identity says.
        AccessTokenRefusedError, ReauthorizationRequiredError, …: as any call.
    """
    asked = connector.provider.identity
    answer = client.get(asked.path)
    source_id = _told(answer, asked.id, client.context)
    if not source_id:
        raise FatalError(f"{connector.provider.label} does not say whose account this is.")
    return Account(source_id, _told(answer, asked.label, client.context) or source_id)


def base_url_of(provider: Provider, values: Mapping[str, str]) -> str:
    """The base URL with the connection's own values in it.

    Raises:
        ReauthorizationRequiredError: a value is missing.
        FatalError: a value could lead somewhere else: no plain id, or an address that is neither
            https nor of a declared host.
    """
    names = templates.names_in(provider.base_url)
    for name in names:
        value = values.get(name, "")
        if not value:
            raise ReauthorizationRequiredError(
                f"The connection to {provider.label} lacks its {name}; connect it again."
            )
        is_safe = (
            _is_declared_address(provider, value) if "://" in value else templates.is_plain(value)
        )
        if not is_safe:
            raise FatalError(f"The {name} of this {provider.label} connection is not usable.")
    return templates.fill(provider.base_url, {name: values[name].rstrip("/") for name in names})


def _is_declared_address(provider: Provider, value: str) -> bool:
    try:
        parts = urlsplit(value)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return False
    is_bare = not (parts.username or parts.password or parts.query or parts.fragment)
    is_ours = any(fnmatchcase(host, pattern) for pattern in provider.hosts)
    return parts.scheme == "https" and is_bare and is_ours and port in (None, 443)


def auth_headers(
    provider: Provider, credentials: Credentials, values: Mapping[str, str]
) -> dict[str, str]:
    """The first declared way of signing in for which the credentials hold everything; nothing
    where a gateway holds them."""
    if credentials.held_by:
        return {}
    remember(credentials.access_token, credentials.key, credentials.password)
    for way in provider.auth:
        if isinstance(way, ApiKey):
            remember(*(values.get(asked.name, "") for asked in way.fields if asked.secret))
            if all(
                values.get(name)
                for text in way.headers.values()
                for name in templates.names_in(text)
            ):
                return {name: templates.fill(text, values) for name, text in way.headers.items()}
        elif isinstance(way, Basic):
            both = {**values, **way.defaults}
            if both.get("username") or both.get("password"):
                pair = f"{both.get('username', '')}:{both.get('password', '')}"
                encoded = b64encode(pair.encode()).decode()
                remember(encoded)
                return {"Authorization": f"Basic {encoded}"}
        elif credentials.access_token:
            return {"Authorization": f"Bearer {credentials.access_token}"}
    raise ReauthorizationRequiredError(
        f"The connection to {provider.label} lacks its credentials; connect it again."
    )


def _told(answer: Answer, where: str, context: AuthContext) -> str:
    if "{" in where:
        return templates.fill(where, context.extra)
    value = dig(answer.body, where)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
