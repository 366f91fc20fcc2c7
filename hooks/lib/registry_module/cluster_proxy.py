"""The HTTP proxy of the cluster, as the platform has it: section `proxy` of the ClusterConfiguration.

Like the platform's own components, gateways reach the cluster's networks and its domain without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .upstream import host_error

_URL = re.compile(r"https?://(?:[A-Za-z0-9._~!$&'()*+,;=:%-]+@)?([^/?#@]+)")  # RFC 3986 §3.2, no path, no query
_OWN = ("clusterDomain", "podSubnetCIDR", "serviceSubnetCIDR")
_EXCEPTION = re.compile(r"[A-Za-z0-9._:/*\[\]-]+")


@dataclass(frozen=True)
class ClusterProxy:
    """Proxies by the scheme of the request's URL, "" for none; they may hold credentials. `exceptions` go directly."""

    http: str
    https: str
    exceptions: tuple[str, ...]

    @staticmethod
    def from_global(data: Any) -> ClusterProxy | None:
        """From `global.clusterConfiguration`; None when it names no proxy. What cannot be used is left out."""
        section = data.get("proxy") if isinstance(data, dict) else None
        if not isinstance(section, dict):
            return None
        http, https = _url(section.get("httpProxy")), _url(section.get("httpsProxy"))
        listed = section.get("noProxy")
        own = (data.get(field) for field in _OWN)
        exceptions = tuple(filter(_is_exception, [*(listed if isinstance(listed, list) else ()), *own]))
        return ClusterProxy(http, https, exceptions) if http or https else None

    def to_dict(self) -> dict[str, Any]:
        """As in `config.json` of the gateways."""
        urls = {"http": self.http, "https": self.https}
        return {**{scheme: url for scheme, url in urls.items() if url}, "except": list(self.exceptions)}


def _is_exception(value: Any) -> bool:
    return isinstance(value, str) and _EXCEPTION.fullmatch(value) is not None


def _url(value: Any) -> str:
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    return value if found and not host_error(found[1]) else ""
