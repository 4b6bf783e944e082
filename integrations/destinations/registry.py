"""Which types of destination there are besides the tenant's own tables: found by being here."""

import importlib
import pkgutil
from typing import TypeVar

import integrations.destinations
from integrations.destinations.tables import TableDestination
from integrations.errors import NotFoundRefusedError

_registered: dict[str, type[TableDestination]] = {}

Made = TypeVar("Made", bound=type[TableDestination])


def register(made: Made) -> Made:
    """Class decorator: the type can be asked for by its slug."""
    _registered[made.slug] = made
    return made


def get_destination_type(slug: str) -> type[TableDestination]:
    """The type with this slug.

    Raises:
        NotFoundRefusedError: there is none; the message names those there are.
    """
    load()
    if slug not in _registered:
        known = ", ".join(sorted(_registered)) or "none"
        raise NotFoundRefusedError(f"There is no type of destination {slug!r}; there are: {known}.")
    return _registered[slug]


def all_destination_types() -> list[type[TableDestination]]:
    load()
    return [_registered[slug] for slug in sorted(_registered)]


def load() -> None:
    """Import every module of this package once."""
    if not _registered:
        for found in pkgutil.iter_modules(integrations.destinations.__path__):
            importlib.import_module(f"{integrations.destinations.__name__}.{found.name}")
