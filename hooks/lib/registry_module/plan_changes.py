"""What differs between two desired states, in words and as diffs. Names of hosts and fields, never a secret."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Iterable

from . import names
from .node_route import APPLY
from .platform_secret import PlatformRegistry
from .proof_facts import APP

GATEWAYS, NODES, KUBELETS, PLATFORM = "gateways", "nodes", "kubelets", "platform"
_STORE_WORDS = {
    "cache": "keep a cache",
    "copy": "keep a copy, which is the registry itself",
    "spare": "keep what they have, and ask it last",
}


@dataclass(frozen=True)
class Change:
    """One thing that changes. `part`: gateways, nodes, kubelets, platform. `diff`: unified, of route.conf."""

    part: str
    text: str
    diff: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {"part": self.part, "text": self.text, "diff": list(self.diff)}


def gateways(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Between two `internal.gateway` subtrees."""
    if before.get("version") == after.get("version"):
        return []
    if not after:
        return [Change(GATEWAYS, "The gateways are removed.")]
    texts = []
    if not before:
        texts.append(f"DaemonSet {names.GATEWAY_APP} is deployed on {', '.join(after['replicas'])}.")
    elif before["replicas"] != after["replicas"]:
        texts.append(f"Gateways run on {', '.join(after['replicas'])}.")
    old, new = before.get("config", {}), after["config"]
    texts += [text for text in (_routes(old, new), _store(old, new), _check(old, new)) if text]
    if not texts:
        texts.append("Gateways load a new configuration: logins, certificates, proxy or peers.")
    return [Change(GATEWAYS, text) for text in texts]


def _routes(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, after = old.get("routes", []), new["routes"]
    if before == after:
        return ""
    known = {route["id"] for route in before}
    bases = [_base(route) for route in before]
    labels = [
        _base(route) + (" with the new login or CA" if route["id"] not in known and _base(route) in bases else "")
        for route in after
    ]
    return f"Gateways serve from {', then '.join(labels)}." if labels else "Gateways ask no registry any more."


def _base(route: dict[str, Any]) -> str:
    return f"{route['host']}/{route['path']}".rstrip("/")


def _store(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, after = old.get("store"), new.get("store")
    if before == after:
        return ""
    if not after:
        return "Gateways do not keep content any more."
    if before and before["role"] == after["role"] and before["path"] == after["path"]:
        return "Gateways get other limits or sources for what they keep."
    source = f" It is filled from {_base(after['fill'][0])}." if after["fill"] else ""
    return f"Gateways {_STORE_WORDS[after['role']]}, in {after['path']} of their nodes.{source}"


def _check(old: dict[str, Any], new: dict[str, Any]) -> str:
    check = new["check"]
    if not check or (old.get("check") or {}).get("version") == check["version"]:
        return ""
    place = _base(check["upstream"]) if check["upstream"] else "their own stores"
    return f"Gateways look for {len(check['images'])} images at {place}."


def gateway_pods_roll(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether running gateway pods are replaced: their volume of content comes, goes or changes."""
    return bool(before and after) and before.get("store") != after.get("store")


def nodes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Between two `internal.nodeRoute` subtrees."""
    if before.get("version") == after.get("version"):
        return []
    if not after:
        return [Change(NODES, "Nodes are not told anything any more.")]
    if after["action"] != APPLY:
        return [Change(NODES, "Nodes remove the route and all files of it.")]
    text = "Nodes get another route." if before.get("action") == APPLY else "Nodes get a route to the fixed address."
    files = _files(before.get("files", []), after["files"])
    return [Change(NODES, " ".join([text, *files]), route_diff(before.get("conf", ""), after["conf"]))]


def _files(before: Iterable[dict[str, str]], after: Iterable[dict[str, str]]) -> list[str]:
    old, new = ({file["name"]: file["content"] for file in files} for files in (before, after))
    groups = (
        ("New", sorted(set(new) - set(old))),
        ("Changed", sorted(name for name in set(new) & set(old) if new[name] != old[name])),
        ("Removed", sorted(set(old) - set(new))),
    )
    return [f"{word}: {', '.join(found)}." for word, found in groups if found]


def route_diff(before: str, after: str) -> tuple[str, ...]:
    """A unified diff of two route.conf, without lines that name only the version."""
    old, new = ([line for line in text.splitlines() if not line.startswith("version ")] for text in (before, after))
    lines = difflib.unified_diff(old, new, "route.conf", "route.conf", lineterm="", n=1)
    return tuple(line for line in lines if not line.startswith("@@"))


def proof(wanted: dict[str, Any], ready: int) -> list[Change]:
    """Of an `internal.proof` subtree."""
    if not wanted:
        return []
    text = (
        f"On each of {ready} Ready nodes a pod of DaemonSet {APP} runs until the kubelet has pulled {wanted['image']}"
    )
    return [Change(KUBELETS, f"{text} with the new login.")]


def platform(before: PlatformRegistry, after: PlatformRegistry) -> Change:
    """Of Secret deckhouse-registry."""
    secret = f"Secret {names.NAMESPACE}/{names.PLATFORM_SECRET}"
    changed = ", ".join(changed_fields(before, after))
    if before.base != after.base:
        return Change(PLATFORM, f"{secret} leads to {after.base} instead of {before.base} (changes: {changed}).")
    return Change(PLATFORM, f"{secret} still leads to {after.base} (changes: {changed}).")


def changed_fields(before: PlatformRegistry, after: PlatformRegistry) -> list[str]:
    """Which of the five facts differ, in words."""
    words = {"dockerconfig": "login"}
    old, new = before.to_dict(), after.to_dict()
    return [words.get(field, field) for field in old if old[field] != new[field]]
