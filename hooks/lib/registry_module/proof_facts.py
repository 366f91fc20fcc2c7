"""Pods of the pull proof → bounded facts: on which Ready nodes a kubelet has pulled, and why not on others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Iterable

from . import names
from .foreign_text import without_secrets

LABEL = "registry.deckhouse.io/proof"
"""Of these pods: the version of what they prove."""
APP = "registry-proof"
MAX_VERSIONS = 4
_VERSION = re.compile(r"[0-9a-f]{16}\Z")
_NOT_YET = ("", "ContainerCreating", "PodInitializing")
_NO_IMAGE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
)
"""Reasons of the kubelet (pkg/kubelet/images) for a container that waits for its image."""
_BACK_OFF = re.compile(r'Back-off pulling image "[^"]*"(: ErrImagePull: )?')
"""Between two tries the same error has this in front; without it the fact does not change with every try. Kubelets
before 1.32 say no more than this then.
"""


@dataclass(frozen=True)
class Proof:
    """Ready nodes by what became of the pods of one version; at most ten names each."""

    version: str
    proved: int = 0
    failed_count: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    """(node, error)"""
    waiting_count: int = 0
    waiting: tuple[str, ...] = ()
    unplaced_count: int = 0
    unplaced: tuple[str, ...] = ()
    """Nodes that have no room for a pod."""

    @property
    def holds(self) -> bool:
        """Whether nobody is waited for."""
        return not self.failed_count and not self.waiting_count


def collect(pods: Iterable[Any], nodes: Iterable[Any], before: Any = None) -> list[dict[str, Any]]:
    """The `internal.facts.proofs` subtree; equal for equal sets of rows, whatever their order.

    :param pods: {node, version, placed, phase, pulled, reason, message} of each pod of the proof
    :param nodes: {name, ready} of every Node
    :param before: what this gave last time: between two tries some kubelets do not say what went wrong
    """
    by_version: dict[str, dict[str, dict[str, Any]]] = {}
    for pod in pods:
        version, node = (pod.get("version"), pod.get("node")) if isinstance(pod, dict) else ("", "")
        if isinstance(version, str) and _VERSION.match(version) and isinstance(node, str) and node:
            known = by_version.setdefault(version, {})
            known[node] = min(known.get(node, pod), pod, key=_order)
    if not by_version:
        return []
    ready = sorted(
        row["name"]
        for row in nodes
        if isinstance(row, dict) and isinstance(row.get("name"), str) and row.get("ready") is True
    )
    newest = sorted(by_version.items(), key=lambda item: (-len(item[1]), item[0]))[:MAX_VERSIONS]
    errors = {proof.version: dict(proof.failed) for proof in parse(before)}
    return [_summary(version, found, ready, errors.get(version, {})) for version, found in sorted(newest)]


def _summary(version: str, pods: dict[str, dict[str, Any]], ready: list[str], errors: dict[str, str]) -> dict[str, Any]:
    by_verdict: dict[str, list[str]] = {}
    for name in ready:
        by_verdict.setdefault(_verdict(pods[name]) if name in pods else "waiting", []).append(name)
    failed = by_verdict.get("failed", [])
    return {
        "version": version,
        "proved": len(by_verdict.get("proved", [])),
        "failed": {
            "count": len(failed),
            "nodes": [
                {"name": name, "error": _error(pods[name]) or errors.get(name) or str(pods[name]["reason"])}
                for name in failed[: names.MAX_NAMES]
            ],
        },
        **{
            key: {"count": len(found := by_verdict.get(key, [])), "names": found[: names.MAX_NAMES]}
            for key in ("waiting", "unplaced")
        },
    }


def _verdict(pod: dict[str, Any]) -> str:
    reason = str(pod.get("reason") or "")
    if pod.get("pulled") is True or reason not in (*_NOT_YET, *_NO_IMAGE):
        return "proved"  # what goes wrong later goes wrong with an image that is there
    if reason in _NO_IMAGE:
        return "failed"
    if pod.get("placed") is False or pod.get("phase") == "Failed":
        return "unplaced"
    return "waiting"


def _order(pod: dict[str, Any]) -> tuple[int, str]:
    """Of two pods of one node the one that got further counts."""
    return ("proved", "failed", "waiting", "unplaced").index(_verdict(pod)), _error(pod)


def _error(pod: dict[str, Any]) -> str:
    """What the kubelet says; "" when that is nothing but that it waits."""
    return without_secrets(_BACK_OFF.sub("", str(pod.get("message") or "")))


def parse(data: Any) -> tuple[Proof, ...]:
    """The proofs in `internal.facts.proofs`; what is missing or odd becomes nothing."""
    found = []
    for one in data if isinstance(data, list) else []:
        failed, waiting, unplaced = one["failed"], one["waiting"], one["unplaced"]
        found.append(
            Proof(
                version=str(one["version"]),
                proved=int(one["proved"]),
                failed_count=int(failed["count"]),
                failed=tuple((str(node["name"]), str(node["error"])) for node in failed["nodes"]),
                waiting_count=int(waiting["count"]),
                waiting=tuple(map(str, waiting["names"])),
                unplaced_count=int(unplaced["count"]),
                unplaced=tuple(map(str, unplaced["names"])),
            )
        )
    return tuple(found)
