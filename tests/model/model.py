"""Every way a small cluster can go, step by step: what the administrator, the nodes and fate do, in any order.

A `World` is one moment; `explore` visits all moments that can be reached, each once, and hands every step to checks.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lib.registry_module.state import rebuild
from lib.registry_module.trial import is_within
from lib.registry_module.wave_return import AFTER, AGAIN, STAGE
from tests.unit.world import DIRECT, LOCAL, PROXY, STORE, UNMANAGED, World
from tests.unit.world_node import Node

A, B = "new.example.com", "third.example.com"
WISHES: dict[str, dict[str, Any]] = {
    "unmanaged": dict(UNMANAGED),
    "a": dict(DIRECT),
    "a-password": {"mode": "Direct", "direct": {**DIRECT["direct"], "password": "password-2"}},  # type: ignore[dict-item] # a literal of mixed values
    "b": {"mode": "Direct", "direct": {**DIRECT["direct"], "host": B}},  # type: ignore[dict-item] # the same
    "wrong": {"mode": "Direct", "direct": {**DIRECT["direct"], "host": "bad host@x"}},  # type: ignore[dict-item] # the same
    "proxy": dict(PROXY),
    "local": dict(LOCAL),
}
EVERY = tuple(WISHES)
DIRECTLY = tuple(wish for wish in EVERY if wish not in ("proxy", "local"))


@dataclass(frozen=True)
class Fate:
    """How often each thing may still happen: changes of mind, a node going away, a registry failing, state lost, a
    node that has fetched its steps and is slow to end them, a node whose test pulls begin to fail.
    """

    changes: int = 0
    absences: int = 0
    outages: int = 0
    losses: int = 0
    delays: int = 0
    failures: int = 0


@dataclass
class Moment:
    """A cluster and what may still happen to it. `trail`: how it was reached."""

    world: World
    fate: Fate
    wish: str
    wishes: tuple[str, ...] = EVERY
    """What may be wished for."""
    trail: tuple[str, ...] = ()
    after_run: Moment | None = field(default=None, repr=False)
    """What `ran` gave; laws and exploring ask for the same."""

    def fork(self, step: str, **fate: int) -> Moment:
        """A copy that can be changed without changing this one."""
        world = copy.copy(self.world)
        world.nodes = [copy.copy(node) for node in world.nodes]
        world.loaded, world.broken, world.stages = dict(world.loaded), dict(world.broken), []
        return Moment(world, replace(self.fate, **fate), self.wish, self.wishes, (*self.trail, step))

    def key(self) -> tuple[Any, ...]:
        """Equal for moments from which the same can follow. Texts of conditions decide nothing, and of times only
        whether a wave has failed, or was returned, for long enough.
        """
        world, state = self.world, self.world.state
        outcome = world.outcome
        return (
            self.wish,
            self.fate,
            tuple((node.ready, node.version, node.asked, node.late, node.canary) for node in world.nodes),
            (world.registry.to_dict()["dockerconfig"], world.registry.address, world.rendered == world.registry),
            (world.rendered.address, world.pods, tuple(sorted(world.loaded.items())), world.checked),
            tuple(world.broken),
            (state.settings, state.original, state.gateway_routes, state.node_routes, state.gateway, state.nodes),
            (state.store, state.gateways_first, world.filled),
            (world.proof, state.proved, bool(outcome and outcome.proof), tuple(world.unpulled)),
            (state.trial.good, *_told_by_the_clock(world)),
            (state.wave[1], outcome.node_route.get("wave") is None) if outcome and outcome.node_route else (),
            (outcome.gateway.get("version"), outcome.node_route.get("version")) if outcome else (),
        )


def _told_by_the_clock(world: World) -> tuple[Any, ...]:
    """Who fails, whether a wave was returned, and whether time has told of it; that counts at one stage alone."""
    failing, returned, now = world.state.trial.failing, world.state.trial.returned, world.now
    return (
        (failing.nodes, is_within(now, failing.since, AFTER), world.state.stage == STAGE) if failing else (),
        is_within(now, returned.at, AGAIN) if returned else None,
    )


def start(wish: str, fate: Fate, wishes: tuple[str, ...] = EVERY) -> Moment:
    """A cluster that has come to rest with `wish`: a master that rewrites, a worker that cannot.

    Where nodes may go away there are two masters, so that one gateway is left.
    """
    masters = [Node(f"m{n}", True, address=f"198.51.100.1{n}") for n in range(1, 3 if fate.absences else 2)]
    world = World(nodes=[*masters, Node("w1", address="198.51.100.21")])
    world.values = dict(WISHES[wish])
    world.settle()
    world.filled = wish == "local"
    return Moment(world, fate, wish, wishes)


def steps(moment: Moment) -> Iterator[Moment]:
    """Everything that can happen next."""
    yield ran(moment)
    yield from _crashed(moment)
    yield from _followed(moment)
    yield from _aged(moment)
    yield from _befallen(moment)


def ran(moment: Moment) -> Moment:
    """The hook runs and Helm applies what it says."""
    if moment.after_run is not None:
        return moment.after_run
    after = moment.after_run = moment.fork("run")
    after.world.step()
    if not after.world.outcome.proof:  # type: ignore[union-attr] # set by the step
        after.world.proof = ""  # what is left of these pods decides nothing
    if not after.world.outcome.gateway:  # type: ignore[union-attr] # set by the step
        after.world.loaded = {}
    return after


def _crashed(moment: Moment) -> Iterator[Moment]:
    """The operator dies after the hook's object operations, before Helm has kept its values."""
    registry = ran(moment).world.registry
    if registry != moment.world.registry:
        after = moment.fork("run, killed before Helm")
        after.world.registry = registry
        yield after


def _followed(moment: Moment) -> Iterator[Moment]:
    """One part of the cluster follows what Helm applied."""
    outcome = moment.world.outcome
    if outcome is None:
        return
    version, route = outcome.gateway.get("version", ""), outcome.node_route
    for index, node in enumerate(moment.world.nodes):
        if node.control_plane and node.ready and version and moment.world.loaded.get(node.name) != version:
            after = moment.fork(f"gateway of {node.name} loads")
            after.world.loaded[node.name] = version
            yield after
        wanted = None if route.get("action") == "remove" else route.get("version")
        if node.late and node.ready:
            after = moment.fork(f"{node.name} ends what it began")
            late = after.world.nodes[index]
            (late.version, late.asked), late.late = node.late, None
            yield after
        elif node.ready and route and node.version != wanted and moment.world.may(node):
            asked = "\nreturn " in route["conf"]
            after = moment.fork(f"{node.name} follows")
            after.world.nodes[index].version, after.world.nodes[index].asked = wanted, asked
            yield after
            if moment.fate.delays:
                after = moment.fork(f"{node.name} begins", delays=moment.fate.delays - 1)
                after.world.nodes[index].late = (wanted, asked)
                yield after
    check = (outcome.gateway.get("config") or {}).get("check")
    if check and moment.world.checked != check["version"]:
        after = moment.fork("images are checked")
        after.world.checked = check["version"]
        after.world.filled = after.world.filled or (check["upstream"] is None and STORE not in after.world.broken)
        yield after
    proof = str(outcome.proof.get("version", ""))
    if proof and moment.world.proof != proof:
        after = moment.fork("kubelets pull")
        after.world.proof = proof
        yield after
    if moment.world.rendered != moment.world.registry:
        after = moment.fork("Deckhouse takes over its Secret")
        after.world.rendered = after.world.registry
        yield after
    pods = ("d8-app/app",) if moment.world.rendered.is_virtual else ()
    if moment.world.pods != pods:
        after = moment.fork("pods are replaced")
        after.world.pods = pods
        yield after


def _aged(moment: Moment) -> Iterator[Moment]:
    """Time goes by where something waits for it alone."""
    failing, returned, now = (
        moment.world.state.trial.failing,
        moment.world.state.trial.returned,
        moment.world.now,
    )
    if failing and is_within(now, failing.since, AFTER):
        after = moment.fork("ten minutes pass")
        after.world.minute += AFTER // 60
        yield after
    if returned and is_within(now, returned.at, AGAIN):
        after = moment.fork("an hour passes")
        after.world.minute += AGAIN // 60
        yield after


def _befallen(moment: Moment) -> Iterator[Moment]:
    """What nobody asked for, and what the administrator asks for."""
    fate = moment.fate
    if fate.changes:
        for wish in moment.wishes:
            if wish != moment.wish:
                after = moment.fork(f"wish: {wish}", changes=fate.changes - 1)
                after.wish, after.world.values = wish, dict(WISHES[wish])
                yield after
    for index, node in enumerate(moment.world.nodes):
        if not node.ready or fate.absences:
            after = moment.fork(f"{node.name} {'goes away' if node.ready else 'returns'}")
            after.fate = replace(fate, absences=fate.absences - node.ready)
            after.world.nodes[index].ready = not node.ready
            yield after
    for index, node in enumerate(moment.world.nodes):
        if not node.canary or fate.failures:
            after = moment.fork(f"{node.name} {'fails' if node.canary else 'is repaired'}")
            after.fate = replace(fate, failures=fate.failures - node.canary)
            after.world.nodes[index].canary = not node.canary
            yield after
    for host in (A, B, STORE) if "local" in moment.wishes else (A, B):
        if host in moment.world.broken or fate.outages:
            after = moment.fork(f"{host} {'is repaired' if host in moment.world.broken else 'fails'}")
            after.fate = replace(fate, outages=fate.outages - (host not in moment.world.broken))
            if after.world.broken.pop(host, None) is None:
                after.world.broken[host] = ("Unreachable", f"{host} cannot be reached")
            after.world.checked = ""
            yield after
    if fate.losses:
        after = moment.fork("the state is lost", losses=fate.losses - 1)
        config = after.world.outcome.gateway.get("config") if after.world.outcome else None
        after.world.state = replace(rebuild(json.dumps(config)), salt=after.world.state.salt)
        yield after


@dataclass
class Explored:
    """How many moments there are, and how many steps between them."""

    moments: int = 0
    steps: int = 0
    endings: Mapping[str, int] = field(default_factory=dict)


def explore(first: Moment, check: Callable[[Moment, Moment], None], *, limit: int) -> Explored:
    """Visit every moment that `first` can lead to; `check(before, after)` sees every step. At most `limit` moments."""
    seen, queue, found = {first.key()}, [first], Explored()
    while queue:
        moment = queue.pop()
        found.moments += 1
        assert found.moments <= limit, f"more than {limit} moments"
        for after in steps(moment):
            found.steps += 1
            check(moment, after)
            key = after.key()
            if key not in seen:
                seen.add(key)
                queue.append(after)
    return found
