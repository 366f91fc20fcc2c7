"""A node of the test cluster as the platform leaves one: with a disk to offer, and the authority of its registry."""

from __future__ import annotations

import json

from tests.platform.cluster import Cluster, Node
from tests.platform.deckhouse.node_registry import legacy, registry_d
from tests.platform.deckhouse.registry_data import RegistryData


def prepare(cluster: Cluster, node: Node, installed_from: RegistryData) -> None:
    """As the platform's steps 030 and 032 do: the node knows the authority of the registry of the installation."""
    # These kubelets cannot measure their disk, so they offer none; pods that ask for some would stay Pending.
    disk = {"ephemeral-storage": "50Gi"}
    patch = json.dumps({"status": {"capacity": disk, "allocatable": disk}})
    cluster.kubectl("patch", "node", node.name, "--subresource=status", "--type=merge", "-p", patch)
    files = legacy(installed_from) if node.spec.runtime == "legacy" else registry_d(installed_from)
    for path, content in files.items():
        target = node.host_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
