"""Realms and addresses: where an upstream may send the gateway, and its credentials."""

from __future__ import annotations

import pytest
from yarl import URL

from registry_gateway.sources.addresses import Reach, Resolver, is_disguised, reach
from registry_gateway.sources.realm import is_trusted, registrable


@pytest.mark.parametrize(
    ("upstream", "realm", "trusted"),
    [
        ("https://registry.example.com", "https://registry.example.com/token", True),
        ("https://registry.example.com", "https://registry.example.com:8443/token", True),
        ("https://registry.example.com", "https://auth.example.com/token", True),
        ("https://registry.example.com", "https://AUTH.Example.COM/token", True),
        ("https://registry.example.com.", "https://auth.example.com/token", True),
        ("https://registry.example.com", "https://auth.example.org/token", False),
        ("https://registry.example.com", "https://example.com.evil.net/token", False),
        ("https://registry.example.com", "https://evilexample.com/token", False),
        ("https://registry.example.com", "http://registry.example.com/token", False),
        ("https://registry.example.com", "https://user:pw@registry.example.com/token", False),
        ("https://registry.example.com", "ftp://registry.example.com/token", False),
        ("https://registry.example.com", "/token", False),
        ("http://registry.example.com", "http://registry.example.com/token", True),
        ("http://registry.example.com", "https://auth.example.com/token", True),
        ("https://registry.firm.co.uk", "https://auth.firm.co.uk/token", True),
        ("https://registry.firm.co.uk", "https://auth.other.co.uk/token", False),
        ("https://10.0.0.5:5000", "https://10.0.0.5:5001/token", True),
        ("https://10.0.0.5", "https://10.0.0.6/token", False),
        ("https://1.2.0.5", "https://9.9.0.5/token", False),
        ("https://localhost:5000", "https://localhost:5001/token", True),
        ("https://localhost", "https://registry/token", False),
        ("https://registry", "https://evil.registry/token", False),
    ],
)
def test_realm_is_trusted_at_the_same_host_or_domain(upstream: str, realm: str, trusted: bool) -> None:
    assert is_trusted(URL(realm), upstream=URL(upstream)) is trusted


@pytest.mark.parametrize(
    ("listed", "realm", "trusted"),
    [
        ("auth.example.org", "https://auth.example.org/token", True),
        ("auth.example.org", "https://AUTH.example.org.:8443/token", True),
        ("Auth.Example.org", "https://auth.example.org/token", True),
        ("auth.example.org:8443", "https://auth.example.org:8443/token", True),
        ("auth.example.org:443", "https://auth.example.org/token", True),
        ("auth.example.org:8443", "https://auth.example.org/token", False),
        ("auth.example.org", "http://auth.example.org/token", False),
        ("auth.example.org", "https://x.auth.example.org/token", False),
        ("auth.example.org", "https://example.org/token", False),
        ("auth.example.org", "https://u:p@auth.example.org/token", False),
        ("10.0.0.9:5001", "https://10.0.0.9:5001/token", True),
        ("[2001:db8::1]:5001", "https://[2001:db8::1]:5001/token", True),
        ("[2001:db8::1]", "https://[2001:db8::2]/token", False),
    ],
)
def test_realm_that_is_listed_is_trusted_at_just_that_place(listed: str, realm: str, trusted: bool) -> None:
    upstream = URL("https://registry.example.com")
    assert is_trusted(URL(realm), upstream=upstream, listed=("other.example.net", listed)) is trusted


@pytest.mark.parametrize(
    ("host", "domain"),
    [("a.b.example.com", "example.com"), ("co.uk", ""), ("x.co.uk", "x.co.uk"), ("com", ""), ("", ""), ("1.2.3.4", "")],
)
def test_registrable_domain_is_what_an_owner_registers(host: str, domain: str) -> None:
    assert registrable(host) == domain


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", Reach.MACHINE),
        ("127.9.9.9", Reach.MACHINE),
        ("::1", Reach.MACHINE),
        ("[::1]", Reach.MACHINE),
        ("::ffff:127.0.0.1", Reach.MACHINE),
        ("169.254.169.254", Reach.LINK),
        ("fe80::1%eth0", Reach.LINK),
        ("fd00:ec2::254", Reach.LINK),
        ("0.0.0.0", Reach.MACHINE),
        ("224.0.0.1", Reach.LINK),
        ("10.0.0.1", Reach.ANYWHERE),
        ("198.51.100.7", Reach.ANYWHERE),
        ("2001:db8::1", Reach.ANYWHERE),
        ("localhost", Reach.ANYWHERE),
        ("registry.example.com", Reach.ANYWHERE),
    ],
)
def test_addresses_of_this_machine_and_link_are_told_apart(address: str, expected: Reach) -> None:
    assert reach(address) is expected


@pytest.mark.parametrize(
    ("host", "disguised"),
    [
        ("2130706433", True),
        ("127.1", True),
        ("0x7f.1", True),
        ("0X7F000001", True),
        ("0177.0.0.1", True),
        ("127.0.0.0x1", True),
        ("127.0.0.1", False),
        ("198.51.100.7", False),
        ("::ffff:198.51.100.7", False),
        ("2001:db8::1", False),
        ("registry.example.com", False),
        ("1.example.com", False),
        ("registry", False),
    ],
)
def test_numbers_that_some_take_for_an_address_are_no_names(host: str, disguised: bool) -> None:
    assert is_disguised(host) is disguised


async def test_a_name_that_leads_to_loopback_is_not_resolved_for_an_outside_upstream() -> None:
    resolver = Resolver("registry.example.com")
    with pytest.raises(OSError, match="loopback"):
        await resolver.resolve("localhost", 443)


async def test_an_upstream_on_loopback_may_point_to_loopback() -> None:
    resolver = Resolver("localhost")
    await resolver.resolve("localhost", 443)
    assert [entry["host"] for entry in await resolver.resolve("127.0.0.1", 443)] == ["127.0.0.1"]
    assert resolver.allows("::1")


@pytest.mark.parametrize("home", ["localhost", "127.0.0.1", "[::1]"])
async def test_an_upstream_on_loopback_may_not_point_to_the_link(home: str) -> None:
    resolver = Resolver(home)
    await resolver.resolve(home.strip("[]"), 443)
    assert not resolver.allows("169.254.169.254")
    assert not resolver.allows("fd00:ec2::254")
    with pytest.raises(OSError, match="link-local"):
        await resolver.resolve("169.254.7.7", 443)
