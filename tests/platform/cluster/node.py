"""A node: a machine with containerd, kubelet and kube-proxy."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import containerd, kubelet, plan
from .failure import ClusterError, tail
from .machine import Machine
from .network import iptables
from .pki import Pki
from .plan import NodeSpec
from .process import ENVIRONMENT
from .site import Site

BIN = "/opt/deckhouse/bin"
SYSTEM_TOOLS = ("kubectl", "crictl")  # besides containerd's own, what the platform puts on a node


class Node(Machine):
    """A node of the cluster. `host_path(p)` is where its folder `p` lies on this host, for each p of `binds`."""

    binds = (
        *("/run", "/etc/containerd", "/etc/kubernetes", "/etc/cni/net.d", "/etc/systemd/system", "/opt/deckhouse"),
        *("/var/lib/kubelet", "/var/lib/containerd", "/var/lib/bashible"),
        *("/var/lib/node_labels", "/var/log/pods"),
    )
    path = f"{BIN}:{ENVIRONMENT['PATH']}"

    def __init__(self, site: Site, spec: NodeSpec, *, address: str, pki: Pki) -> None:
        """Writes its files; nothing runs yet. Raises ClusterError when its containerd is not built."""
        super().__init__(site, name=spec.name, address=address)
        self.spec, self.pki = spec, pki
        self.connected = False  # whether the others know the way to its pods
        self._write_files()

    def start(self) -> None:
        """Switch it on and start containerd; what needs the API server comes with `join`."""
        self.switch_on()
        # Pods leave the pod network with their node's address, as with any overlay network.
        masquerade = ["-s", plan.pod_range(self.address), "!", "-d", plan.PODS, "-j", "MASQUERADE"]
        iptables("-t", "nat", "-A", "POSTROUTING", *masquerade, namespace=self.pid)
        self.start_containerd()

    def start_containerd(self) -> None:
        """Start containerd; returns when it answers. Raises ClusterError with the end of its log."""
        self.host_path(containerd.SOCKET).unlink(missing_ok=True)
        daemon = self.start_daemon("containerd", ["containerd", "--config", containerd.CONFIG])

        def answers() -> bool:
            daemon.require_alive()
            return self.run(["ctr", "version"], check=False, timeout=10).returncode == 0

        self.site.wait(f"containerd of {self.name}", answers, within=60, every=0.3, detail=lambda: tail(daemon.log))

    def restart_containerd(self) -> None:
        """As `systemctl restart containerd`: containers go on."""
        self.stop_daemon("containerd")
        self.start_containerd()

    def import_image(self, archive: Path) -> None:
        """Put the images of a `docker save` archive or OCI layout archive into containerd, visible to the kubelet."""
        with_content = ["ctr", "--namespace", "k8s.io", "images", "import", str(archive.resolve())]
        self.run(with_content, timeout=300)

    def join(self) -> None:
        """Start kubelet and kube-proxy. The kubelet registers the node and gets its certificate on its own."""
        flags = kubelet.kubelet_flags(name=self.name, address=self.address)
        self.start_daemon("kubelet", [str(plan.TOOLS / "kubelet"), *flags])
        self.start_daemon("kube-proxy", [str(plan.TOOLS / "kube-proxy"), *kubelet.proxy_flags(name=self.name)])

    def stop_agents(self) -> None:
        """Kill kubelet and containerd; pods keep running, and the node becomes NotReady."""
        for name in ("kubelet", "containerd"):
            self.stop_daemon(name, grace=0)

    def require_alive(self) -> None:
        """Raises ClusterError with the end of its log when one of its programs has ended."""
        for daemon in self.daemons.values():
            daemon.require_alive()

    def logs(self) -> str:
        """The ends of its logs, for a failure message."""
        return "\n".join(tail(daemon.log) for daemon in self.daemons.values())

    def erase(self) -> None:
        """Switch it off and remove all that it stored."""
        self.switch_off()
        shutil.rmtree(self.folder, ignore_errors=True)

    def switch_on(self) -> None:
        """As for any machine; /run starts empty, as after a boot."""
        shutil.rmtree(self.host_path("/run"), ignore_errors=True)
        super().switch_on()

    def _write_files(self) -> None:
        pki, runtime = self.pki, self.spec.runtime
        self.seed(containerd.CONFIG, containerd.config(runtime))
        self.seed(kubelet.POD_NETWORK, kubelet.pod_network(self.address))
        self.seed(kubelet.CONFIG, kubelet.kubelet_config(control_plane=self.spec.control_plane))
        self.seed(kubelet.BOOTSTRAP, pki.kubeconfig({"token": pki.token}), mode=0o600)
        self.seed(kubelet.CA, pki.ca.cert)
        self.seed(kubelet.PROXY_KUBECONFIG, Path(pki.file("proxy.conf")).read_text(), mode=0o600)
        self.seed("/etc/hosts", f"127.0.0.1 localhost\n{self.address} {self.name}\n")
        self.seed("/etc/resolv.conf", f"nameserver {plan.HOST}\n")
        for folder in (containerd.HOSTS, "/etc/containerd/conf.d", "/etc/kubernetes/manifests"):
            self.host_path(folder).mkdir(parents=True, exist_ok=True)
        tools = {name: plan.TOOLS / name for name in SYSTEM_TOOLS}
        for name, program in {**containerd.binaries(runtime), **tools}.items():
            link = self.host_path(f"{BIN}/{name}")
            link.parent.mkdir(parents=True, exist_ok=True)
            if not program.exists():
                raise ClusterError(f"{program} is not there; run tools/build")
            link.symlink_to(program.resolve())
