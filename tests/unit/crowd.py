"""A large cluster whose nodes follow the switch at speeds of their own; some flap, some are gone for good."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field

from tests.unit.world import World
from tests.unit.world_node import Node

SLOWEST = 6  # rounds that the slowest node takes, on average
MASTERS = 3


@dataclass
class Course:
    """How a switch went. `told`: share of the workers that might have the route, at each change; `values`: bytes of
    facts, state and route at each run.
    """

    stage: str
    told: list[int] = field(default_factory=list)
    rounds: int = 0
    values: list[int] = field(default_factory=list)


class Crowd:
    """`count` nodes; one in a hundred is not Ready, ever, and one in a hundred comes and goes."""

    def __init__(self, count: int, *, seed: int = 1) -> None:
        self._random = random.Random(seed)
        masters = [Node(f"m{number}", True, address=f"198.51.100.{number}") for number in range(1, MASTERS + 1)]
        workers = [Node(f"w{number:05d}") for number in range(count - MASTERS)]
        self.world = World(nodes=[*masters, *workers])
        self._speed = {node.name: self._random.randint(1, SLOWEST) for node in self.world.nodes}
        shuffled = self._random.sample(workers, len(workers))
        few = max(1, count // 100)
        self.gone, self.flapping = shuffled[:few], shuffled[few : 2 * few]
        for node in self.gone:
            node.ready = False
        self._allowed: dict[str, set[str]] = {}

    def switch(self, *, rounds: int) -> Course:
        """Follow the switch to its end, or for so many rounds. Raises AssertionError when it runs ahead of nodes."""
        course = Course("")
        world = self.world
        while course.rounds < rounds:
            course.rounds += 1
            outcome = world.step()
            course.values.append(len(json.dumps([world.raw_facts()[0], outcome.state.to_dict(), outcome.node_route])))
            course.stage = world.state.stage
            if course.stage == "Ready":
                break
            self._check()
            share = self._told()
            if world.state.nodes and (not course.told or course.told[-1] != share):
                course.told.append(share)
            self._follow()
        return course

    def _told(self) -> int:
        assert self.world.outcome is not None
        wave = self.world.outcome.node_route.get("wave")
        return 100 if wave is None else int(wave["share"])

    def _check(self) -> None:
        assert self.world.outcome is not None
        version = self.world.outcome.node_route.get("version", "")
        allowed = self._allowed.setdefault(version, set())
        allowed |= {node.name for node in self.world.nodes if self.world.may(node)}
        ahead = {node.name for node in self.world.nodes if node.version == version} - allowed
        assert not ahead, f"{ahead} are ahead of their wave"

    def _follow(self) -> None:
        world = self.world
        assert world.outcome is not None
        config, route = world.outcome.gateway, world.outcome.node_route
        for node in self.flapping:
            node.ready = self._random.random() < 0.5
        if config:
            world.loaded = {node.name: config["version"] for node in world.nodes if node.control_plane}
            world.checked = (config["config"].get("check") or {}).get("version", world.checked)
        world.proof = str(outcome.proof.get("version", "")) if (outcome := world.outcome) else ""
        if world.rendered != world.registry:
            world.rendered = world.registry
            world.pods = ("d8-app/app",) if world.rendered.is_virtual else ()
        for node in world.nodes:
            behind = bool(route) and node.ready and node.version != route["version"] and world.may(node)
            if behind and self._random.randrange(self._speed[node.name]) == 0:
                node.version = route["version"]
