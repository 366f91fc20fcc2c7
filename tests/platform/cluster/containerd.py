"""containerd of a node: which binaries, which configuration."""

from __future__ import annotations

from pathlib import Path

from . import plan
from .failure import ClusterError
from .plan import TOOLS, Runtime

DEBIAN = Path("/usr/bin")
CONFIG = "/etc/containerd/config.toml"
SOCKET = "/run/containerd/containerd.sock"
HOSTS = "/etc/containerd/registry.d"
CNI = ("/usr/lib/cni", "/etc/cni/net.d")

# Without CAP_SYS_RESOURCE pods fail unless oom scores are left alone; there is no systemd to make cgroups.
V1 = """version = 2
{imports}[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni[0]}"
    conf_dir = "{cni[1]}"
{registry}"""
V1_REGISTRY = """  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{hosts}"
"""
V1_IMPORTS = 'imports = ["/etc/containerd/conf.d/*.toml"]\n'
V2 = """version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{sandbox}"
[plugins.'io.containerd.cri.v1.images'.registry]
  config_path = "{hosts}"
[plugins.'io.containerd.transfer.v1.local']
  config_path = "{hosts}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["{cni[0]}"]
    conf_dir = "{cni[1]}"
"""


def config(runtime: Runtime) -> str:
    """The text of config.toml."""
    values = {"sandbox": plan.SANDBOX_IMAGE, "hosts": HOSTS, "cni": CNI}
    if runtime == "debian":
        return V1.format(imports="", registry=V1_REGISTRY.format(hosts=HOSTS), **values)
    if runtime == "legacy":
        return V1.format(imports=V1_IMPORTS, registry="", **values)
    return V2.format(**values)


def binaries(runtime: Runtime) -> dict[str, Path]:
    """What to find under which name on a node's PATH. Raises ClusterError when something is not there."""
    suffix = "-rewrite" if runtime == "rewrite" else ""
    home = DEBIAN if runtime in ("debian", "legacy") else TOOLS
    found = {
        "containerd": home / f"containerd{suffix}",
        "ctr": home / f"ctr{suffix}",
        "containerd-shim-runc-v2": home / "containerd-shim-runc-v2",
    }
    if missing := [str(path) for path in found.values() if not path.exists()]:
        remedy = "install Debian's containerd" if home == DEBIAN else "run tools/build"
        raise ClusterError(f"runtime {runtime}: no {', '.join(missing)}; {remedy}")
    return found
