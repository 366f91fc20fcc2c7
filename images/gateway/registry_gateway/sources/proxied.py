"""What went wrong on the way through an HTTP proxy: the proxy, or what lies behind it."""

from __future__ import annotations

import aiohttp

from registry_gateway.proxies import Proxy
from registry_gateway.sources import verdict
from registry_gateway.sources.base import Reason, SourceError

_REMEDIES = {
    407: "it refused the credentials: check user and password in its address",
    403: "it lets nobody through to that host: ask for it at the proxy, or except the host from it",
}
_OTHER = "check that the proxy reaches that host, or except the host from it"


def of_exception(error: BaseException, host: str, proxy: Proxy, *, seconds: float) -> SourceError:
    """The verdict on a request to `host` through `proxy` that got no answer; `seconds` is the deadline it had."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return of_status(error.status, host, proxy)
    if isinstance(error, aiohttp.ClientConnectorError) and (error.host, error.port) == _place(proxy):
        made = verdict.of_exception(error, f"{host} is behind a proxy, and {proxy.name}", seconds=seconds)
    else:
        made = verdict.of_exception(error, f"{host} (through the proxy {proxy.name})", seconds=seconds)
    made.host = host
    return made


def of_status(status: int, host: str, proxy: Proxy) -> SourceError:
    """The verdict on the proxy's own answer `status` in place of that of `host`."""
    remedy = _REMEDIES.get(status, _OTHER)
    return SourceError(
        Reason.UNREACHABLE,
        f"{host} is behind a proxy, and {proxy.name} answered {status}; {remedy}",
        host=host,
    )


def _place(proxy: Proxy) -> tuple[str | None, int | None]:
    return proxy.url.raw_host, proxy.url.port
