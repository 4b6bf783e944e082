"""Where a tenant's connect pages may send people back to, and which pages may frame them.

An address is read by one strict pattern and compared as text. Nothing is repaired, decoded or made
lower case: what browsers might read in two ways is not an address here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from django.conf import settings
from django.db import transaction

from hub.audit.models import AuditAction
from hub.audit.record import record_event
from hub.connect.models import AllowedAddress
from integrations.errors import InvalidInputError
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.models import Tenant
from tenants.roles import Role

MOST_ADDRESSES = 50
MAX_ENTRY_LENGTH = 500
MAX_RETURN_URL_LENGTH = 2000
OUTCOME = ("status", "provider", "connection", "state")
"""The query parameters with which people come back."""

_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253}|\[::1\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/[A-Za-z0-9._~+=:/-]*)?(?P<query>\?(?:[A-Za-z0-9._~+=:/&-]|%[2-9A-Fa-f][0-9A-Fa-f])*)?"
)
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_DEFAULT_PORTS = {"https": "443", "http": "80"}


@dataclass(frozen=True, slots=True)
class Address:
    """A web address that means one thing only: {"https://app.example.com", "/settings", "?a=1"}."""

    origin: str
    path: str = ""
    query: str = ""


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """Both lists of a tenant, sorted."""

    return_addresses: list[str]
    embedding_origins: list[str]


@requires_role(Role.ADMIN)
@transaction.atomic
def set_allowed_addresses(
    *,
    tenant: Tenant,
    return_addresses: Iterable[str],
    embedding_origins: Iterable[str],
    actor: Actor,
) -> AllowedAddresses:
    """Both lists are what was given, or neither has changed. Returns what is stored.

    Raises:
        InvalidInputError: with a sentence for each entry that cannot stand on its list, under
            `return_addresses` and `embedding_origins`.
    """
    wanted = {"return_addresses": return_addresses, "embedding_origins": embedding_origins}
    kinds = (AllowedAddress.Kind.RETURN, AllowedAddress.Kind.EMBED)
    stored, errors = {}, {}
    for (name, addresses), kind in zip(wanted.items(), kinds, strict=True):
        try:
            stored[name] = _set(tenant, kind, addresses, actor)
        except InvalidInputError as refusal:
            errors[name] = refusal.errors["addresses"]
    if errors:
        raise InvalidInputError("Not every address can be allowed; see errors.", errors)
    return AllowedAddresses(**stored)


@requires_role(Role.ADMIN)
def set_return_addresses(*, tenant: Tenant, addresses: Iterable[str], actor: Actor) -> list[str]:
    """People may be sent back to these addresses and to what lies below them, and nowhere else.

    Returns what is stored, sorted. A second call replaces the first; [] allows none.

    Raises:
        InvalidInputError: one is no plain https address, has a query, or there are more than 50.
    """
    return _set(tenant, AllowedAddress.Kind.RETURN, addresses, actor)


@requires_role(Role.ADMIN)
def set_embedding_origins(*, tenant: Tenant, origins: Iterable[str], actor: Actor) -> list[str]:
    """Pages of these origins may show the connect page in a frame; as `set_return_addresses`.

    Raises:
        InvalidInputError: one has a path, or is no plain https origin.
    """
    return _set(tenant, AllowedAddress.Kind.EMBED, origins, actor)


def allowed_addresses(tenant: Tenant) -> AllowedAddresses:
    """Both lists, in one query."""
    rows = list(AllowedAddress.objects.filter(tenant=tenant).values_list("kind", "address"))
    return AllowedAddresses(
        return_addresses=sorted(
            entry for kind, entry in rows if kind == AllowedAddress.Kind.RETURN
        ),
        embedding_origins=sorted(
            entry for kind, entry in rows if kind == AllowedAddress.Kind.EMBED
        ),
    )


def return_addresses(tenant: Tenant) -> list[str]:
    """The addresses people may be sent back to."""
    return _stored(tenant, AllowedAddress.Kind.RETURN)


def embedding_origins(tenant: Tenant) -> list[str]:
    """The origins whose pages may frame the connect page."""
    return _stored(tenant, AllowedAddress.Kind.EMBED)


def check_return_url(*, tenant: Tenant, url: str) -> None:
    """Return if people may be sent to `url`.

    Raises:
        InvalidInputError: it is not on the tenant's list, can be read in more than one way, or
            its query has a parameter that the outcome will have.
    """
    address = _parsed(url) if len(url) <= MAX_RETURN_URL_LENGTH else None
    if address is None or not _is_below_any(address, return_addresses(tenant)):
        problem = (
            "This is not an address to return to: it must be https and begin with one of the "
            "addresses an admin of the tenant has allowed."
        )
        raise InvalidInputError(problem, {"return_url": [problem]})
    if taken := {name for name, _ in parse_qsl(address.query[1:], True)} & set(OUTCOME):
        problem = f"The outcome is told as {', '.join(sorted(taken))}; leave that out."
        raise InvalidInputError(problem, {"return_url": [problem]})


def is_allowed_return_url(tenant: Tenant, url: str) -> bool:
    """Whether people may still be sent to `url`; an admin may have taken it from the list."""
    try:
        check_return_url(tenant=tenant, url=url)
    except InvalidInputError:
        return False
    return True


def origin_of(url: str) -> str:
    """ "https://app.example.com" of an address that was checked before."""
    address = _parsed(url)
    return address.origin if address else ""


def with_outcome(url: str, outcome: Mapping[str, str]) -> str:
    """The address with the outcome appended to its query; empty values are left out."""
    told = urlencode({name: value for name, value in outcome.items() if value})
    return f"{url}{'&' if '?' in url else '?'}{told}"


@transaction.atomic
def _set(
    tenant: Tenant, kind: AllowedAddress.Kind, addresses: Iterable[str], actor: Actor
) -> list[str]:
    entered = list(dict.fromkeys(address.strip() for address in addresses))
    problems = [f"{_shown(each)}: {why}" for each in entered if (why := _problem(kind, each))]
    if len(entered) > MOST_ADDRESSES:
        problems = [f"There may be at most {MOST_ADDRESSES}."]
    if problems:
        raise InvalidInputError(" ".join(problems), {"addresses": problems})
    Tenant.objects.select_for_update().get(pk=tenant.pk)  # two admins save one after the other
    wanted, before = sorted(entered), _stored(tenant, kind)
    AllowedAddress.objects.filter(tenant=tenant, kind=kind).delete()
    AllowedAddress.objects.bulk_create(
        AllowedAddress(tenant=tenant, kind=kind, address=address) for address in wanted
    )
    if wanted != before:
        record_event(
            AuditAction.CONNECT_ADDRESSES_CHANGED,
            actor=actor,
            target=tenant,
            detail={"kind": kind.value, "old": before, "new": wanted},
            tenant_id=tenant.pk,
        )
    return wanted


def _stored(tenant: Tenant, kind: AllowedAddress.Kind) -> list[str]:
    rows = AllowedAddress.objects.filter(tenant=tenant, kind=kind)
    return sorted(rows.values_list("address", flat=True))


def _problem(kind: AllowedAddress.Kind, text: str) -> str:
    """Why this cannot stand on a list, or ''."""
    address = _parsed(text) if len(text) <= MAX_ENTRY_LENGTH else None
    if address is None:
        return "write a plain address such as https://app.example.com/settings, without wildcards."
    if "?" in text:
        return "leave out the query."
    if kind == AllowedAddress.Kind.EMBED and address.path:
        return "write the origin alone, such as https://app.example.com."
    return ""


def _shown(text: str) -> str:
    """What was entered, short and harmless in a sentence."""
    return repr(text[:60])


def _parsed(text: str) -> Address | None:
    """The address, or None where there is the least doubt about what it means."""
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    scheme, host, port, path = found["scheme"], found["host"], found["port"], found["path"] or ""
    if not _is_host(scheme, host) or port == _DEFAULT_PORTS[scheme] or int(port or 1) > 65535:
        return None
    if "//" in path or any(part in (".", "..") for part in path.split("/")):
        return None
    shown_port = f":{port}" if port else ""
    return Address(f"{scheme}://{host}{shown_port}", path, found["query"] or "")


def _is_host(scheme: str, host: str) -> bool:
    """A host name; on a laptop also this machine, which has no certificate."""
    if host in _LOOPBACK:
        return not settings.HUB_IS_PRODUCTION
    return scheme == "https" and _NAME.fullmatch(host) is not None


def _is_below_any(address: Address, entries: Iterable[str]) -> bool:
    return any(_is_below(address, entry) for entry in map(_parsed, entries) if entry is not None)


def _is_below(address: Address, entry: Address) -> bool:
    """Same origin, and the entry's path itself or a path below it: /hub allows no /hubris."""
    if address.origin != entry.origin:
        return False
    prefix = entry.path.rstrip("/")
    return address.path in (prefix, entry.path) or address.path.startswith(f"{prefix}/")
