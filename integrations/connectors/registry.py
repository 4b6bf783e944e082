"""Which connectors there are: found, checked and asked for by slug."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from typing import Any, TypeVar

import integrations.connectors
from integrations.connectors.base import Connector
from integrations.errors import FatalError, HubError, UnknownProviderError
from integrations.types import EntityType

ENTRY_POINT_GROUP = "hub.connectors"

_SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}")
_NOT_CONNECTORS = {"base", "catalogue", "registry", "lines"}

_registered: dict[str, type[Connector]] = {}

ConnectorClass = TypeVar("ConnectorClass", bound=type[Connector])


def register(connector: ConnectorClass) -> ConnectorClass:
    """Class decorator: the connector can be asked for by its provider's slug.

    Raises:
        FatalError: what it declares is incomplete or contradicts itself, or the slug is taken.
    """
    problems = list(_problems(connector))
    if problems:
        raise FatalError(f"Connector {connector.__name__}: {'; '.join(problems)}.")
    slug = connector.provider.slug
    before = _registered.get(slug)
    if before is not None and _home(before) != _home(connector):
        raise FatalError(
            f"Two connectors call themselves {slug}: {_home(before)} and {_home(connector)}."
        )
    _registered[slug] = connector
    return connector


def get_connector(slug: str) -> type[Connector]:
    """The connector of a provider.

    Raises:
        UnknownProviderError: there is none; the message names those there are.
    """
    try:
        return _registered[slug]
    except KeyError:
        there_are = ", ".join(sorted(_registered)) or "none"
        raise UnknownProviderError(
            f"There is no provider {slug!r}; known are: {there_are}."
        ) from None


def all_connectors() -> list[type[Connector]]:
    """All registered connectors, by slug."""
    return [_registered[slug] for slug in sorted(_registered)]


def provider_slugs() -> list[str]:
    """The slug of every provider there is a connector for."""
    return sorted(_registered)


def entity_type_names() -> list[str]:
    """Every entity type that some connector declares, each once."""
    return sorted({each.name for found in all_connectors() for each in found.entity_types})


def refusing(destination_type: str) -> list[str]:
    """The providers whose records may not be written to such destinations, by slug."""
    found = all_connectors()
    return [c.provider.slug for c in found if not c().supports_destination(destination_type)]


def load(modules: Iterable[str] = ()) -> None:
    """Register every connector of this package, of `modules` and of installed distributions.

    A second call adds nothing.

    Raises:
        FatalError: a module does not import; the message names it and the cause.
    """
    for found in pkgutil.iter_modules(integrations.connectors.__path__):
        if found.name not in _NOT_CONNECTORS:
            _import(f"{integrations.connectors.__name__}.{found.name}")
    for module in modules:
        if module.strip():
            _import(module.strip())
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        _import(entry.value.partition(":")[0])


def _import(module: str) -> None:
    try:
        importlib.import_module(module)
    except HubError:
        raise
    except Exception as exc:  # the outermost edge of somebody else's code
        raise FatalError(
            f"The connector module {module} does not import: {type(exc).__name__}: {exc}"
        ) from exc


def _home(connector: type[Connector]) -> str:
    return f"{connector.__module__}.{connector.__qualname__}"


def _problems(connector: type[Connector]) -> Iterator[str]:
    """What is wrong with what a connector declares, one phrase each."""
    missing = sorted(connector.__abstractmethods__)
    if missing:
        yield f"{', '.join(missing)} is not written"
    provider: Any = getattr(connector, "provider", None)
    types: tuple[EntityType, ...] = getattr(connector, "entity_types", ())
    if provider is None or not types:
        yield "provider and entity_types must be declared"
        return
    if not _SLUG.fullmatch(provider.slug):
        yield f"the slug {provider.slug!r} must be lower case letters, digits and _"
    if not provider.label:
        yield "the provider has no label"
    if not provider.base_url.startswith(("https://", "{")):
        yield "the base URL must be https"
    if not isinstance(provider.auth, tuple) or not provider.auth:
        yield "auth must be a tuple with at least one way to sign in"
    yield from _type_problems(types)


def _type_problems(types: tuple[EntityType, ...]) -> Iterator[str]:
    names = [declared.name for declared in types]
    if len(set(names)) != len(names):
        yield "an entity type is declared twice"
    for declared in types:
        if not _SLUG.fullmatch(declared.name):
            yield f"the entity type {declared.name!r} must be lower case letters, digits and _"
        for other in (*declared.after, declared.parent, declared.inside):
            if other is not None and other not in names:
                yield f"{declared.name} names {other}, which is not declared"
        if any(not record.record_type for record in declared.record_types):
            yield f"{declared.name} becomes a record without a record type"
    if circle := _circle(types):
        yield f"{' after '.join(circle)} is a circle"


def _circle(types: tuple[EntityType, ...]) -> list[str]:
    """The names of one circle in `after` and `parent`, or []."""
    before = {one.name: [*one.after, *([one.parent] if one.parent else [])] for one in types}
    clear: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in clear:
            return []
        for other in before.get(name, ()):
            if found := walk(other, [*way, name]):
                return found
        clear.add(name)
        return []

    return next((found for name in before if (found := walk(name, []))), [])
