"""Which gateway pods to touch, so that their kubelets refresh the mounted Secret now."""

from __future__ import annotations

from typing import Any, Iterable, Mapping

MAX_REPEATS = 30
"""Times one pod is touched again for one version; by then the kubelet has looked at the Secret by itself."""


def due(version: str, pods: Iterable[Any], loaded: Mapping[str, str]) -> list[tuple[str, str]]:
    """(pod, new value of its annotation) of each pod whose gateway is not known to have `version` in force.

    A kubelet that was touched before it knew of the new Secret has looked at the old one. So a touch that did not help
    is repeated, which takes another value each time: `version`, `version.1`, `version.2`, …

    :param pods: {name, node, told}: `told` is the annotation as it is
    :param loaded: node → version that its gateway reports
    """
    result = []
    for pod in pods:
        if loaded.get(str(pod.get("node"))) == version:
            continue
        told, _, count = str(pod.get("told") or "").partition(".")
        repeats = int(count or 0) + 1 if told == version and (not count or (count.isascii() and count.isdigit())) else 0
        if repeats <= MAX_REPEATS:
            result.append((str(pod["name"]), f"{version}.{repeats}" if repeats else version))
    return result
