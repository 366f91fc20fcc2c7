"""What must hold at every step: nobody loses a way to pull, nothing runs ahead, everything comes to rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lib.registry_module import settings
from lib.registry_module.node_rank import rank
from lib.registry_module.trial import is_within
from lib.registry_module.wave_return import AFTER, AGAIN
from tests.model.model import WISHES, Moment, ran
from tests.unit.world import STORE, World
from tests.unit.world_node import Node

LONGEST = 200  # steps until a healthy cluster is at rest


class Laws:
    """Checks steps, and learns on the way what each version of a configuration says."""

    def __init__(self) -> None:
        self.upstreams: dict[str, list[str]] = {}
        """Version of a node route → hosts that a rewriting containerd asks."""
        self.served: dict[str, list[str]] = {}
        """Version of a gateway configuration → hosts it leads to; the store is one where it was a copy."""
        self.comes_to_rest: set[Any] = set()
        self.returns: set[str] = set()
        """What nodes were told when a wave was returned: `apply` or `remove`."""

    def learn(self, world: World) -> None:
        if world.outcome is None:
            return
        route, config = world.outcome.node_route, world.outcome.gateway.get("config") or {}
        lines = [line.split() for line in route.get("conf", "").splitlines()]
        self.upstreams[route.get("version", "")] = [line[2] for line in lines if line[0] == "upstream"]
        keeps = (config.get("store") or {}).get("role") in ("copy", "spare")
        hosts = [upstream["host"] for upstream in config.get("routes", [])]
        self.served[config.get("version", "")] = [*([STORE] if keeps else []), *hosts]

    def __call__(self, before: Moment, after: Moment) -> None:
        self.learn(after.world)
        said = " → ".join(after.trail)
        self.every_ready_node_pulls(before, after, said)
        self.secret_leads_only_where_nodes_can_follow(before, after, said)
        self.nothing_in_use_is_removed(before, after, said)
        self.nothing_is_left_behind(after, said)
        self.no_wave_begins_before_the_one_before_it_has_followed(before, after, said)
        if after.trail[-1] == "run":
            self.same_facts_give_the_same(before, after, said)
            self.wrong_settings_change_nothing(before, after, said)
            self.a_wave_returns_by_time_alone_and_stays_returned(before, after, said)
        self.healthy_cluster_comes_to_rest(after, said)

    def every_ready_node_pulls(self, before: Moment, after: Moment, said: str) -> None:
        """Without an outage always; with one, whoever could pull before a step of ours can do so after it.

        That ends with the switch: then the new registry stands alone, and its outage is one.
        """
        state = after.world.state
        behind = {route.host for route in state.gateway_routes}
        if state.store and state.store.role != "cache" and after.world.filled:
            behind.add(STORE)
        alone = behind <= set(after.world.broken)
        if not used(after.world) or alone:
            return
        for node, earlier in zip(after.world.nodes, before.world.nodes, strict=True):
            joins = node.version is None and absent(after)  # it was away when the others got their first route
            outage = bool(after.world.broken) and not (
                after.world.broken == before.world.broken and self.pulls(earlier, before.world)
            )
            if node.ready and not joins and not outage:
                assert self.pulls(node, after.world), f"{node.name} cannot pull: {said}"

    def pulls(self, node: Node, world: World) -> bool:
        if node.version is None:
            return False
        direct = self.upstreams[node.version] if node.control_plane else []  # the worker's containerd cannot rewrite
        loaded = [world.loaded[n.name] for n in world.nodes if n.ready and n.name in world.loaded]
        reached = [*direct, *(host for version in loaded for host in self.served[version])]
        return bool(set(reached) - set(world.broken) - (set() if world.filled else {STORE}))

    def secret_leads_only_where_nodes_can_follow(self, before: Moment, after: Moment, said: str) -> None:
        if before.world.registry == after.world.registry:
            return
        route = ran(before).world.outcome.node_route  # type: ignore[union-attr] # a run just changed the Secret
        turned = before.world.registry.is_virtual != after.world.registry.is_virtual
        for node in before.world.nodes:
            if node.ready and turned:
                assert node.version == route["version"], f"{node.name} was not asked first: {said}"
                assert node.asked == (not after.world.registry.is_virtual), f"{node.name} had no proof: {said}"

    def no_wave_begins_before_the_one_before_it_has_followed(self, before: Moment, after: Moment, said: str) -> None:
        if before.world.outcome is None or after.world.outcome is None:
            return
        old, new = before.world.outcome.node_route, after.world.outcome.node_route
        begins = before.world.state.wave[1] < after.world.state.wave[1]
        if "wave" not in old or old.get("version") != new.get("version") or not begins:
            return
        for node in before.world.nodes:
            included = node.name in old["wave"]["names"] or rank(node.name) < old["wave"]["share"]
            if included and node.ready and after.trail[-1].startswith("run"):
                assert node.version == old["version"], f"{node.name} has not followed: {said}"

    def nothing_in_use_is_removed(self, before: Moment, after: Moment, said: str) -> None:
        if not used(before.world):
            return
        for old, new in zip(before.world.nodes, after.world.nodes, strict=True):
            assert old.version is None or new.version is not None, f"{old.name} lost its route: {said}"
        if before.world.outcome and after.world.outcome:
            assert not before.world.outcome.gateway or after.world.outcome.gateway, f"gateways were removed: {said}"

    def nothing_is_left_behind(self, after: Moment, said: str) -> None:
        """Unmanaged is Ready when no Ready node has a route, or is about to get one."""
        world = after.world
        if after.trail[-1] != "run" or after.wish != "unmanaged" or world.state.stage != "Ready" or lost(after):
            return
        for node in world.nodes:
            assert not node.ready or node.version is None, f"{node.name} still has a route: {said}"
            assert not node.ready or not node.late or node.late[0] is None, f"{node.name} will have a route: {said}"

    def same_facts_give_the_same(self, before: Moment, after: Moment, said: str) -> None:
        if before.world.registry == after.world.registry:
            assert ran(after).key() == after.key(), f"another run without a reason changes something: {said}"

    def wrong_settings_change_nothing(self, before: Moment, after: Moment, said: str) -> None:
        if after.wish != "wrong":
            return
        for wish, values in WISHES.items():
            if settings.parse(values).settings == before.world.state.settings is not None:
                right = before.fork("instead")
                right.wish, right.world.values = wish, dict(values)
                expected, found = ran(right).world.outcome, after.world.outcome
                assert expected is not None
                assert found is not None
                assert (found.gateway, found.node_route) == (expected.gateway, expected.node_route), said
                assert found.platform_patch == expected.platform_patch, said

    def a_wave_returns_by_time_alone_and_stays_returned(self, before: Moment, after: Moment, said: str) -> None:
        """Nodes get back what all of them had, in one go, as long as the Secret says what it said then; until an hour
        is over or the settings change nothing else is tried.
        """
        old, new, outcome = before.world.state, after.world.state, after.world.outcome
        assert outcome is not None
        was, now = old.trial.returned, new.trial.returned
        if now and not was:
            failing = old.trial.failing
            assert failing, f"nobody has failed: {said}"
            assert old.stage == "NodesPrepared", f"it was {old.stage}: {said}"
            assert not is_within(after.world.now, failing.since, AFTER), f"too early: {said}"
            assert before.world.registry == after.world.registry, f"the platform is switched: {said}"
        if now:
            self.returns.add(outcome.node_route["action"])
            removes = outcome.node_route["action"] == "remove"
            assert removes == (old.trial.good is None), f"not what nodes had: {said}"
            assert not removes or not used(after.world), f"who pulls loses the way: {said}"
            assert "wave" not in outcome.node_route, f"waves on the way back: {said}"
        if was and not now and not (was_removing(before) and used(before.world)):
            over = not is_within(after.world.now, was.at, AGAIN)
            assert over or old.settings != new.settings, f"it flaps: {said}"

    def healthy_cluster_comes_to_rest(self, after: Moment, said: str) -> None:
        healed = after.fork("all is well")
        world = healed.world
        world.broken = {}
        world.checked, world.pods = "", ()  # pods are replaced, and come again where the address is in use
        world.nodes = [replace(node, ready=True, late=None, canary=True) for node in world.nodes]
        for node, earlier in zip(world.nodes, after.world.nodes, strict=True):
            if earlier.late:
                node.version, node.asked = earlier.late
        passed: list[Any] = []
        while (here := (after.wish, lost(after), healed.key()[2:])) not in self.comes_to_rest:
            passed.append(here)
            assert len(passed) < LONGEST, f"does not settle: {said}"
            if world.settle_once():
                continue
            if not world.state.trial.returned:
                self.is_at_rest(after, world, said)
                break
            world.minute += AGAIN // 60
        self.comes_to_rest.update(passed)

    def is_at_rest(self, after: Moment, world: World, said: str) -> None:
        condition = {c["type"]: c["reason"] for c in world.state.conditions}
        if after.wish == "wrong":
            assert condition["SettingsValid"] == "SettingsInvalid", said
        elif lost(after) and condition.get("ImagesAvailable") == "ReturnRegistryUnknown":
            assert after.wish == "unmanaged", said
        else:
            assert world.state.stage == "Ready", f"ends at {world.state.stage}: {condition}: {said}"


def was_removing(moment: Moment) -> bool:
    return moment.world.state.nodes == "remove"


def used(world: World) -> bool:
    """Whether anybody may pull by the virtual address."""
    return world.registry.is_virtual or world.rendered.is_virtual or bool(world.pods)


def lost(moment: Moment) -> bool:
    return "the state is lost" in moment.trail


def absent(moment: Moment) -> bool:
    return any("goes away" in step for step in moment.trail)
