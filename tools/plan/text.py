"""Plans and explanations for people. The same content as `--json`, with nothing added."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any

WIDTH = 118
_KINDS = {
    "rewrites": "containerd that rewrites names (asks the registry itself, then gateways)",
    "stock": "stock containerd (asks gateways)",
    "legacy": "containerd 1.x without config_path (mirrors: gateways)",
    "unasked": "containerd 2.x, asked for `rewrite` when the route comes: like rewrites or like stock",
    "unasked-v1": "containerd 1.x, looked at when the route comes: like rewrites, stock or legacy",
    "other": "another runtime, not supported",
}


def printable(text: str) -> str:
    """Without control characters: what nodes and replicas report must not steer a terminal."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def plan(data: dict[str, Any]) -> str:
    """A whole plan, as `plan --json` has it."""
    lines = [f"Plan: {data['from']} -> {data['to']}" + (f" ({data['target']})" if data["target"] else ""), ""]
    if not any(step["changes"] for step in data["steps"]):
        lines += ["Nothing changes.", ""]
    for number, step in enumerate(data["steps"], 1):
        lines += _step(number, step)
    lines += ["", *_summary(data)]
    return "\n".join(lines) + "\n"


def _step(number: int, step: dict[str, Any]) -> Iterable[str]:
    yield from _wrapped(step["meaning"], f"{number}. {step['stage']}: ")
    for change in step["changes"]:
        yield from _wrapped(change["text"], "   - ")
        yield from (f"       {line}" for line in change["diff"])
    for change in step.get("files", []):
        yield from _wrapped(f"{change['kind']}: {change['file']}", "   - on nodes like ")
        yield from (f"       {line}" for line in change["diff"])
    for restart in step["restarts"]:
        yield from _wrapped(restart, "   ! ")


def _summary(data: dict[str, Any]) -> Iterable[str]:
    nodes, images = data["nodes"], data["images"]
    touched = f"Nodes touched: {nodes['touched']} of {nodes['total']}"
    yield touched + (f"; later, when Ready: {', '.join(nodes['later'])}" if nodes["later"] else "")
    for kind in nodes["kinds"]:
        more = kind["count"] - len(kind["nodes"])
        listed = ", ".join(kind["nodes"]) + (f" and {more} more" if more else "")
        yield from _wrapped(f"{kind['count']} {_KINDS[kind['kind']]}: {listed}", "  ")
    if images["expected"]:
        yield f"Images looked for: {images['expected']}, found so far: {images['found']}; their size is not known"
    yield ""
    yield from _wrapped(f"{data['now']['stage']} ({data['now']['reason']}): {data['now']['message']}", "Now: ")
    if data["ready"]:
        yield "End: Ready"
    else:
        last = data["steps"][-1]
        yield from _wrapped(f"the switch stops at {last['stage']} ({last['reason']}): {last['message']}", "BLOCKED: ")
    if data["notes"]:
        yield ""
    for note in data["notes"]:
        yield from _wrapped(note, "* ")


def stage(data: dict[str, Any]) -> str:
    """`explain stage`."""
    signs = {"True": "done", "False": "waits", "Unknown": "later"}
    lines = [f"{'>' if name == data['current'] else ' '} {name}: {signs[s]}" for name, s in data["stages"].items()]
    lines += ["", f"{data['stage']} {data['status']} ({data['reason']}), since {data['since']}"]
    lines += [*_wrapped(data["meaning"], "Passed when: "), *_wrapped(data["message"], "Says: ")]
    lines += _wave(data["wave"])
    if data["stalledAfterSeconds"]:
        lines.append(f"Called stalled after {data['stalledAfterSeconds'] // 60} minutes without an end")
    return "\n".join(lines) + "\n"


def _wave(data: dict[str, Any]) -> Iterable[str]:
    if "failing" in data:
        yield from _wrapped(f"{', '.join(data['failing'])}, since {data['failingSince']}", "Fails on ")
        yield f"Returned at {data['returnsAt']}, if one of them fails until then"
    if "returned" in data:
        yield from _wrapped(f"{data['returned']}, at {data['returnedAt']}: {data['why']}", "Returned: ")
        yield f"Tried again at {data['triedAgainAt']}, or when the settings change"


def node(data: dict[str, Any]) -> str:
    """`explain node`."""
    role = "control plane" if data["controlPlane"] else "worker"
    lines = [f"{data['node']}: {role}, {'Ready' if data['ready'] else 'not Ready'}, {data['runtime']}"]
    lines += [f"Kind: {_KINDS[data['kind']]}"]
    lines += [f"Route: has {data['has'] or 'none'}, wanted {data['wanted'] or 'none'}; test pull: {data['canary']}"]
    lines += _wrapped(data["why"], "Why: ")
    if data["error"]:
        lines += _wrapped(data["error"], "It reports: ")
    waits = "waits for it" if data["waitedFor"] else "does not wait for it"
    lines += [f"The switch is at {data['stage']} and {waits}"]
    if not data["done"]:
        lines += ["Look on the node: /var/lib/registry-route/registry-route show; journalctl -u bashible"]
    return "\n".join(lines) + "\n"


def image(data: dict[str, Any]) -> str:
    """`explain image`."""
    lines = [data["image"] + (f" is {data['expected']}" if data["expected"] else "")]
    lines += _wrapped(data["why"], "Why: ")
    lines += [f"Gateways look for it at {number}. {place}" for number, place in enumerate(data["sources"], 1)]
    lines += [f"Nodes that rewrite ask {place}" for place in data["nodesAsk"]]
    for error in data["errors"]:
        lines += _wrapped(f"{error['replica']}: {error['reason']}: {error['message']}", "Reported by ")
    return "\n".join(lines) + "\n"


def _wrapped(text: str, lead: str) -> list[str]:
    indent = " " * (len(lead) if len(lead) < 6 else 5)
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
