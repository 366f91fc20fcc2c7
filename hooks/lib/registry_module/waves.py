"""Nodes get a new route in waves: one node, the control plane, growing shares of the rest, all.

The next wave begins when every Ready node of the present one pulls by the new route. Who is in a wave is known from the
names of nodes alone, so that each node can tell for itself (node/step.sh) and facts stay small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

from .facts import Group, Nodes
from .node_rank import BUCKET, rank


@dataclass(frozen=True)
class Wave:
    """`share`: percent of the workers, by rank. `control_plane`: its nodes belong to it."""

    label: str
    share: int = 0
    control_plane: bool = False


FEW = 20
"""Ready workers below which shares are passed over: halves of a few nodes say no more than the first node did."""
ONE = Wave("one node")
ALL = Wave("all nodes", 100, control_plane=True)


def plan(shares: Sequence[int]) -> tuple[Wave, ...]:
    """The waves in order; without shares there is one.

    >>> [wave.label for wave in plan([10, 50])]
    ['one node', 'the control plane', '10 % of the workers', '50 % of the workers', 'all nodes']
    """
    if not shares:
        return (ALL,)
    growing = (Wave(f"{share} % of the workers", share, control_plane=True) for share in shares)
    return (ONE, Wave("the control plane", control_plane=True), *growing, ALL)


def reached(nodes: Nodes, version: str, shares: Sequence[int], before: int) -> int:
    """The wave, a place in `plan`, that nodes may now be in: the first one from `before` on that is not done.

    Where no node is Ready nobody has proved anything: it stays where it was.
    """
    waves = plan(shares)
    if nodes.first is None:
        return min(before, len(waves) - 1)
    for place in range(min(before, len(waves) - 1), len(waves)):
        if not _is_passed_over(nodes, waves[place]) and waited_for(nodes, version, waves[place]):
            return place
    return len(waves) - 1


def label(shares: Sequence[int], wave: Wave) -> str:
    """The wave and its number, for people.

    >>> label([10, 50], ONE)
    'wave 1 of 5: one node'
    """
    order = plan(shares)
    return f"wave {order.index(wave) + 1} of {len(order)}: {wave.label}"


def _is_passed_over(nodes: Nodes, wave: Wave) -> bool:
    return 0 < wave.share < ALL.share and sum(sum(group.shares) for group in nodes.groups) < FEW


def count(groups: Sequence[Group], wave: Wave) -> int:
    """Ready nodes of these groups in a wave; that of the first wave is not counted for itself."""
    workers = sum(sum(group.shares[: wave.share // BUCKET]) for group in groups)
    return workers + sum(group.control_plane for group in groups if wave.control_plane)


def sizes(nodes: Nodes, shares: Sequence[int]) -> list[tuple[str, int]]:
    """The waves that reach any further Ready node: label, and how many."""
    found, before = [], 0
    for wave in plan(shares):
        if _is_passed_over(nodes, wave):
            continue
        size = count(nodes.groups, wave)
        if nodes.first is not None and not _is_counted(nodes, nodes.first.name, wave):
            size += 1
        if size > before:
            found.append((wave.label, size - before))
        before = max(size, before)
    return found


def _is_counted(nodes: Nodes, name: str, wave: Wave) -> bool:
    if any(master.name == name for master in nodes.control_plane):
        return wave.control_plane
    return rank(name) < wave.share


def waited_for(nodes: Nodes, version: str, wave: Wave) -> int:
    """Ready nodes of a wave that have not proved the route of this version."""
    if wave == ONE:
        return nodes.first is not None and (nodes.first.version, nodes.first.canary) != (version, "passed")
    return count([group for group in nodes.groups if (group.version, group.canary) != (version, "passed")], wave)


def silent(nodes: Nodes, wave: Wave) -> int:
    """Ready nodes of a wave that have no route, as far as they have said."""
    if wave == ONE:
        return nodes.first is not None and not nodes.first.version
    return count([group for group in nodes.groups if not group.version], wave)


def includes(nodes: Nodes, wave: Wave, name: str) -> bool:
    """Whether a node is in a wave."""
    return rank(name) < wave.share or name in _named(nodes, wave)


def render(nodes: Nodes, wave: Wave, *, fresh: bool) -> dict[str, Any]:
    """Key `wave` of `internal.nodeRoute`: {share, names, fresh}.

    :param fresh: nodes without any route take this one whatever the wave: they may pull by it already
    """
    return {"share": wave.share, "names": _named(nodes, wave), "fresh": fresh}


def _named(nodes: Nodes, wave: Wave) -> list[str]:
    # The first node is named in its own wave alone: who it is changes with who is Ready, and would change later ones.
    if wave == ONE:
        return [nodes.first.name] if nodes.first else []
    return sorted(node.name for node in nodes.control_plane)
