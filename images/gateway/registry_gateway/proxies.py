"""Which HTTP proxy a request goes through, by the words that administrators know from HTTP_PROXY and NO_PROXY.

Matching is that of Go's net/http, which containerd on the nodes goes by, with one difference: an exception with a
leading dot covers the name itself, too. Names are compared as they are written; none is resolved.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from yarl import URL

# The module's own address is served inside the cluster. `localhost` at a proxy would be the proxy's machine.
_NEVER = ("registry.d8-system.svc", "localhost")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: `url` has scheme, host and port only, so that it can be shown."""

    url: URL
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """`host:port`, for messages."""
        host = self.url.host_subcomponent
        return f"{host}:{self.url.port}"


@dataclass(frozen=True, slots=True)
class Bypass:
    """An exception: a network, or a name and all below it ("" = every host); `port` None = any."""

    name: str = ""
    network: Network | None = None
    port: int | None = None

    def covers(self, host: str, address: Address | None, port: int | None) -> bool:
        """Whether requests to `host`, which is `address` if it is one, go past the proxy."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return address is not None and address in self.network
        below = address is None and host.endswith("." + self.name)
        return self.name == "" or host == self.name or below


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxies by the scheme of the request, and where none is used."""

    http: Proxy | None = None
    https: Proxy | None = None
    exceptions: tuple[Bypass, ...] = ()

    def choose(self, url: URL) -> Proxy | None:
        """The proxy for a request to `url`; None when it is sent directly."""
        proxy = self.https if url.scheme == "https" else self.http if url.scheme == "http" else None
        if proxy is None:
            return None
        host = _plain(url.raw_host or "")
        address = _address(host)
        if any(host == name or host.endswith("." + name) for name in _NEVER):
            return None
        if address is not None and address.is_loopback:
            return None
        if any(bypass.covers(host, address, url.port) for bypass in self.exceptions):
            return None
        return proxy


DIRECT = Proxies()


def proxy(text: str) -> Proxy | None:
    """The proxy at `http(s)://[user[:password]@]host[:port]`; None when `text` is no such address."""
    try:
        url = URL(text)
        bare = URL.build(scheme=url.scheme, host=url.host or "", port=url.explicit_port)
        user, password = url.user or "", url.password or ""
    except ValueError:
        return None
    rest = url.path not in ("", "/") or url.query_string or url.fragment
    if bare.scheme not in ("http", "https") or not bare.raw_host or not bare.port or rest:
        return None
    if ":" in user or not (user + password).isprintable() or not _is_host(bare.raw_host):
        return None
    return Proxy(bare, user, password)


def bypasses(entries: Iterable[str]) -> tuple[Bypass, ...]:
    """What `entries` mean: names, addresses and networks, each with a port or without, or `*`. What is none of these
    matches nothing, as with all who read NO_PROXY.
    """
    return tuple(made for made in map(_bypass, entries) if made is not None)


def _bypass(entry: str) -> Bypass | None:
    text = entry.strip()
    try:
        if "/" in text:
            return Bypass(network=ipaddress.ip_network(text, strict=False))
        address = _address(text)
        place = None if address else URL(f"//{text}")
        if place is not None:
            text, address = _plain(place.raw_host or ""), _address(place.raw_host or "")
        port = place.explicit_port if place is not None else None
    except ValueError:
        return None
    if address is not None:
        return Bypass(network=ipaddress.ip_network(address), port=port)
    name = text.removeprefix("*.").removeprefix(".")
    return Bypass("" if name == "*" else name, port=port) if name else None


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _address(host: str) -> Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_host(host: str) -> bool:
    return _address(host) is not None or all(
        part.replace("-", "").replace("_", "").isalnum() for part in host.split(".")
    )
