"""Which addresses the hub may connect to. The standard library's `is_global` is not the answer:
on Python 3.11 it calls NAT64, 6to4 and multicast addresses global, and through those one reaches
the inside again.
"""

import re
import socket
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

IPAddress = IPv4Address | IPv6Address

_DENIED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
"""Everything outside is loopback, mapped, NAT64, unique local, link-local or multicast."""

_DENIED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID, benchmarking
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
_INSIDE_NAMES = re.compile(
    r"(?:^|\.)(?:localhost|localdomain|local|internal|intranet|home|lan|corp|arpa)$"
)


def is_public(address: IPAddress) -> bool:
    """True only for an address in the open internet that leads nowhere else."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _DENIED_V4)
    if address.scope_id or address not in _PUBLIC_V6:
        return False
    return not any(address in network for network in _DENIED_V6)


def literal_address(host: str) -> IPAddress | None:
    """The address a host name spells out, in any form a resolver takes: 127.1, 0x7f.1, ①27.1."""
    plain = _plain(host).strip("[]")
    try:
        return ip_address(plain)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(plain)) if plain.isascii() else None
    except (OSError, ValueError):  # ValueError: a NUL among the letters
        return None


@dataclass(frozen=True)
class AllowList:
    """Addresses, networks and host names opened on purpose: ("127.0.0.1", "crm.corp.example")."""

    entries: tuple[str, ...] = ()

    @cached_property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(found for entry in self.entries if (found := _network(entry)) is not None)

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(entry.lower() for entry in self.entries if _network(entry) is None)

    @property
    def leading_inside(self) -> tuple[str, ...]:
        """The entries that open something that is not in the open internet."""
        return tuple(
            entry
            for entry in self.entries
            if (
                not may_be_outside(entry)
                if (network := _network(entry)) is None
                else _reaches_inside(network)
            )
        )

    def has_address(self, address: IPAddress) -> bool:
        return any(
            address in network for network in self.networks if network.version == address.version
        )

    def has_host(self, host: str) -> bool:
        address = literal_address(host)
        return host.lower() in self.names or (address is not None and self.has_address(address))


def may_be_outside(host: str) -> bool:
    """False for a name or literal that can only mean the inside; for when a proxy resolves."""
    address = literal_address(host)
    if address is not None:
        return is_public(address)
    plain = _plain(host)
    return "." in plain and not _INSIDE_NAMES.search(plain)


def resolve(host: str, port: int) -> list[IPAddress]:
    """All addresses of a host, in the resolver's order. Raises OSError if there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as exc:  # no name at all: a NUL, an empty or an endless label
        raise OSError("This is no host name.") from exc
    texts: Iterable[str] = dict.fromkeys(str(info[4][0]) for info in found)
    return [ip_address(text) for text in texts]


def _plain(host: str) -> str:
    """The host as it will be looked up: one form of each letter and dot, no dot at the end."""
    return unicodedata.normalize("NFKC", host).replace("\u3002", ".").rstrip(".").lower()


def _reaches_inside(network: IPv4Network | IPv6Network) -> bool:
    if isinstance(network, IPv4Network):
        return any(network.overlaps(denied) for denied in _DENIED_V4)
    is_outside = network.subnet_of(_PUBLIC_V6)
    return not is_outside or any(network.overlaps(denied) for denied in _DENIED_V6)


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry, strict=False)
    except ValueError:
        return None
