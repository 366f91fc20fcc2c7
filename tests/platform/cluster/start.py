"""The way up: control plane and nodes side by side, each step when what it needs is there."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .api import Api
from .claim import claim
from .control_plane import ControlPlane, require_tools
from .dns import NameServers
from .failure import CancelledError, ClusterError
from .fake_nodes import FakeNodes
from .first_objects import first_objects
from .image_archive import write_sandbox_image
from .machine import require_visible
from .network import add_bridge, route_pods
from .node import Node
from .pki import make_pki
from .plan import NodeSpec
from .teardown import CGROUPS

if TYPE_CHECKING:
    from .cluster import Cluster


class Start:
    """Starting a cluster, or one more node of it."""

    def __init__(self, cluster: Cluster) -> None:
        """Nothing happens yet."""
        self.cluster, self.site = cluster, cluster.site
        self._api_ready = threading.Event()
        self._routes = threading.Lock()
        if hasattr(cluster, "server"):
            self._api_ready.set()

    def run(self) -> None:
        """Bring everything up. Raises the first failure; the caller cleans up."""
        cluster, site = self.cluster, self.site
        require_machine()
        require_tools()
        require_visible(site.folder)
        claim(site, kept=cluster.kept)
        cluster.owned = True
        shutil.rmtree(site.logs, ignore_errors=True)  # those of the run before
        site.folder.mkdir(parents=True, exist_ok=True)
        pki = make_pki(site.pki)
        write_sandbox_image(self._sandbox_image)
        add_bridge()
        cluster.control_plane, cluster.name_servers = ControlPlane(site, pki), NameServers(site)
        nodes = [self.make_node(spec) for spec in cluster.specs]
        with ThreadPoolExecutor(max_workers=len(nodes) + 1) as pool:
            parts: list[Future[None]] = [pool.submit(self._start_control_plane)]
            parts += [pool.submit(self.start_node, node) for node in nodes]
            done, _ = wait(parts, return_when=FIRST_EXCEPTION)
            if any(part.exception() for part in done):
                site.cancelled.set()
        _raise_first(part.exception() for part in parts)
        self.wait_ready(nodes)
        cluster.name_servers.wait_ready()
        for namespace in ("default", "d8-system"):
            site.wait(f"pods in {namespace}", partial(cluster.server.pods_possible, namespace), within=30)
        site.say(f"{len(nodes)} nodes Ready; KUBECONFIG={cluster.kubeconfig}")

    def make_node(self, spec: NodeSpec) -> Node:
        """The node's files. Raises ClusterError when the name is taken."""
        cluster = self.cluster
        if spec.name in cluster.nodes or spec.name in cluster.hosts:
            raise ClusterError(f"there is already a machine {spec.name}")
        node = Node(self.site, spec, address=cluster.next_node_address(), pki=cluster.control_plane.pki)
        cluster.nodes[spec.name] = node
        return node

    def start_node(self, node: Node) -> None:
        """From nothing to a registered node with its labels."""
        node.start()
        with self._routes:  # both ways between this node and every other one, and from this host
            route_pods(node.address, namespace=None)
            for other in self.cluster.nodes.values():
                if other is not node and other.running and other.connected:
                    route_pods(node.address, namespace=other.pid)
                    route_pods(other.address, namespace=node.pid)
            node.connected = True
        node.import_image(self._sandbox_image)
        self.site.say(f"{node.name}: containerd ({node.spec.runtime}) answers")
        self.site.wait("kube-apiserver is ready", self._api_ready.is_set, within=120)
        node.join()

        def registered() -> bool:
            node.require_alive()
            return self.cluster.server.node_exists(node.name)

        self.site.wait(f"{node.name} registers", registered, within=90, every=0.3, detail=node.logs)
        self.cluster.server.label_node(node.name, control_plane=node.spec.control_plane)
        self.site.say(f"{node.name}: registered")

    def wait_ready(self, nodes: Iterable[Node]) -> None:
        """Return when the nodes are Ready."""
        for node in nodes:

            def ready(node: Node = node) -> bool:
                node.require_alive()
                self.cluster.control_plane.require_alive()
                return self.cluster.server.node_ready(node.name)

            self.site.wait(f"{node.name} is Ready", ready, within=90, every=0.3, detail=node.logs)

    def _start_control_plane(self) -> None:
        cluster, control_plane = self.cluster, self.cluster.control_plane
        cluster.name_servers.start_outside()
        control_plane.start_api()
        self.site.say("kube-apiserver is ready")
        server = cluster.server = Api(cluster.kubeconfig)
        objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": first_objects(control_plane.pki)})

        def applied() -> bool:  # kube-system itself is made by the API server, a moment after it is ready
            try:
                return bool(server.kubectl("apply", "--validate=false", "-f", "-", input=objects))
            except ClusterError as error:
                raise OSError(str(error)) from error

        self.site.wait("first objects", applied, within=30, every=0.3)
        cluster.fake_nodes = FakeNodes(self.site, server.client)
        self._api_ready.set()
        control_plane.start_controllers()
        cluster.name_servers.start_cluster(self.site.pki / "dns.conf")

    @property
    def _sandbox_image(self) -> Path:
        return self.site.folder / "sandbox.tar"


def require_machine() -> None:
    """Raises ClusterError when this machine cannot carry a cluster: no root, or other cgroups than machine.sh knows."""
    if os.geteuid() != 0:
        raise ClusterError("a cluster needs root: namespaces, mounts, cgroups")
    if not (CGROUPS / "memory").is_dir():
        raise ClusterError(f"{CGROUPS} has no memory hierarchy; the cluster's machines need cgroup v1 (or hybrid)")


def _raise_first(errors: Iterable[BaseException | None]) -> None:
    """Raise what failed first; "given up" is only a consequence."""
    failures = [error for error in errors if error]
    for error in sorted(failures, key=lambda each: isinstance(each, CancelledError)):
        raise error
