"""Settings of the ModuleConfig as an administrator writes them, for the registries of the platform."""

from __future__ import annotations

from typing import Any

from tests.platform.upstream.upstream import Upstream

Settings = dict[str, Any]


def direct(upstream: Upstream, **fields: Any) -> Settings:
    """Settings for mode Direct with this registry; `fields` override."""
    return {"mode": "Direct", "direct": {**_registry(upstream), **fields}}


def proxy(upstream: Upstream, **fields: Any) -> Settings:
    """Settings for mode Proxy in front of this registry; `fields` (`cacheSize`, `ttl`, …) are added or override."""
    return {"mode": "Proxy", "proxy": {**_registry(upstream), **fields}}


def local(source: Upstream | None = None, **fields: Any) -> Settings:
    """Settings for mode Local, filled from `source`, or by push alone; `fields` (`keepReleases`) are added."""
    filled = {"source": _registry(source)} if source else {}
    return {"mode": "Local", "local": {**filled, **fields}}


def _registry(upstream: Upstream) -> Settings:
    where = {"host": upstream.host, "scheme": "https", "path": f"/{upstream.path}", "ca": upstream.ca}
    return {**where, "user": upstream.user, "password": upstream.password}
