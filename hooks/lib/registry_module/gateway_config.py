"""What the gateways get: `config.json` of Secret registry-gateway-config (contract "gateway configuration")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from . import fingerprint, names
from .cluster_proxy import ClusterProxy
from .store_settings import COPY, SPARE, StoreSettings
from .upstream import Upstream

SCHEMA = 1


@dataclass(frozen=True)
class GatewayConfig:
    """Inputs of one gateway configuration. `routes` newest first; `candidate` is what the images are checked at.

    `proxy` stands between the gateways and the registries. The images are checked in `store` when it is a copy and
    there is no candidate. `peers` are all replicas.
    """

    routes: tuple[Upstream, ...]
    candidate: Upstream | None
    images: tuple[tuple[str, str], ...]
    users: Sequence[dict[str, str]]
    certificates: str
    """PEM texts that are delivered beside config.json; the version covers them."""
    proxy: ClusterProxy | None = None
    store: StoreSettings | None = None
    peers: tuple[tuple[str, str], ...] = ()
    """(node, address) of each replica."""
    modules: tuple[tuple[str, str], ...] = ()
    """(name, version) of downloaded modules: what a copy must keep of them."""
    pulled_without_login: bool = False
    """The platform's pull secret for our address has none, so refusing such clients would refuse the platform."""

    @property
    def copy(self) -> bool:
        """The store is the registry itself."""
        return self.store is not None and self.store.role == COPY


def check_version(config: GatewayConfig, salt: str) -> str:
    """Changes with the candidate's main address, or the store in its place, and the list of images; nothing else."""
    if config.candidate is None and not config.copy:
        return ""
    main = config.candidate.addresses()[0].to_dict() if config.candidate else None
    return fingerprint.keyed(salt, [main, [list(image) for image in config.images]])


def render(config: GatewayConfig, salt: str) -> dict[str, Any]:
    """The JSON object of `config.json`. What is about a store is not there without one."""
    # Routes that differ in their failovers only share the other addresses, which are listed once.
    routes = dict.fromkeys(address for route in config.routes for address in route.addresses())
    check = None
    if config.candidate is not None or config.copy:
        check = {
            "version": check_version(config, salt),
            "upstream": _upstream(config.candidate.addresses()[0], salt) if config.candidate else None,
            "images": [{"name": name, "reference": reference} for name, reference in config.images],
        }
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "alias": names.ALIAS,
        "routes": [_upstream(route, salt) for route in routes],
        "check": check,
        "clients": {
            "nodes": True,
            "anonymous": _anonymous(config),
            "users": list(config.users),
        },
        "proxy": config.proxy.to_dict() if config.proxy else None,
    }
    if config.store is not None:
        body["store"] = _store(config.store, config, salt)
        body["peers"] = [{"name": name, "host": _endpoint(address)} for name, address in sorted(config.peers)]
    return {"version": fingerprint.keyed(salt, [body, config.certificates]), **body}


def _anonymous(config: GatewayConfig) -> bool:
    """Whether clients without a login are served, with what the real registry gives to anybody.

    As long as pull secrets have none, and from before they lose it; a store that clients ask has logins of its own.
    """
    if config.pulled_without_login:
        return True
    asked = config.store is not None and config.store.role != SPARE
    return bool(config.routes) and not config.routes[0].user and not asked


def _upstream(upstream: Upstream, salt: str) -> dict[str, Any]:
    return {"id": upstream.identity(salt), **upstream.to_dict()}


def _store(store: StoreSettings, config: GatewayConfig, salt: str) -> dict[str, Any]:
    filling = store.fill.addresses() if store.fill and config.copy else ()
    return {
        "role": store.role,
        # Not for the gateways, which see a mounted folder: the switch reads it when its own memory is lost.
        **{key: value for key, value in store.to_dict().items() if key in ("path", "owner", "mode")},
        "ttl": store.ttl,
        "size": store.size,
        "minFree": store.min_free,
        "keepReleases": store.keep_releases,
        "modules": [{"name": name, "version": version} for name, version in config.modules] if config.copy else [],
        "keep": [image.to_dict() for image in store.keep] if config.copy else [],
        "fill": [_upstream(address, salt) for address in filling],
        "fillRate": store.fill_rate,
        "scrubRate": store.scrub_rate,
    }


def _endpoint(address: str) -> str:
    host = f"[{address}]" if ":" in address else address
    return f"{host}:{names.GATEWAY_PORT}"
