"""T24, M20: which addresses the hub connects to."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from integrations.http.addresses import (
    AllowList,
    is_public,
    literal_address,
    may_be_outside,
    resolve,
)

_INSIDE = """
0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1
127.1.2.3 127.255.255.255 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1
192.0.0.8 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255
198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::2 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8
64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 100:0:0:1::1 2001::1 2001:0:4136:e378::1
2001:2::1 2001:10::1 2001:20::1 2001:1ff::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1
3fff:fff::1 4000::1 5f00::1 fc00::1 fd00::1 fdff:ffff::1 fe80::1 fe80::1%eth0 febf::1 fec0::1
feff::1 ff02::1 ff05::2 ffff::1 2606:4700::1111%1
"""

_OUTSIDE = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1
169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 203.0.114.1 223.255.255.255 2001:200::1 2001:4860:4860::8888
2606:4700:4700::1111 2a00:1450:4001:80b::200e 2003::1 3ffe::1
"""


@pytest.mark.parametrize("address", _INSIDE.split())
def test_no_address_inside_or_leading_inside_is_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", _OUTSIDE.split())
def test_neighbours_of_reserved_networks_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0x7f000001", "①②⑦.0.0.1", "127.0.0.1.",
     "[::1]", "017700000001", "１２７.0.0.1", "127。0。0。1"],
)  # fmt: skip
def test_every_spelling_of_loopback_is_seen_through(host: str) -> None:
    address = literal_address(host)

    assert address is not None
    assert address.is_loopback
    assert not may_be_outside(host)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST.", "db.localhost", "printer.local", "metadata.google.internal", "hub",
     "wiki.intranet", "", "a.home.arpa", "ｌocalhost", "x.lan", "host.corp"],
)  # fmt: skip
def test_a_name_that_can_only_be_inside_never_reaches_the_proxy(host: str) -> None:
    assert not may_be_outside(host)


@pytest.mark.parametrize("host", ["api.copper.com", "slack.com.", "8.8.8.8", "locals.example.com"])
def test_a_name_that_may_be_outside_is_left_to_the_proxy(host: str) -> None:
    assert may_be_outside(host)


def test_an_allow_list_opens_addresses_networks_and_names() -> None:
    allow = AllowList(("127.0.0.1", "10.1.0.0/16", "crm.corp.example"))

    assert allow.has_host("127.0.0.1")
    assert allow.has_host("2130706433")
    assert allow.has_host("CRM.corp.example")
    assert allow.has_address(ip_address("10.1.200.3"))
    assert not allow.has_address(ip_address("10.2.0.1"))
    assert not allow.has_address(ip_address("::1"))
    assert not allow.has_host("127.0.0.2")
    assert not allow.has_host("evil-crm.corp.example")


@given(st.ip_addresses(v=4))
def test_an_address_wrapped_in_ipv6_is_never_public(address: IPv4Address) -> None:
    mapped = ip_address(f"::ffff:{address}")
    translated = ip_address(int(ip_address("64:ff9b::")) + int(address))
    tunnelled = ip_address((0x2002 << 112) + (int(address) << 80))

    assert not any(map(is_public, (mapped, translated, tunnelled)))


@pytest.mark.parametrize("host", ["\x00", "a\x00b.example", "x" * 70 + ".example", "a..example"])
def test_what_is_no_host_name_is_no_address_and_is_not_found(host: str) -> None:
    assert literal_address(host) is None
    with pytest.raises(OSError):
        resolve(host, 443)


@given(st.text(max_size=40))
@example("\x00")
def test_no_host_name_breaks_the_check(host: str) -> None:
    may_be_outside(host)
    literal_address(host)
