"""How far the cluster has followed, for people: which nodes are waited for and why, what the image check found, what
the worst store says. All of it bounded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from . import names, pull_proof, waves
from .context import Context
from .facts import Group, ImageCheck, Replica, StoreNumbers


def waiting_nodes(context: Context, route: dict[str, Any]) -> list[dict[str, str]]:
    """The first ten Ready nodes that are behind, {name, reason, message}, sorted by name.

    :param route: the desired `internal.nodeRoute`; {} when nodes are left alone
    """
    if not route:
        return []
    nodes, removing, wave = context.facts.nodes, route["action"] == "remove", context.wave
    errors, wanted = dict(nodes.failures), "" if removing else route["version"]
    found = {
        name: _lag(group, wanted, removing, errors.get(name, ""))
        if removing or waves.includes(nodes, wave, name)
        else {"reason": "WaveNotReached", "message": f"keeps what it has while the route is tried: {wave.label}"}
        for group in nodes.groups
        if group.version != wanted or (not removing and group.canary != "passed")
        for name in group.names
    }
    if context.state.stage == pull_proof.STAGE:
        found = {**found, **pull_proof.lags(context)}
    return [{"name": name, **found[name]} for name in sorted(found)[: names.MAX_NAMES]]


def _lag(group: Group, wanted: str, removing: bool, error: str) -> dict[str, str]:
    if removing:
        reason, message = "RouteNotRemoved", "still has the route"
    elif group.version != wanted:
        reason = "RouteNotApplied"
        message = f"has version {group.version} of the route" if group.version else "has no route yet"
    elif group.canary == "failed":
        reason, message = "CanaryFailed", "the test image could not be pulled"
    else:
        reason, message = "CanaryPending", "has not pulled the test image yet"
    return {"reason": reason, "message": f"{message}: {error}" if error else message}


def image_check(context: Context) -> dict[str, Any]:
    """{node, total, checked, present, failed, errors} of the replica that has found the fewest images; {} without
    gateways.
    """
    if not context.state.gateway:
        return {}
    replicas = (_asked_now(context, replica) for _, replica in context.live_replicas())
    worst = min(replicas, key=lambda replica: replica.check.present, default=Replica(""))
    check = worst.check
    return {
        "node": worst.node,
        "total": len(context.expected_images),
        "checked": check.checked,
        "present": check.present,
        "failed": check.error_count,
        "errors": [{"image": image, "reason": reason, "message": message} for image, reason, message in check.errors],
    }


def _asked_now(context: Context, replica: Replica) -> Replica:
    """The replica without what it found for another list of images or another registry."""
    return replica if replica.check.version == context.check_version else replace(replica, check=ImageCheck())


def store(context: Context) -> dict[str, Any]:
    """{node, error, full, damaged, fillFailed} of the replica whose store is worst off; {} without stores."""
    stores = [(node, replica, replica.store) for node, replica in context.live_replicas() if replica.store]
    if not context.state.store or not stores:
        return {}
    node, replica, worst = max(stores, key=lambda found: (found[1].store_error != "", *_badness(found[2])))
    return {
        "node": node,
        "error": replica.store_error,
        "full": worst.full,
        "damaged": worst.damaged,
        "fillFailed": worst.failed,
    }


def _badness(numbers: StoreNumbers) -> tuple[int, bool, int]:
    return numbers.damaged, numbers.full, numbers.failed
