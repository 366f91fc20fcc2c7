"""After everything else: no password or key that was used is anywhere but in Secrets and the ModuleConfig."""

from __future__ import annotations

import base64
import json

import pytest

from tests.e2e.modes import to_direct
from tests.platform.assembly import Platform

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(300)]
READABLE = ("nodes", "events", "configmaps", "pods", "daemonsets", "deployments", "registries", "registryreplicas")
FOLDERS = ("/etc/containerd", "/var/lib/registry-route", "/var/lib/bashible", "/etc/systemd/system")


def secrets_used(platform: Platform) -> dict[str, str]:
    """Name → secret, of everything the tests and the module used."""
    internal = platform.operator.values()["registry"]["internal"]
    found = {f"password of {up.name}": up.password for up in (platform.upstream_a, platform.upstream_b)}
    found["wrong password"] = "wrong-password-1"
    found |= {f"password of {name}": user["password"] for name, user in internal["users"].items()}
    for pair in ("ca", "serving"):
        found[f"key of {pair}"] = internal["pki"][pair]["key"].splitlines()[1]
    found["salt"] = internal["state"]["salt"]
    return found


def places(platform: Platform) -> dict[str, str]:
    """Name → text, of everything that people without rights to Secrets may read."""
    kubectl = platform.cluster.kubectl
    texts = {kind: kubectl("get", kind, "-A", "-o", "json") for kind in (*READABLE, "nodegroupconfigurations")}
    texts["operator's log"] = platform.log.read_text()
    texts["metrics of hooks"] = platform.operator.metrics.render()
    for pod in kubectl("get", "pods", "-n", "d8-system", "-l", "app=registry-gateway", "-o", "name").split():
        texts[f"log of {pod}"] = kubectl("logs", "-n", "d8-system", pod)
    for name, node in platform.cluster.nodes.items():
        for folder in FOLDERS:
            text = f"grep -rsa '' {folder} | tr -cd '[:print:]\\n'"  # caches of clients are binary
            texts[f"{folder} of {name}"] = node.run(["sh", "-c", text], check=False).stdout
        texts[f"metrics on {name}"] = node.run(["curl", "-s", "http://127.0.0.1:5002/metrics"], check=False).stdout
    return texts


def test_no_secret_is_readable_anywhere(platform: Platform) -> None:
    to_direct(platform)
    texts = places(platform)
    assert any("registry_" in text for name, text in texts.items() if name.startswith("metrics on m"))
    assert all(texts[f"/etc/containerd of {name}"] for name in platform.cluster.nodes)
    found = []
    for name, secret in secrets_used(platform).items():
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("="), json.dumps(secret)[1:-1]):
            found += [f"{name} in {place}" for place, text in texts.items() if form in text]
    assert found == []
