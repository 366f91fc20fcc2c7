"""How the platform lets nodes trust the real registry before any module changes that (nodes-and-containerd §2, §3).

`registry_d` is what system step 030 writes where containerd has `config_path`; `legacy` is what step 032 merges where
it has not, which needs a restart of containerd. Pull secrets bring the login, so none is written here.
"""

from __future__ import annotations

import json

from tests.platform.deckhouse.registry_data import RegistryData

FOLDER = "/etc/containerd/registry.d"
STATE = f"{FOLDER}/deckhouse_hosts_state.json"
LEGACY_FILE = "/etc/containerd/conf.d/deckhouse-registry.toml"
LEGACY_CA = "/etc/containerd/deckhouse-registry-ca.crt"


def registry_d(registry: RegistryData) -> dict[str, str]:
    """Path → content of every file."""
    host, url = registry.address, f"{registry.scheme}://{registry.address}"
    lines = ["[host]", f'[host."{url}"]', 'capabilities = ["pull", "resolve"]']
    files = {STATE: json.dumps([host])}
    if registry.scheme == "http":
        lines.append("skip_verify = true")
    elif registry.ca:
        name = f"{registry.scheme}-{host}-ca.crt"
        files[f"{FOLDER}/{host}/{name}"] = registry.ca
        lines.append(f'ca = ["{FOLDER}/{host}/{name}"]')
    files[f"{FOLDER}/{host}/hosts.toml"] = "\n".join([*lines, ""])
    return files


def legacy(registry: RegistryData) -> dict[str, str]:
    """Path → content of every file, for containerd 1.x without `config_path`."""
    plugin = '[plugins."io.containerd.grpc.v1.cri".registry'
    lines = [
        "version = 2",
        f'{plugin}.mirrors."{registry.address}"]',
        f'endpoint = ["{registry.scheme}://{registry.address}"]',
    ]
    files = {}
    if registry.ca:
        lines += [f'{plugin}.configs."{registry.address}".tls]', f'ca_file = "{LEGACY_CA}"']
        files[LEGACY_CA] = registry.ca
    return {**files, LEGACY_FILE: "\n".join([*lines, ""])}
