"""What a switch must remember; small, kept in values, rendered into Secret registry-state, restored from it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from .node_route import APPLY, REMOVE
from .platform_secret import PlatformRegistry
from .settings import Settings
from .store_settings import SPARE, StoreSettings
from .trial import Trial
from .upstream import Upstream

SCHEMA = 1
MAX_ROUTES = 4
"""More than an old, a new and a change of mind between them never need to work side by side."""


@dataclass(frozen=True)
class State:
    """The memory of the switch.

    `settings`: the last valid ones. `original`: the registry before the first switch, to go back to.
    `gateway_routes`, `node_routes`: what gateways serve and nodes may use, newest first.
    `gateways_first`: nodes ask gateways before any of `node_routes`. `gateway`: gateways are wanted. `store`: what they
    keep content in. `nodes`: what nodes are told: "", "apply" or "remove". `wave`: version of a route, and the place in
    `waves.plan` that it has reached. `proved`: version of what kubelets have pulled by (`pull_proof`).
    `trial`: how trying the route goes. `history`: the last switches, newest first.
    """

    salt: str = ""
    settings: Settings | None = None
    original: PlatformRegistry | None = None
    gateway_routes: tuple[Upstream, ...] = ()
    node_routes: tuple[Upstream, ...] = ()
    gateways_first: bool = False
    gateway: bool = False
    store: StoreSettings | None = None
    nodes: str = ""
    wave: tuple[str, int] = ("", 0)
    proved: str = ""
    trial: Trial = field(default_factory=Trial)
    stage: str = ""
    since: str = ""
    conditions: tuple[dict[str, Any], ...] = ()
    history: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "salt": self.salt,
            "settings": self.settings.to_dict() if self.settings else {},
            "original": self.original.to_dict() if self.original else {},
            "gatewayRoutes": [route.to_dict() for route in self.gateway_routes],
            "nodeRoutes": [route.to_dict() for route in self.node_routes],
            "gatewaysFirst": self.gateways_first,
            "gateway": self.gateway,
            "store": self.store.to_dict() if self.store else {},
            "nodes": self.nodes,
            "wave": {"version": self.wave[0], "reached": self.wave[1]},
            "proved": self.proved,
            "trial": self.trial.to_dict(),
            "stage": self.stage,
            "since": self.since,
            "conditions": [dict(condition) for condition in self.conditions],
            "history": [dict(switch) for switch in self.history],
        }


def restore(data: Any) -> State:
    """The state from values or from the Secret's JSON text; an empty state when it is missing or unreadable."""
    try:
        data = json.loads(data) if isinstance(data, str) else data
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            return State()
        return State(
            salt=str(data["salt"]),
            settings=Settings.from_dict(data["settings"]) if data["settings"] else None,
            original=PlatformRegistry.from_facts(data["original"]),
            gateway_routes=tuple(Upstream.from_dict(route) for route in data["gatewayRoutes"]),
            node_routes=tuple(Upstream.from_dict(route) for route in data["nodeRoutes"]),
            gateways_first=data.get("gatewaysFirst") is True,  # not in states of older versions, as store, history
            gateway=bool(data["gateway"]),
            store=StoreSettings.from_dict(data["store"]) if data.get("store") else None,
            nodes=str(data["nodes"]),
            wave=_wave(data.get("wave")),
            proved=str(data.get("proved") or ""),
            trial=Trial.from_dict(data.get("trial")),
            stage=str(data["stage"]),
            since=str(data["since"]),
            conditions=tuple(data["conditions"]),
            history=tuple(data.get("history") or ()),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return State()


def _wave(data: Any) -> tuple[str, int]:
    return (str(data["version"]), int(data["reached"])) if data else ("", 0)


def recall(values: Any, kept: str, config: str, *, salt: str) -> State:
    """The state from values; after a restart of the operator from Secret registry-state (`kept`); if that is lost, from
    `config` of the gateways. `salt` is that of a state that was lost or never was.
    """
    for source in (values, kept):
        state = restore(source)
        if state.salt:
            return state
    return replace(rebuild(config), salt=salt)


def rebuild(config: Any) -> State:
    """What can be known again when the state is lost: what gateways serve, by `config.json` of their Secret (text).

    Nodes have those routes at most. An empty state when there are no gateways or the text is unreadable.
    """
    try:
        document = json.loads(config)
        routes = tuple(Upstream.from_dict(route) for route in document["routes"])
        store = StoreSettings.from_dict(document["store"]) if document.get("store") else None
        removing = document.get("nodes") == REMOVE
    except (ValueError, KeyError, TypeError, AttributeError):
        return State()
    if not routes and store is None:
        return State()
    keeps = store is not None and store.role != SPARE
    nodes = () if keeps or removing else tuple(dict.fromkeys(route.route() for route in routes))[:MAX_ROUTES]
    return State(
        gateway_routes=routes[:MAX_ROUTES],
        node_routes=nodes,
        gateways_first=keeps and not removing,
        gateway=True,
        store=store,
        nodes=REMOVE if removing else APPLY,
    )


def first(routes: tuple[Upstream, ...], *wanted: Upstream) -> tuple[Upstream, ...]:
    """`routes` with `wanted` at the front, bounded."""
    return (*wanted, *(route for route in routes if route not in wanted))[:MAX_ROUTES]
