"""Configuration of a node's kubelet and kube-proxy, and of its pod network."""

from __future__ import annotations

import json

from . import plan
from .containerd import SOCKET

CONFIG = "/var/lib/kubelet/config.yaml"
KUBECONFIG = "/etc/kubernetes/kubelet.conf"
BOOTSTRAP = "/etc/kubernetes/bootstrap-kubelet.conf"
CA = "/etc/kubernetes/pki/ca.crt"
PROXY_KUBECONFIG = "/etc/kubernetes/kube-proxy.conf"
POD_NETWORK = "/etc/cni/net.d/10-pods.conflist"


def kubelet_config(*, control_plane: bool) -> str:
    """KubeletConfiguration v1beta1 (JSON, which is YAML)."""
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "authentication": {
                "x509": {"clientCAFile": CA},
                "webhook": {"enabled": True},
                "anonymous": {"enabled": False},
            },
            "authorization": {"mode": "Webhook"},
            "rotateCertificates": True,
            "clusterDNS": [plan.DNS_SERVICE],
            "clusterDomain": plan.DOMAIN,
            "resolvConf": "/etc/resolv.conf",
            "registerWithTaints": [taint] if control_plane else [],
            "staticPodPath": "/etc/kubernetes/manifests",
            "volumePluginDir": "/var/lib/kubelet/volumeplugins",
            "nodeLeaseDurationSeconds": 20,
            "nodeStatusReportFrequency": "60s",
            "serializeImagePulls": False,
            # no systemd, no cgroup tree of our own making, disk figures of a shared file system
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "localStorageCapacityIsolation": False,
            "failSwapOn": False,
            "evictionHard": {},
            "imageGCHighThresholdPercent": 100,
        }
    )


def kubelet_flags(*, name: str, address: str) -> list[str]:
    """Command line of kubelet; the first start gets its certificate with the bootstrap token."""
    return [
        *(f"--config={CONFIG}", f"--kubeconfig={KUBECONFIG}", f"--bootstrap-kubeconfig={BOOTSTRAP}"),
        *(f"--hostname-override={name}", f"--node-ip={address}"),
        "--housekeeping-interval=30s",  # statistics of containers; several kubelets share two cores
    ]


def proxy_flags(*, name: str) -> list[str]:
    """Command line of kube-proxy."""
    return [
        *(f"--kubeconfig={PROXY_KUBECONFIG}", f"--hostname-override={name}"),
        *("--proxy-mode=iptables", f"--cluster-cidr={plan.PODS}"),
        *("--conntrack-max-per-core=0", "--conntrack-min=0"),  # these limits belong to the host, not to a namespace
        *("--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s"),
        *("--healthz-bind-address=127.0.0.1:10256", "--metrics-bind-address=127.0.0.1:10249"),
    ]


def pod_network(address: str) -> str:
    """CNI configuration: a bridge in the node, addresses from the node's own range."""
    ipam = {
        "type": "host-local",
        "ranges": [[{"subnet": plan.pod_range(address)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": ipam}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]})
