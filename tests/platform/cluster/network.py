"""The bridge and what hangs on it. Nothing outside its own interfaces changes on this host: no forwarding, no rules."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from . import plan
from .failure import ClusterError
from .process import ENVIRONMENT


def ip(*argv: str, namespace: int | None = None, check: bool = True) -> str:
    """Run ip(8), in the network namespace of process `namespace` if given. Raises ClusterError with its words."""
    return _run(["ip", *argv], namespace=namespace, check=check)


def iptables(*argv: str, namespace: int, check: bool = True) -> str:
    """Run iptables(8) in the network namespace of a process; waits for its lock. Raises ClusterError with its words."""
    return _run(["iptables", "-w", "10", *argv], namespace=namespace, check=check)


def add_bridge() -> None:
    """Make the bridge with its two addresses: this host, and the cluster's name server."""
    ip("link", "add", plan.BRIDGE, "type", "bridge")
    for address in (plan.HOST, plan.DNS):
        ip("address", "add", f"{address}/24", "dev", plan.BRIDGE)
    ip("link", "set", plan.BRIDGE, "up")


def remove_links() -> None:
    """Remove the bridge and every interface with our prefix, whoever left them."""
    for line in ip("-brief", "link", check=False).splitlines():
        name = line.split()[0].partition("@")[0]
        if name == plan.BRIDGE or name.startswith(plan.VETH_PREFIX):
            ip("link", "delete", name, check=False)


def attach(name: str, pid: int, address: str) -> None:
    """Connect the network namespace of process `pid` to the bridge as eth0."""
    host_side = plan.VETH_PREFIX + name
    ip("link", "add", host_side, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
    ip("link", "set", host_side, "master", plan.BRIDGE, "up")
    ip("address", "add", f"{address}/24", "dev", "eth0", namespace=pid)
    ip("link", "set", "eth0", "up", namespace=pid)
    # A default route also for what is not there: without one, service addresses would be refused before they are
    # translated. This host forwards nothing, so an address outside is a black hole, as behind a firewall.
    ip("route", "add", "default", "via", plan.HOST, namespace=pid)


def detach(name: str) -> None:
    """Remove the interface of a machine that is off, if the kernel has not done so already."""
    ip("link", "delete", plan.VETH_PREFIX + name, check=False)


def route_pods(node_address: str, *, namespace: int | None) -> None:
    """Teach a namespace (None: this host) the way to the pods of a node."""
    ip("route", "replace", plan.pod_range(node_address), "via", node_address, namespace=namespace)


def drop(target: str, *, port: int | None, namespace: int, on: bool, local: bool) -> None:
    """Drop, or stop dropping, packets to `target` in a namespace: arriving ones when it is the namespace's own address
    (`local`; its own connections to itself go on), else leaving and forwarded ones. `port` None means every port."""
    service = ["-p", "tcp", "--dport", str(port)] if port else []
    # mangle: both chains come after kube-proxy has translated addresses, and kube-proxy leaves the table alone
    chain, own = ("INPUT", ["!", "-i", "lo"]) if local else ("POSTROUTING", [])
    rule = ["-d", target, *service, *own, "-j", "DROP"]
    iptables("-t", "mangle", "-I" if on else "-D", chain, *rule, namespace=namespace)


def _run(argv: Sequence[str], *, namespace: int | None, check: bool) -> str:
    enter = [] if namespace is None else ["nsenter", f"--net=/proc/{namespace}/ns/net"]
    done = subprocess.run([*enter, *argv], capture_output=True, text=True, env=dict(ENVIRONMENT), check=False)
    if check and done.returncode:
        raise ClusterError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout
