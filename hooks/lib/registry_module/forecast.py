"""What will happen: the real switch, rolled forward against a cluster that does all it is asked for.

Nothing is decided here. `roll` asks `switch.advance` as the operator does, and lets one part of the cluster follow at a
time, so that each stage which holds a switch up is seen once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Sequence

from . import names, switch
from .context import Context, Inputs
from .encoding import decode
from .facts import Facts, Group, ImageCheck, Leader, Nodes, Replica
from .node_route import APPLY
from .platform_secret import PlatformRegistry
from .proof_facts import Proof
from .state import State

MAX_RUNS = 60
"""A switch takes about fifteen."""
_TAKEN_OVER = "registry-of-the-plan"


@dataclass(frozen=True)
class Moment:
    """One run of the switch: what it saw, and what it said."""

    inputs: Inputs
    outcome: switch.Outcome

    @property
    def context(self) -> Context:
        """Inputs with the state that came out of them."""
        return Context(self.inputs, self.outcome.state)


def roll(inputs: Inputs, state: State) -> list[Moment]:
    """Every run until nothing moves any more; at least one. The last is the end of the switch, or where it is stuck."""
    moments: list[Moment] = []
    for _ in range(MAX_RUNS):
        outcome = switch.advance(inputs, state)
        moments.append(Moment(inputs, outcome))
        facts = followed(inputs.facts, outcome)
        if facts == inputs.facts and outcome.state == state:
            return moments
        inputs, state = replace(inputs, facts=facts), outcome.state
    raise AssertionError("the switch does not settle")


def followed(facts: Facts, outcome: switch.Outcome) -> Facts:
    """The facts a moment later: the Secret is patched at once, then the first part that is behind follows."""
    facts = _patched(facts, outcome)
    for follow in _PARTS:
        after = follow(facts, outcome)
        if after != facts:
            return after
    return facts


def _patched(facts: Facts, outcome: switch.Outcome) -> Facts:
    if not outcome.platform_patch:
        return facts
    data = {key: decode(value) for key, value in outcome.platform_patch["data"].items()}
    return replace(facts, registry=PlatformRegistry(dockerconfig=data.pop(".dockerconfigjson"), **data))


def _gateways_load(facts: Facts, outcome: switch.Outcome) -> Facts:
    version = str(outcome.gateway.get("version", ""))
    if not version:
        return replace(facts, replicas=())
    old = {replica.node: replica for replica in facts.replicas}
    loaded = [
        Replica(node.name, True, version, check=old.get(node.name, Replica(node.name)).check)
        if node.ready
        else old.get(node.name, Replica(node.name))
        for node in facts.nodes.control_plane
    ]
    return replace(facts, replicas=tuple(loaded))


def _images_found(facts: Facts, outcome: switch.Outcome) -> Facts:
    check = outcome.gateway.get("config", {}).get("check")
    if not check:
        return facts
    total = len(check["images"])
    found = ImageCheck(str(check["version"]), total, checked=total, present=total, complete=True)
    ready = {node.name for node in facts.nodes.control_plane if node.ready}
    return replace(
        facts, replicas=tuple(replace(each, check=found) if each.node in ready else each for each in facts.replicas)
    )


def _nodes_follow(facts: Facts, outcome: switch.Outcome) -> Facts:
    """All Ready nodes at once, whatever the wave: those after it follow when it has. Others stay as they are."""
    if not outcome.node_route or not facts.nodes.ready:
        return facts
    applied = outcome.node_route["action"] == APPLY
    version, canary = (str(outcome.node_route["version"]), "passed") if applied else ("", "unknown")
    nodes = facts.nodes
    known = sorted({name for group in nodes.groups for name in group.names})
    updated = Group(
        version,
        canary,
        nodes.ready,
        0,
        tuple(known[: names.MAX_NAMES]),
        sum(group.control_plane for group in nodes.groups),
        tuple(map(sum, zip(*(group.shares for group in nodes.groups if group.shares)))),
    )
    first = replace(nodes.first, version=version, canary=canary) if nodes.first else None
    return replace(facts, nodes=replace(nodes, failures=(), groups=(updated, *_absent(nodes)), first=first))


def _absent(nodes: Nodes) -> Sequence[Group]:
    return [replace(group, ready=0, names=(), control_plane=0, shares=()) for group in nodes.groups if group.not_ready]


def _kubelets_pull(facts: Facts, outcome: switch.Outcome) -> Facts:
    """Pods of the proof run on all Ready nodes, for as long as they are wanted."""
    wanted = outcome.proof
    return replace(facts, proofs=(Proof(str(wanted["version"]), proved=facts.nodes.ready),) if wanted else ())


def _deckhouse_restarts(facts: Facts, outcome: switch.Outcome) -> Facts:
    """Deckhouse renders with what its Secret says, and its leader runs with that."""
    registry = facts.registry
    leader = Leader(facts.leader.name, True, facts.rendered_hash)
    if registry is None or (registry.rendered_as(facts.rendered) and facts.leader == leader):
        return facts
    bases = [known.base for known in (facts.rendered, outcome.state.original) if known] + [names.VIRTUAL_BASE]
    return replace(
        facts,
        rendered=registry,
        rendered_hash=_TAKEN_OVER,
        leader=replace(leader, version=_TAKEN_OVER),
        deckhouse_images=tuple((name, _moved(image, bases, registry.base)) for name, image in facts.deckhouse_images),
        # Pods with the new names come up with it; those with the old ones are replaced later.
        pods_count=max(1, facts.pods_count) if registry.is_virtual else facts.pods_count,
    )


def _moved(image: str, bases: Sequence[str], base: str) -> str:
    for old in bases:
        if image.startswith((old + ":", old + "@")):
            return base + image[len(old) :]
    return image


def _pods_replaced(facts: Facts, _: switch.Outcome) -> Facts:
    """Pods of the platform get the image names that Deckhouse renders now."""
    if facts.rendered is None or facts.rendered.is_virtual:
        return facts
    return replace(facts, pods_count=0, pods=())


_PARTS: tuple[Callable[[Facts, switch.Outcome], Facts], ...] = (
    _gateways_load,
    _images_found,
    _nodes_follow,
    _kubelets_pull,
    _deckhouse_restarts,
    _pods_replaced,
)
