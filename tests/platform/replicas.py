"""The gateways of the masters and what is in their stores: looked at from outside, killed, robbed of their disks.

The stores are read as what they are, OCI image layouts on disk (docs/internal/STORE.md), not through the gateway.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.platform.cluster import Node

STORE = "/opt/deckhouse/registry/store"  # setting `storage.path`, as it is without one
HEALTH = "http://127.0.0.1:5002"

Held = frozenset[tuple[str, str, str]]


def folder(node: Node) -> Path:
    """The data directory of the node's gateway, on this host: each node has a file system of its own."""
    return node.host_path(STORE)


def held(store: Path) -> Held:
    """Repository, tag (empty: none) and digest of every manifest of a store; empty while there is none."""
    return frozenset(
        (index.parent.name.replace("+", "/"), entry.get("annotations", {}).get(_TAG, ""), entry["digest"])
        for index in store.glob("repositories/*/index.json")
        for entry in json.loads(index.read_text())["manifests"]
    )


def lacking(store: Path) -> set[str]:
    """Digests that manifests of the store need and that are not in it.

    Of an index only the platforms that have a name here: a cache keeps those that somebody has asked for.
    """
    missing: set[str] = set()
    for digest in {digest for _, _, digest in held(store)}:
        if not (blob := _blob(store, digest)).exists():
            missing.add(digest)
            continue
        manifest = json.loads(blob.read_bytes())
        content = [*manifest.get("layers", []), *([manifest["config"]] if "config" in manifest else [])]
        missing |= {each["digest"] for each in content if not _blob(store, each["digest"]).exists()}
    return missing


def children(store: Path, digest: str) -> set[str]:
    """Digests of the images of an index of the store; none of another manifest, or of one that is not there."""
    blob = _blob(store, digest)
    manifest = json.loads(blob.read_bytes()) if blob.exists() else {}
    return {each["digest"] for each in manifest.get("manifests", [])}


def size(store: Path) -> int:
    """Bytes of all blobs; files that go while they are counted do not count."""
    total = 0
    for blob in store.glob("blobs/*/*"):
        try:
            total += blob.stat().st_size
        except FileNotFoundError:
            continue
    return total


def agree(nodes: list[Node]) -> bool:
    """Whether all these replicas hold the same names, something at all, and everything that belongs to them."""
    try:
        names = {held(folder(node)) for node in nodes}
        return len(names) == 1 and names != {frozenset()} and not any(lacking(folder(node)) for node in nodes)
    except FileNotFoundError:  # something was removed meanwhile
        return False


def differences(nodes: list[Node]) -> str:
    """How the replicas differ, for a failure message."""
    names = {node.name: held(folder(node)) for node in nodes}
    everything = frozenset().union(*names.values())
    lines = [f"{name} lacks names {sorted(everything - there)}" for name, there in names.items()]
    return "\n".join([*lines, *(f"{node.name} lacks content {sorted(lacking(folder(node)))}" for node in nodes)])


def wipe(node: Node) -> None:
    """Take the disk of a node's gateway away, while it runs: nothing is left but the empty folder."""
    for entry in folder(node).iterdir():
        shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)


def processes(node: Node) -> set[int]:
    """Processes of the node's gateway, as the node counts them."""
    # The pattern does not find the command line that it stands in.
    found = node.run(["sh", "-c", "grep -lsa '[r]egistry_gateway' /proc/[0-9]*/cmdline"], check=False).stdout
    return {int(path.split("/")[2]) for path in found.split()}


def kill(node: Node) -> set[int]:
    """Kill the node's gateway, parent and workers, by SIGKILL; the kubelet starts it again. The processes."""
    there = processes(node)
    node.run(["kill", "-9", *map(str, sorted(there))], check=False)
    return there


def ready(node: Node) -> bool:
    """Whether the node's gateway says that it serves."""
    asked = ["curl", "--silent", "--fail", "--max-time", "5", f"{HEALTH}/readyz"]
    return node.run(asked, check=False).returncode == 0


def metric(node: Node, name: str) -> float:
    """The sum of a metric's series at the node's gateway; 0 without any."""
    text = node.run(["curl", "--silent", "--max-time", "5", f"{HEALTH}/metrics"], check=False).stdout
    return sum(float(value) for value in re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


_TAG = "org.opencontainers.image.ref.name"


def _blob(store: Path, digest: str) -> Path:
    return store / "blobs" / digest.replace(":", "/")
