"""What people read: status of Registry/main, its Events, and the metrics of the switch. Never a secret."""

from __future__ import annotations

from typing import Any

from . import fingerprint, names, progress
from .conditions import FALSE, TRUE
from .context import Context
from .switch import Outcome

METRIC_GROUP = "registry_switch"
_BAD = ("Stalled", "WaveReturned")


def render(context: Context, outcome: Outcome) -> dict[str, Any]:
    """The `internal.status` subtree, which is the status of Registry/main word for word.

    :param context: inputs with the outcome's state
    """
    settings, facts = context.settings, context.facts
    check = progress.image_check(context)
    return {
        "mode": settings.mode,
        "target": context.place if context.managed else "",
        "stage": outcome.state.stage,
        "since": outcome.state.since,
        "message": _message(outcome),
        "nodes": _nodes(context, outcome),
        "images": f"{check['present']}/{check['total']}" if check else "",
        "waitingNodes": progress.waiting_nodes(context, outcome.node_route),
        "notReadyNodes": list(facts.nodes.not_ready),
        "imageCheck": check,
        "store": progress.store(context),
        "conditions": [dict(condition) for condition in outcome.state.conditions],
        "history": [dict(switch) for switch in outcome.state.history],
    }


def _message(outcome: Outcome) -> str:
    by_type = {condition["type"]: condition for condition in outcome.state.conditions}
    return str(by_type.get(outcome.state.stage, {}).get("message", ""))


def _nodes(context: Context, outcome: Outcome) -> str:
    """`updated/ready` nodes; empty when nodes are left alone."""
    wanted = outcome.node_route.get("version")
    if not wanted:
        return ""
    groups = context.facts.nodes.groups
    done = sum(group.ready for group in groups if group.version == wanted and group.canary == "passed")
    return f"{done}/{context.facts.nodes.ready}"


def replacement(status: dict[str, Any]) -> dict[str, Any]:
    """The status for a merge patch, which takes an old object away only by null (RFC 7396)."""
    return {key: None if value == {} else value for key, value in status.items()}


def event(status: dict[str, Any], uid: str = "") -> dict[str, Any] | None:
    """The Kubernetes Event of the stage the switch has come to; its name makes repeating it harmless.

    :param uid: of Registry/main; `kubectl describe` finds Events by it
    """
    if not status.get("stage") or not status.get("since"):
        return None
    by_type = {condition["type"]: condition for condition in status["conditions"]}
    condition = by_type.get(status["stage"], {})
    identity = [status["stage"], status["since"], condition.get("reason")]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "registry-main." + fingerprint.public(identity), "namespace": "default"},
        "involvedObject": {"apiVersion": names.API_VERSION, "kind": "Registry", "name": "main", "uid": uid},
        "type": "Warning" if condition.get("reason") in _BAD or status["stage"] == "SettingsValid" else "Normal",
        "reason": str(condition.get("reason", "")) or status["stage"],
        "message": _told(status, condition)[:1024],
        "source": {"component": "registry-module"},
        "firstTimestamp": status["since"],
        "lastTimestamp": status["since"],
        "count": 1,
    }


def _told(status: dict[str, Any], condition: dict[str, Any]) -> str:
    """The stage and what it says; at the end of a switch also how long it took, else where it leads."""
    text = f"{status['stage']}: {condition.get('message') or condition.get('reason', '')}"
    switch = next(iter(status.get("history") or ()), None)
    if switch is None or switch.get("ended", status["since"]) != status["since"]:
        return text
    if "ended" in switch:
        return f"{text} The switch took {sum(stage['seconds'] for stage in switch['stages'])} s."
    sides = [f"{switch[side]['mode']} ({switch[side]['place'] or 'no registry'})" for side in ("from", "to")]
    return f"{text} Switching from {sides[0]} to {sides[1]}."


def metrics(status: dict[str, Any]) -> list[dict[str, Any]]:
    """One series per condition; all of one group, so that series without an object vanish."""
    values = {TRUE: 1, FALSE: 0}
    return [
        {
            "name": "registry_switch_condition",
            "action": "set",
            "group": METRIC_GROUP,
            "value": values[condition["status"]],
            "labels": {"type": condition["type"], "reason": condition["reason"], "mode": status["mode"]},
        }
        for condition in status["conditions"]
        if condition["status"] in values
    ] + [
        {
            "name": "registry_switch_stage",
            "action": "set",
            "group": METRIC_GROUP,
            "value": 1,
            "labels": {"stage": status["stage"], "mode": status["mode"]},
        }
    ]
