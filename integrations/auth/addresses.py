"""A provider's OAuth addresses with a connection's own values in them."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from integrations.errors import FatalError, ReauthorizationRequiredError
from integrations.types import Provider, templates


def filled(provider: Provider, address: str, values: Mapping[str, str]) -> str:
    """The address with each {name} replaced by a plain value; one without names stays as it is.

    Raises:
        ReauthorizationRequiredError: a value is missing.
        FatalError: a value could lead to a host the provider does not declare.
    """
    names = templates.names_in(address)
    for name in names:
        if not values.get(name):
            raise ReauthorizationRequiredError(
                f"The connection to {provider.label} lacks its {name}; connect it again."
            )
        if not templates.is_plain(values[name]):
            raise FatalError(f"The {name} of this {provider.label} connection is not usable.")
    if not names:
        return address
    full = templates.fill(address, values)
    if not _is_at_home(provider, address, full):
        raise FatalError(f"{provider.label} does not declare the host of this address.")
    return full


def _is_at_home(provider: Provider, address: str, full: str) -> bool:
    """A host that was written out is the declaration's own; a filled one must be declared."""
    parts, written = urlsplit(full), urlsplit(address).netloc
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or parts.netloc.lower() != host:
        return False
    return "{" not in written or any(fnmatchcase(host, known) for known in provider.hosts)
