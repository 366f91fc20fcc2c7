"""Name servers: the cluster's (CoreDNS on the API) and the outside world's (CoreDNS on a hosts file).

Nodes and other machines use the outside one, as real nodes use the resolver of their site: it knows no `.svc` name.
Pods use the cluster's through the Service kube-dns; it forwards what it does not know. Two processes, so that a test
can take the cluster's away.
"""

from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

from . import plan
from .failure import tail
from .process import Daemon
from .site import Site

READY_PORT = 8181

OUTSIDE = """.:53 {
    bind %(address)s
    ready %(address)s:%(ready)d
    errors
    hosts %(names)s {
        ttl 1
        reload 200ms
        fallthrough
    }
    template ANY ANY {
        rcode NXDOMAIN
    }
}
"""
CLUSTER = """.:53 {
    bind %(address)s
    ready %(address)s:%(ready)d
    errors
    cache 5
    kubernetes %(domain)s {
        kubeconfig %(kubeconfig)s
        ttl 5
    }
    forward . %(outside)s
}
"""


class NameServers:
    """Both of them."""

    def __init__(self, site: Site) -> None:
        """Nothing runs yet."""
        self.site = site
        self._names = site.folder / "outside.hosts"
        self._lock = threading.Lock()
        self._daemons: dict[str, Daemon] = {}

    def start_outside(self) -> None:
        """Start the outside one, knowing nothing."""
        self._names.touch()
        values = {"address": plan.HOST, "ready": READY_PORT, "names": self._names}
        self._start("dns-outside", OUTSIDE % values)

    def start_cluster(self, kubeconfig: Path) -> None:
        """Start the cluster's; the API server must be there."""
        values = {"address": plan.DNS, "ready": READY_PORT, "domain": plan.DOMAIN, "kubeconfig": kubeconfig}
        self._start("dns-cluster", CLUSTER % {**values, "outside": plan.HOST})

    def stop_cluster(self) -> None:
        """Take the cluster's name server away."""
        if daemon := self._daemons.pop("dns-cluster", None):
            daemon.stop()

    def stop(self) -> None:
        """Stop both."""
        for name in list(self._daemons):
            self._daemons.pop(name).stop(grace=1)

    def set_name(self, name: str, address: str | None) -> None:
        """Let an outside name mean an address, or nothing (None); known within a second."""
        with self._lock:
            lines = [line for line in self._names.read_text().splitlines() if line.split()[1] != name]
            if address:
                lines.append(f"{address} {name}")
            self._names.write_text("".join(f"{line}\n" for line in lines))

    def wait_ready(self) -> None:
        """Return when every one that was started answers."""
        for name, daemon in list(self._daemons.items()):
            address = plan.DNS if name == "dns-cluster" else plan.HOST
            self._wait(name, daemon, address)

    def _start(self, name: str, corefile: str) -> None:
        path = self.site.folder / f"{name}.corefile"
        path.write_text(corefile)
        argv = [str(plan.TOOLS / "coredns"), "-conf", str(path)]
        self._daemons[name] = self.site.daemon(name, argv)

    def _wait(self, name: str, daemon: Daemon, address: str) -> None:
        def ready() -> bool:
            daemon.require_alive()
            with urllib.request.urlopen(f"http://{address}:{READY_PORT}/ready", timeout=2) as answer:
                return bool(answer.status == 200)

        self.site.wait(f"{name} is ready", ready, within=30, detail=lambda: tail(daemon.log))
