"""Where an upstream may make the gateway connect to.

A redirect or a realm could name the gateway's own loopback, the cloud's metadata service or a neighbour on the link.
Such addresses are refused unless the upstream itself is at one of the same kind: a registry on loopback may point to
loopback, and still not to the metadata service. They are refused where names become addresses, so a name that resolves
to something else the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from enum import StrEnum

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_METADATA = frozenset((ipaddress.ip_address("fd00:ec2::254"),))  # the one metadata service that is not link-local


class Reach(StrEnum):
    """How far an address is meant to reach."""

    ANYWHERE = "anywhere"
    MACHINE = "loopback"
    LINK = "link-local"


def reach(address: str) -> Reach:
    """The reach of an IP literal; of anything else ANYWHERE, for that has to become an address first."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    except ValueError:
        return Reach.ANYWHERE
    mapped = getattr(parsed, "ipv4_mapped", None)
    if mapped is not None:
        parsed = mapped
    if parsed.is_loopback or parsed.is_unspecified:  # the kernel takes 0.0.0.0 for this machine
        return Reach.MACHINE
    return Reach.LINK if parsed.is_link_local or parsed.is_multicast or parsed in _METADATA else Reach.ANYWHERE


def is_disguised(host: str) -> bool:
    """Whether `host` is an address in a form that only some resolvers take for one, such as 2130706433 or 0x7f.1.

    No name ends in a number (WHATWG URL, "ends in a number checker").
    """
    last = host.rstrip(".").rpartition(".")[2].lower()
    if not (last.isdigit() or last.startswith("0x")):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


class Resolver(AbstractResolver):
    """The host's resolver. Addresses of short reach are left out for every name but `home`, the upstream's own."""

    def __init__(self, home: str) -> None:
        self._home = home.lower()
        self._reaches = {Reach.ANYWHERE, reach(home)}
        self._system = ThreadedResolver()

    def allows(self, address: str) -> bool:
        """Whether the upstream may point to `address` (an IP literal): its own is of the same reach, or it is no such
        address.
        """
        return reach(address) in self._reaches

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of `host`. Raises OSError when none is left."""
        found = await self._system.resolve(host, port, family)
        if host.lower() == self._home:
            self._reaches = {Reach.ANYWHERE, *(reach(entry["host"]) for entry in found)}
            return found
        allowed = [entry for entry in found if self.allows(entry["host"])]
        if not allowed:
            raise OSError(None, "the name leads to a loopback or link-local address")
        return allowed

    async def close(self) -> None:
        """Nothing is held."""
        await self._system.close()
