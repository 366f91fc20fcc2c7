"""One evaluation of the switch: what is wanted, what is known, and the desired objects that follow from the state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from . import gateway_config, images, names, node_route, waves
from .facts import Facts, Replica
from .platform_secret import PlatformRegistry, managed
from .settings import Settings, Verdict
from .state import State
from .store_settings import StoreSettings
from .trial import Good
from .upstream import Upstream


@dataclass(frozen=True)
class Inputs:
    """Everything that an evaluation depends on besides the state."""

    verdict: Verdict
    facts: Facts
    pki: dict[str, Any]
    gateway_users: tuple[dict[str, str], ...]
    now: str
    """UTC, RFC 3339."""
    pull_login: tuple[str, str] = ("", "")
    """What the platform pulls with where gateways keep content."""


@dataclass(frozen=True)
class Context:
    """Inputs and the state so far; desired objects are functions of both, never remembered."""

    inputs: Inputs
    state: State

    def with_state(self, state: State) -> Context:
        return replace(self, state=state)

    @property
    def facts(self) -> Facts:
        return self.inputs.facts

    @property
    def settings(self) -> Settings:
        """The settings in force: the last valid ones."""
        return self.state.settings or Settings(names.UNMANAGED)

    @property
    def managed(self) -> bool:
        return self.settings.mode != names.UNMANAGED

    @property
    def idle(self) -> bool:
        """Unmanaged, without gateways and not in use: the platform's registry is its own affair."""
        return not self.managed and not self.state.gateway and not self.facts.in_use

    @property
    def used(self) -> bool:
        """Whether anybody may pull by the virtual address: the platform, or pods that name it."""
        registries = (self.facts.registry, self.facts.rendered)
        return any(registry is not None and registry.is_virtual for registry in registries) or self.facts.pods_count > 0

    @property
    def had_both(self) -> bool:
        """Nodes were prepared, the platform was switched, and the old routes are gone from what nodes are told."""
        wanted = self.wanted_registry
        only_new = self.state.node_routes == self.target_node_routes
        return self.managed and only_new and wanted is not None and wanted.same_as(self.facts.registry)

    @property
    def returned(self) -> bool:
        """Unmanaged, and Deckhouse renders with a registry of its own: nothing new is asked of gateways any more."""
        registry = self.facts.registry
        return (
            not self.managed
            and registry is not None
            and not registry.is_virtual
            and registry.rendered_as(self.facts.rendered)
        )

    @property
    def store(self) -> StoreSettings | None:
        """The store that the settings ask for."""
        return self.settings.store if self.managed else None

    @property
    def local(self) -> bool:
        """The gateways' own stores are the registry: there is none behind them."""
        return self.managed and self.settings.upstream is None

    @property
    def place(self) -> str:
        """Where the images come from, in words."""
        if self.local:
            return "the gateways' own stores"
        return self.target.base if self.target else ""

    @property
    def target_routes(self) -> tuple[Upstream, ...]:
        """Registries behind the gateways when the switch is done."""
        return (self.target,) if self.target else ()

    @property
    def target_node_routes(self) -> tuple[Upstream, ...]:
        """Registries that nodes ask themselves when the switch is done: none where gateways keep content."""
        return () if self.store else tuple(target.route() for target in self.target_routes)

    @property
    def target(self) -> Upstream | None:
        """The real registry that the settings ask for; in Unmanaged the one that was there before, in Local none."""
        if self.managed:
            return self.settings.upstream
        return self.return_registry.upstream() if self.return_registry else None

    @property
    def return_registry(self) -> PlatformRegistry | None:
        """Where Unmanaged leads: what the platform says by itself, else what it said before the first switch."""
        registry = self.facts.registry
        return registry if registry is not None and not registry.is_virtual else self.state.original

    @property
    def bundle(self) -> str:
        return str(self.inputs.pki.get("bundle", ""))

    @property
    def wanted_registry(self) -> PlatformRegistry | None:
        """What deckhouse-registry should say; None when that is not known."""
        if not self.managed:
            return self.return_registry
        upstream = None if self.store else self.settings.upstream
        return managed(*((upstream.user, upstream.password) if upstream else self.inputs.pull_login), self.bundle)

    @property
    def expected_images(self) -> tuple[tuple[str, str], ...]:
        known = (self.facts.registry, self.facts.rendered, self.state.original)
        bases = [names.VIRTUAL_BASE] + [registry.base for registry in known if registry]
        return images.expected(
            digests=self.facts.digests,
            deckhouse=self.facts.deckhouse_images,
            bases=bases,
            check_mode=self.settings.check_mode,
        )

    @property
    def gateway_config(self) -> gateway_config.GatewayConfig:
        serving = self.inputs.pki.get("serving", {})
        return gateway_config.GatewayConfig(
            routes=self.state.gateway_routes,
            candidate=self.target,
            images=self.expected_images,
            users=self.inputs.gateway_users,
            certificates="".join((str(serving.get("crt", "")), self.bundle, self.facts.client_ca)),
            proxy=self.facts.proxy,
            store=self.state.store,
            pulled_without_login=self.facts.in_use and not self.facts.login[0],
            modules=self.facts.modules,
            peers=tuple((node.name, node.address) for node in self.facts.nodes.control_plane),
        )

    @property
    def check_version(self) -> str:
        return gateway_config.check_version(self.gateway_config, self.state.salt)

    def render_gateway(self) -> dict[str, Any]:
        """The `internal.gateway` subtree; {} when there are no gateways."""
        if not self.state.gateway:
            return {}
        config = gateway_config.render(self.gateway_config, self.state.salt)
        if self.state.nodes == node_route.REMOVE:
            # Not for gateways, and no part of the version: a switch that has lost its memory must not take what nodes
            # are about to lose for their route.
            config["nodes"] = node_route.REMOVE
        store = self.state.store
        volume = {"store": {"path": store.path, "owner": store.owner, "mode": store.mode}} if store else {}
        return {
            "version": config["version"],
            "config": config,
            "clientCA": self.facts.client_ca,
            "replicas": [node.name for node in self.facts.nodes.control_plane],
            # Pods of dead nodes count as unavailable for as long as their Node objects are there.
            "maxUnavailable": 1 + sum(not node.ready for node in self.facts.nodes.control_plane),
            **volume,
        }

    def render_node_route(self) -> dict[str, Any]:
        """The `internal.nodeRoute` subtree; {} when nodes are left alone."""
        route = self.route()
        wave = self.wave
        if not route or route["action"] != node_route.APPLY or wave == waves.ALL:
            return route
        return {**route, "wave": waves.render(self.facts.nodes, wave, fresh=self.facts.in_use)}

    @property
    def wave(self) -> waves.Wave:
        """The nodes that may have the route by now."""
        return waves.plan(self.settings.waves)[self.wave_reached[1]]

    @property
    def wave_reached(self) -> tuple[str, int]:
        """What `State.wave` becomes. A route that nobody uses and that is to go gets to no further node.

        A wave is returned in one go: who was not reached has what it leads back to.
        """
        version, before = self.route().get("version", ""), self.state.wave
        last = len(waves.plan(self.settings.waves)) - 1
        if self.state.trial.returned is not None:
            return version, last
        if not self.managed and not self.facts.in_use:
            return version, min(before[1], last)
        if self.managed and self.state.trial.good == Good(self.state.node_routes, self.state.gateways_first):
            return version, last  # addresses of gateways or their authority: a node that fails keeps nobody from those
        return version, waves.reached(
            self.facts.nodes, version, self.settings.waves, before[1] if before[0] == version else 0
        )

    def route(self) -> dict[str, Any]:
        """The route without what is said of waves; {} when nodes are left alone."""
        if not self.state.nodes:
            return {}
        expected = self.expected_images
        return node_route.render(
            node_route.NodeRoute(
                action=self.state.nodes,
                routes=self.state.node_routes,
                gateways_first=self.state.gateways_first,
                gateways=tuple(node.address for node in self.facts.nodes.control_plane),
                ca_bundle=self.bundle,
                # On the control plane the very image Deckhouse restarts with; elsewhere the smallest one.
                canary_control_plane=node_route.canary(expected, ("deckhouse/" + images.DECKHOUSE,)),
                canary_worker=node_route.canary(expected, (images.PAUSE, "deckhouse/" + images.DECKHOUSE)),
                back=None if self.managed else self.target,
            )
        )

    def live_replicas(self) -> tuple[tuple[str, Replica], ...]:
        """(node, its gateway's report) of every Ready control-plane node; nodes that are not Ready hold nothing up."""
        by_node = {replica.node: replica for replica in self.facts.replicas}
        ready = (node.name for node in self.facts.nodes.control_plane if node.ready)
        return tuple((name, by_node.get(name, Replica(name))) for name in ready)
