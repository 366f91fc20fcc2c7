"""Why a node, an image or a stage is as it is, and what is waited for: by the switch's own facts and checks."""

from __future__ import annotations

from typing import Any

from . import names, node_facts, node_kinds, pull_proof, wave_return
from .forecast import Moment
from .node_facts import canary_of
from .node_route import APPLY
from .stage_meaning import MEANING
from .stages import STAGES
from .store_settings import SPARE

_NODE_STAGES = ("NodesPrepared", "NodesFinalized")


def stage(moment: Moment, name: str = "") -> dict[str, Any]:
    """One stage, by default the one that the switch stands at. Raises KeyError for a name that is none."""
    state = moment.outcome.state
    row = {each.name: each for each in STAGES}[name or state.stage]
    condition = next(c for c in state.conditions if c["type"] == row.name)
    standing = row.name == state.stage
    return {
        "stage": row.name,
        "status": condition["status"],
        "reason": condition["reason"],
        "message": condition["message"],
        "meaning": MEANING[row.name],
        "current": state.stage,
        "since": state.since if standing else condition["lastTransitionTime"],
        "stalledAfterSeconds": row.limit,
        "wave": wave_return.told(moment.context) if row.name == wave_return.STAGE else {},
        "stages": {c["type"]: c["status"] for c in state.conditions},
    }


def node(moment: Moment, row: dict[str, Any]) -> dict[str, Any]:
    """One node.

    :param row: its filter result of hook discover_nodes
    """
    route, stage_now = moment.outcome.node_route, moment.outcome.state.stage
    wanted = str(route.get("version", "")) if route.get("action") == APPLY else ""
    has, canary = str(row.get("version") or ""), canary_of(row.get("report"))
    ready = row.get("ready") is True
    done = has == wanted and (canary == "passed" or not wanted)
    lag = pull_proof.lags(moment.context).get(str(row["name"])) if stage_now == pull_proof.STAGE else None
    return {
        "node": row["name"],
        "ready": ready,
        "controlPlane": row.get("controlPlane") is True,
        "runtime": str(row.get("runtime") or "unknown"),
        "kind": node_kinds.kind_of(row),
        "wanted": wanted,
        "has": has,
        "canary": canary,
        "error": _error(row),
        "done": done,
        "waitedFor": ready and (lag is not None or (not done and stage_now in _NODE_STAGES)),
        "stage": stage_now,
        "why": _why_unproved(lag) if lag and ready else _why(route, has, wanted, canary, ready),
    }


def _error(row: dict[str, Any]) -> str:
    """What the node reports, made fit to be shown."""
    failures = node_facts.collect([{**row, "ready": True}])["failures"]["nodes"]
    return str(failures[0]["error"]) if failures else ""


def _why_unproved(lag: dict[str, str]) -> str:
    return f"Its kubelet has to pull by the fixed address with the platform's new login, and: {lag['message']}."


def _why(route: dict[str, Any], has: str, wanted: str, canary: str, ready: bool) -> str:
    if not route and not has:
        return "Nodes are left alone: no route is wanted, and this node has none."
    if not ready:
        return "The node is not Ready: nothing waits for it, and it follows when it returns."
    if has != wanted:
        if not wanted:
            return "The route is to be removed, and the node still has one."
        return "The node has an older route, or none. bashible brings the new one with its next run."
    if not wanted:
        return "No route is wanted, and the node has none."
    if canary == "passed":
        return "The node has the wanted route and has pulled by it."
    if canary == "failed":
        return "The node has the wanted route, but its test pull failed. It is repeated until it works."
    return "The node has the wanted route; its test pull is not done yet."


def image(moment: Moment, reference: str) -> dict[str, Any]:
    """One image: a reference, a digest, or a label as the status has it (`module/image`)."""
    context, config = moment.context, moment.outcome.gateway.get("config") or {}
    expected = context.expected_images
    below = _below(reference)
    known = next((i for i in expected if reference in i or below[1:] == i[1]), None)
    if known and not below:
        below = ("@" if known[1].startswith("sha256:") else ":") + known[1]
    found = {
        "image": reference,
        "expected": known[0] if known else "",
        "ours": bool(below),
        "sources": _sources(config, below) if below and config else [],
        "nodesAsk": [f"{route.base}{below}" for route in context.state.node_routes] if below else [],
        "errors": [
            {"replica": replica.node, "reason": reason, "message": message}
            for replica in context.facts.replicas
            for name, reason, message in replica.check.errors
            if known and name == known[0] and replica.check.version == context.check_version
        ],
    }
    return {**found, "why": _why_image(found, bool(config), len(expected), config.get("check"))}


def _below(reference: str) -> str:
    """What follows the virtual base, "" when the reference is elsewhere."""
    rest = reference[len(names.VIRTUAL_BASE) :]
    return rest if reference.startswith(names.VIRTUAL_BASE) and rest[:1] in ("/", ":", "@") else ""


def _sources(config: dict[str, Any], below: str) -> list[str]:
    """Where a gateway looks, in order."""
    routes = [f"{route['host']}/{route['path']}".rstrip("/") + below for route in config["routes"]]
    store = config.get("store")
    if not store:
        return routes
    own = [f"the gateways' {store['role']}"]
    return routes + own if store["role"] == SPARE else own + routes


def _why_image(found: dict[str, Any], gateways: bool, total: int, check: Any) -> str:
    if not found["ours"]:
        if found["image"].startswith(names.VIRTUAL_HOST + "/"):
            return f"Gateways know only what is below {names.VIRTUAL_BASE}."
        return "Not by the fixed address: nodes pull it from its own registry, and this module has no part in it."
    if not gateways:
        return "There are no gateways: nothing serves the fixed address."
    if found["errors"]:
        return "A gateway looked for it and did not get it. The switch stays at ImagesAvailable until it is there."
    if not found["expected"]:
        return f"It is not among the {total} images that are checked before a switch; it is served if a source has it."
    if not check:
        return "It is expected, and nothing is checked at the moment."
    return "It is among the images that are looked for before a switch, and no gateway reports it missing."
