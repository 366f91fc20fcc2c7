"""The cluster: what the tests hold in their hands."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import ownership, plan
from .api import Api
from .control_plane import ControlPlane
from .dns import NameServers
from .failure import ClusterError
from .fake_nodes import FakeNodes
from .faults import Blackholes, Cuts
from .machine import Machine
from .node import Node
from .plan import DEFAULT_NODES, NodeSpec, default_folder
from .site import Site
from .start import Start
from .teardown import teardown
from .uninterrupted import uninterrupted


class Cluster:
    """A real Kubernetes on this machine. Use it as a context manager, or call `start` and `stop`.

    After `start`: `kubeconfig` (of an administrator), `api` (kubernetes.client.ApiClient), `kubectl`, `nodes`,
    `control_plane` (stop_api, start_api), `name_servers`.
    """

    control_plane: ControlPlane
    name_servers: NameServers
    fake_nodes: FakeNodes
    server: Api

    def __init__(
        self,
        folder: Path | None = None,
        *,
        nodes: Sequence[NodeSpec] = DEFAULT_NODES,
        say: Callable[[str], None] = print,
        kept: bool = False,
    ) -> None:
        """Everything is kept below `folder` (not on an overlay file system). `say` gets progress lines.

        `kept`: the cluster outlives this process, until `python -m tests.platform.cluster down`.
        """
        self.folder = (folder or default_folder()).resolve()
        self.specs, self.kept = tuple(nodes), kept
        self.site = Site(self.folder, say)
        self.nodes: dict[str, Node] = {}
        self.hosts: dict[str, Machine] = {}
        self.blackholes, self.cuts = Blackholes(), Cuts()
        self._lock = threading.Lock()
        self._next_octet = plan.FIRST_NODE
        self.owned = False  # whether this object made what is there

    def start(self) -> Self:
        """Bring it up; returns when all nodes are Ready. Raises ClusterError with the end of the log of what failed.

        Whatever goes wrong, Ctrl-C too, nothing stays behind.
        """
        start = Start(self)
        # In a thread of its own: Ctrl-C interrupts only the waiting here, never between a process and its pid file.
        # It may also hit between this method and the caller's `with`; then the exit of the interpreter stops it.
        atexit.register(self.stop)
        pool = ThreadPoolExecutor(max_workers=1)
        work = pool.submit(start.run)
        try:
            work.result()
        except BaseException:
            with uninterrupted():
                self.site.cancelled.set()
                pool.shutdown(wait=True)
                self.stop()
            raise
        pool.shutdown(wait=False)
        if self.kept:
            atexit.unregister(self.stop)
        return self

    def stop(self) -> None:
        """End everything and remove it; the logs stay. Nothing happens when this object did not make the cluster."""
        atexit.unregister(self.stop)
        if not self.owned:
            return
        with uninterrupted():
            self.site.cancelled.set()
            if hasattr(self, "fake_nodes"):
                self.fake_nodes.stop()
            teardown(self.folder)
            self.site.reap()
            self.owned = False
            self.site.say("stopped")

    def keep(self) -> None:
        """Let the cluster outlive this process; `python -m tests.platform.cluster down --dir FOLDER` then ends it."""
        ownership.release(self.folder)
        ownership.claim(self.folder, kept=True)
        atexit.unregister(self.stop)
        self.owned = False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """Credentials of an administrator."""
        return self.site.pki / "admin.conf"

    @property
    def api(self) -> Any:
        """A kubernetes.client.ApiClient of an administrator."""
        return self.server.client

    def kubectl(self, *argv: str, input: str | None = None, timeout: float = 60) -> str:
        """Run kubectl as administrator; returns what it printed. Raises ClusterError with its words."""
        return self.server.kubectl(*argv, input=input, timeout=timeout)

    def node(self, name: str) -> Node:
        """A node by name. Raises ClusterError when there is none."""
        if name not in self.nodes:
            raise ClusterError(f"no node {name}; there are {', '.join(self.nodes)}")
        return self.nodes[name]

    def add_node(self, spec: NodeSpec) -> Node:
        """A new node joins; returns when it is Ready."""
        start = Start(self)
        node = start.make_node(spec)
        start.start_node(node)
        start.wait_ready([node])
        return node

    def stop_node(self, name: str, *, power: bool = False) -> None:
        """Kill its kubelet and containerd (its pods run on), or with `power` all of it. Returns when it is NotReady."""
        node = self.node(name)
        if power:
            self._forget_faults(node)
            node.switch_off()
        else:
            node.stop_agents()
        self.site.wait(f"{name} is NotReady", lambda: not self.server.node_ready(name), within=90, every=0.5)

    def start_node(self, name: str) -> None:
        """Start again what `stop_node` stopped; returns when the node is Ready."""
        node = self.node(name)
        start = Start(self)
        if node.running:
            node.start_containerd()
            node.join()
            start.wait_ready([node])
        else:
            start.start_node(node)
            start.wait_ready([node])

    def delete_node(self, name: str) -> None:
        """Remove a node, machine and object. A fake one too."""
        if hasattr(self, "fake_nodes") and self.fake_nodes.remove(name):
            return
        node = self.nodes.pop(self.node(name).name)
        self._forget_faults(node)
        node.erase()
        self.server.delete_node(name)

    def add_fake_node(
        self,
        name: str,
        *,
        runtime: str = "docker://24.0.7",
        labels: Mapping[str, str] | None = None,
        schedulable: bool = False,
    ) -> None:
        """A Ready Node that has no machine behind it and reports `runtime`. Pods never start on it."""
        self.fake_nodes.add(name, runtime=runtime, labels=labels or {}, schedulable=schedulable)

    def set_reported_runtime(self, name: str, runtime: str) -> None:
        """Change what a fake node reports (a real one's kubelet would set it right again)."""
        self.fake_nodes.set_runtime(name, runtime)

    def add_host(self, name: str, *, names: Sequence[str] = ()) -> Machine:
        """A machine outside the cluster, for an upstream registry say: `net_wrapper`, `run`, `start_daemon`, `address`.

        `names` become known to the outside name server, which nodes use.
        """
        with self._lock:
            host = Machine(self.site, name=name, address=plan.address(plan.FIRST_HOST + len(self.hosts)))
            self.hosts[name] = host
        host.seed("/etc/resolv.conf", f"nameserver {plan.HOST}\n")
        host.switch_on()
        for each in names:
            self.name_servers.set_name(each, host.address)
        return host

    def blackhole(self, target: str, *, port: int | None = 5001) -> None:
        """Drop every packet to a port (None: all) of a node, host or foreign address; its own to itself go on."""
        self.blackholes.add(target, port=port, machines=[*self.nodes.values(), *self.hosts.values()])

    def unblackhole(self, target: str) -> None:
        """Undo `blackhole`."""
        self.blackholes.remove(target)

    def cut(self, one: str, other: str) -> None:
        """Take the network between two nodes away, all ports; the rest of the cluster reaches both."""
        self.cuts.add(self.node(one), self.node(other))

    def heal(self, one: str, other: str) -> None:
        """Undo `cut`."""
        self.cuts.remove(self.node(one), self.node(other))

    def _forget_faults(self, node: Node) -> None:
        self.blackholes.forget(node)
        self.cuts.forget(node)

    def next_node_address(self) -> str:
        """An address that no node has had; a certificate for a dead node's address must not fit a new one.

        Raises ClusterError when there is none left.
        """
        with self._lock:
            if self._next_octet == plan.FIRST_HOST:
                raise ClusterError("no addresses are left for nodes")
            self._next_octet += 1
            return plan.address(self._next_octet - 1)
