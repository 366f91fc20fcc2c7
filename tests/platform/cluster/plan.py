"""What goes where: names and addresses of everything the test cluster puts on this machine.

All of it carries one prefix, so that what a crash left behind is found by name, and two clusters cannot live side by
side unnoticed (`ownership`). 198.51.100.0/24 is reserved for documentation (RFC 5737): nothing real is hidden by it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

BRIDGE = "rgbr0"
VETH_PREFIX = "rgv-"  # + name of the machine; a Linux interface name has at most 15 characters
CGROUP_PREFIX = "rg-"

NETWORK = "198.51.100.0/24"
HOST = "198.51.100.1"  # of the bridge: kube-apiserver, and the name server of the world outside the cluster
DNS = "198.51.100.2"  # second address of the bridge: the cluster's name server
API_PORT = 6443
FIRST_NODE, FIRST_HOST, FIRST_FAKE = 11, 100, 200  # last octets
PODS = "10.231.0.0/16"
SERVICES = "10.232.0.0/16"
API_SERVICE = "10.232.0.1"
DNS_SERVICE = "10.232.0.10"
DOMAIN = "cluster.local"
SANDBOX_IMAGE = "sandbox.test/pause:1"

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "tools" / "bin"

Runtime = Literal["debian", "stock", "rewrite", "legacy"]


@dataclass(frozen=True)
class NodeSpec:
    """A node to make. Runtimes, and what each stands for:

    - `debian`: containerd 1.6 with `config_path`;
    - `legacy`: containerd 1.6 without it, importing `/etc/containerd/conf.d/*.toml`;
    - `stock`: containerd 2.1 as released;
    - `rewrite`: containerd 2.1 that understands `rewrite` in hosts.toml.
    """

    name: str
    control_plane: bool = False
    runtime: Runtime = "stock"

    def __post_init__(self) -> None:
        """Raises ValueError for what could become neither an interface nor a container runtime."""
        if not self.name.isalnum() or len(VETH_PREFIX + self.name) > 15:
            raise ValueError(f"node name {self.name!r}: letters and digits, at most {15 - len(VETH_PREFIX)}")
        if self.runtime not in get_args(Runtime):
            raise ValueError(f"runtime {self.runtime!r} of node {self.name}: one of {', '.join(get_args(Runtime))}")


DEFAULT_NODES = (
    NodeSpec("m1", control_plane=True, runtime="rewrite"),
    NodeSpec("m2", control_plane=True, runtime="stock"),
    NodeSpec("w1", runtime="debian"),
    NodeSpec("w2", runtime="stock"),
    NodeSpec("w3", runtime="rewrite"),
)
THREE_MASTERS = (*DEFAULT_NODES, NodeSpec("m3", control_plane=True))


def address(octet: int) -> str:
    """The address on the bridge with this last octet."""
    return f"198.51.100.{octet}"


def pod_range(node_address: str) -> str:
    """The pods of the node at this address, CIDR."""
    return f"10.231.{node_address.rpartition('.')[2]}.0/24"


def default_folder() -> Path:
    """Where a cluster is kept when nobody says."""
    cache = os.environ.get("REGISTRY_MODULE_CACHE") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "registry-module"
    )
    return Path(cache) / "cluster"
