"""Small questions to the API server that the cluster itself asks."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from kubernetes import client, config

from . import plan
from .failure import ClusterError
from .process import ENVIRONMENT


class Api:
    """The API server, with an administrator's rights."""

    def __init__(self, kubeconfig: Path) -> None:
        """The server need not answer yet."""
        self.kubeconfig = kubeconfig
        self.client: Any = config.new_client_from_config(str(kubeconfig))
        self._core = client.CoreV1Api(self.client)

    def kubectl(self, *argv: str, input: str | None = None, timeout: float = 60) -> str:
        """Run kubectl; returns what it printed. Raises ClusterError with its words when it fails or takes too long."""
        command = [str(plan.TOOLS / "kubectl"), f"--kubeconfig={self.kubeconfig}", *argv]
        try:
            done = subprocess.run(
                command,
                input=input,
                capture_output=True,
                text=True,
                timeout=timeout,
                env=dict(ENVIRONMENT),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"kubectl {' '.join(argv)}: not done after {timeout:g} s") from error
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(argv)}: {done.stderr.strip()}")
        return done.stdout

    def node_exists(self, name: str) -> bool:
        """Whether a Node of this name is registered."""
        return self._node(name) is not None

    def node_ready(self, name: str) -> bool:
        """Whether the Node's condition Ready is True, and the taints of a node that is not have been taken off."""
        node = self._node(name)
        if node is None:
            return False
        ready = any(each.type == "Ready" and each.status == "True" for each in node.status.conditions or [])
        return ready and not any(taint.key.startswith("node.kubernetes.io/") for taint in node.spec.taints or [])

    def pods_possible(self, namespace: str) -> bool:
        """Whether pods may be made in a namespace: its service account comes a moment later."""
        accounts = self._core.list_namespaced_service_account(namespace).items
        return any(account.metadata.name == "default" for account in accounts)

    def label_node(self, name: str, *, control_plane: bool) -> None:
        """The labels of the platform; a kubelet may not give itself a role (NodeRestriction)."""
        role, group = ("control-plane", "master") if control_plane else ("worker", "worker")
        labels = {
            f"node-role.kubernetes.io/{role}": "",
            "node.deckhouse.io/group": group,
            "node.deckhouse.io/type": "Static",
        }
        self._core.patch_node(name, {"metadata": {"labels": labels}})

    def delete_node(self, name: str) -> None:
        """Delete the Node object; nothing happens when there is none."""
        try:
            self._core.delete_node(name)
        except client.ApiException as error:
            if error.status != 404:
                raise

    def _node(self, name: str) -> Any:
        try:
            return self._core.read_node(name)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return None
