"""Hooks on few and on many nodes. Facts are bounded, so the switch must not feel the size of the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench import scene
from bench.hook_run import Cost, run
from bench.rounds import alternate, compared
from bench.rows import Row, ratio, row

FEW, MANY = 5, 5000
ROUNDS = 11
AIM_TIME, AIM_PEAK, AIM_PATCH = 1.2, 1.2, 1.1


@dataclass(frozen=True)
class Inputs:
    """What both hooks are given for one number of nodes."""

    discover: tuple[dict[str, Any], dict[str, Any]]
    switch: tuple[dict[str, Any], dict[str, Any]]


def bench(say: Callable[[str], None], *, few: int = FEW, many: int = MANY, rounds: int = ROUNDS) -> list[Row]:
    """Rows of both hooks; the figures named by a number of nodes have no aim, the ratios of the switch do."""
    say("hooks: bringing the example cluster to the middle of a switch")
    cluster = scene.prepare()
    paths = {name: hook.path for name, hook in cluster.hooks.items()}
    given = {count: inputs(cluster, count) for count in (few, many)}
    rows: list[Row] = []
    for name, part in (("discover_nodes", "discover"), ("switch_mode", "switch")):
        say(f"hooks: {name} on {few} and {many} nodes, {rounds} rounds")

        def measured(count: int, name: str = name, part: str = part) -> Callable[[], Cost]:
            return lambda: run(paths[name], *getattr(given[count], part))

        costs = alternate({str(count): measured(count) for count in (few, many)}, rounds=rounds)
        rows += _rows(name, costs, aims=name == "switch_mode")
    return rows


def inputs(cluster: scene.Scene, count: int) -> Inputs:
    """Contexts and values for `count` nodes; the facts for the switch are made by discovery itself.

    Raises RuntimeError when the switch does not stand where it should: then the figures would be of something else.
    """
    context = {
        "binding": "nodes",
        "type": "Group",
        "snapshots": {"nodes": cluster.snapshot(cluster.nodes(count))},
    }
    undiscovered = cluster.with_nodes({})
    found = run(cluster.hooks["discover_nodes"].path, context, undiscovered).values
    before_helm = {"binding": "beforeHelm", "snapshots": {"state": [{"filterResult": cluster.state}]}}
    values = cluster.with_nodes(found["registry"]["internal"]["facts"]["nodes"])
    status = run(cluster.hooks["switch_mode"].path, before_helm, values).values["registry"]["internal"]["status"]
    if status["stage"] != scene.STAGE:
        raise RuntimeError(f"with {count} nodes the switch stands at {status['stage']}: {status['message']}")
    return Inputs(discover=(context, undiscovered), switch=(before_helm, values))


def _rows(hook: str, costs: Mapping[str, list[Cost]], *, aims: bool) -> list[Row]:
    few, many = costs.values()
    rows = []
    for count, runs in costs.items():
        rows += [
            row(f"{hook}.{count}_nodes.time", median(cost.wall for cost in runs), "s"),
            row(f"{hook}.{count}_nodes.cpu", median(cost.cpu for cost in runs), "s"),
            row(f"{hook}.{count}_nodes.peak_rss", median(cost.peak for cost in runs) / 2**20, "MiB"),
            row(f"{hook}.{count}_nodes.patch", median(cost.patch for cost in runs), "bytes"),
        ]
    for what, field, aim in (
        ("time", "wall", AIM_TIME),
        ("cpu", "cpu", AIM_TIME),
        ("peak_rss", "peak", AIM_PEAK),
        ("patch", "patch", AIM_PATCH),
    ):
        value = compared([getattr(cost, field) for cost in many], [getattr(cost, field) for cost in few])
        rows.append(ratio(f"{hook}.{what}.many_to_few", value, aim=aim if aims else None))
    return rows
