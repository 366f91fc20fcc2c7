"""etcd, kube-apiserver, kube-controller-manager, kube-scheduler: real, on this host's side of the bridge.

They stay outside the nodes on purpose: a master that is switched off or blackholed is one gateway less, and the API
goes on. `stop_api` is the other failure: nodes and gateways without an API server.
"""

from __future__ import annotations

import socket
import ssl
import urllib.request

from . import plan
from .failure import ClusterError, tail
from .pki import API_URL, Pki
from .process import Daemon
from .site import Site

BINARIES = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"),
    *("coredns", "crictl"),
)


def require_tools() -> None:
    """Raises ClusterError that names what `tools/build` has not made yet."""
    missing = [name for name in BINARIES if not (plan.TOOLS / name).exists()]
    if missing:
        raise ClusterError(f"not built: {', '.join(missing)}; run tools/build")


class ControlPlane:
    """The four processes."""

    def __init__(self, site: Site, pki: Pki) -> None:
        """Nothing runs yet."""
        self.site, self.pki = site, pki
        self._daemons: dict[str, Daemon] = {}
        self._etcd_port = 0

    def start_api(self) -> None:
        """Start etcd and the API server; returns when the latter is ready."""
        if "etcd" not in self._daemons:
            self._etcd_port, peer_port = _free_ports(2)
            self._start("etcd", *self._etcd_flags(peer_port))
        api = self._start("kube-apiserver", *self._api_flags())
        context = ssl.create_default_context(cadata=self.pki.ca.cert)

        def ready() -> bool:
            for daemon in (self._daemons["etcd"], api):
                daemon.require_alive()
            with urllib.request.urlopen(f"{API_URL}/readyz", context=context, timeout=2) as answer:
                return bool(answer.status == 200)

        self.site.wait("kube-apiserver is ready", ready, within=90, detail=lambda: tail(api.log))

    def start_controllers(self) -> None:
        """Start the controller manager and the scheduler; they need no waiting for."""
        pki = self.pki
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={pki.file('controller-manager.conf')}",
            "--controllers=*,-nodeipam",  # pod ranges are fixed by the address of the node
            "--leader-elect=false",
            "--secure-port=0",
            "--use-service-account-credentials=true",
            f"--root-ca-file={pki.file('ca.crt')}",
            f"--service-account-private-key-file={pki.file('sa.key')}",
            f"--cluster-signing-cert-file={pki.file('ca.crt')}",
            f"--cluster-signing-key-file={pki.file('ca.key')}",
            *("--kube-api-qps=200", "--kube-api-burst=400"),  # at the default its controllers take 5 s to start
            "--node-monitor-period=2s",
            "--node-monitor-grace-period=20s",  # tests wait for NotReady; the kubelets renew their leases accordingly
        )
        scheduler = pki.file("scheduler.conf")
        self._start("kube-scheduler", f"--kubeconfig={scheduler}", "--leader-elect=false", "--secure-port=0")

    def require_alive(self) -> None:
        """Raises ClusterError with the end of its log when one of them has ended."""
        for daemon in self._daemons.values():
            daemon.require_alive()

    def stop_api(self) -> None:
        """Stop the API server alone."""
        self._daemons["kube-apiserver"].stop()

    def stop(self) -> None:
        """Stop all of them, users of a server before the server."""
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            if daemon := self._daemons.pop(name, None):
                daemon.stop(grace=1 if name == "kube-apiserver" else 5)  # it would wait for its watchers to leave

    def _start(self, name: str, *flags: str) -> Daemon:
        self._daemons[name] = self.site.daemon(name, [str(plan.TOOLS / name), *flags])
        return self._daemons[name]

    def _etcd_flags(self, peer_port: int) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{peer_port}"
        return [
            *("--name=main", f"--data-dir={self.site.folder / 'etcd'}", f"--initial-cluster=main={peer}"),
            *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
            "--unsafe-no-fsync",  # the data need not survive a power cut; a slow disk would cost elections
        ]

    def _api_flags(self) -> list[str]:
        file = self.pki.file
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            *(f"--bind-address={plan.HOST}", f"--advertise-address={plan.HOST}", f"--secure-port={plan.API_PORT}"),
            *(f"--tls-cert-file={file('apiserver.crt')}", f"--tls-private-key-file={file('apiserver.key')}"),
            f"--client-ca-file={file('ca.crt')}",
            *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction"),
            "--enable-bootstrap-token-auth=true",
            "--allow-privileged=true",
            f"--service-cluster-ip-range={plan.SERVICES}",
            f"--service-account-issuer=https://kubernetes.default.svc.{plan.DOMAIN}",
            *(f"--service-account-key-file={file('sa.crt')}", f"--service-account-signing-key-file={file('sa.key')}"),
            f"--kubelet-client-certificate={file('apiserver-kubelet.crt')}",
            f"--kubelet-client-key={file('apiserver-kubelet.key')}",
            "--kubelet-preferred-address-types=InternalIP",  # names of nodes are in no DNS
            "--enable-aggregator-routing=true",  # webhooks by pod address: service addresses do not work on this host
            f"--requestheader-client-ca-file={file('front-proxy-ca.crt')}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={file('front-proxy.crt')}",
            f"--proxy-client-key-file={file('front-proxy.key')}",
        ]


def _free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
