"""The whole way on real parts: API server, Helm, kubectl, containerd; bashible is the stand-in."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from tests.node.local_node import LocalNode, local_node
from tests.node.registry import Registry, registry
from tests.node.runtimes import RUNTIMES, TOOLS, Daemon, daemon
from tests.node.sandbox import HOST, VERSION
from tests.node.test_template import rendered
from tests.operator.api_server import ApiServer, api_server
from tests.platform.bashible import Bashible
from tests.platform.operator import definitions
from tests.platform.operator.life import Life
from tests.support.certs import issue_node, make_ca
from tests.support.images import build_image

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

DEADLINE = 60.0  # seconds
NODES_CA, GATEWAY_CA = make_ca("nodes"), make_ca("gateways")
VERSION_KEY, REPORT_KEY = "registry.deckhouse.io/route-version", "registry.deckhouse.io/route-report"
PLATFORMS = {"registry.deckhouse.io/version": "unknown"}  # written by a late step of the platform's own
PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"


class World:
    """One node with containerd, joined to an API server, and a gateway."""

    def __init__(self, folder: Path, api: ApiServer, node: LocalNode, containerd: Daemon, gateway: Registry) -> None:
        self.folder, self.api, self.node, self.containerd, self.gateway = folder, api, node, containerd, gateway
        self.image = next(iter(gateway.images.values()))
        self.said: list[str] = []
        self.restarts: list[str] = []

    def order(self, action: str) -> None:
        """What the module's Helm release would hold."""
        canary = f"{HOST}/system/deckhouse@{self.image.digest}"
        conf = f"version {VERSION}\naction {action}\n"
        if action == "apply":
            conf += f"host {HOST}\nalias system/deckhouse\ncanary worker {canary}\ngateway {self.gateway.address}\n"
        files = [{"name": "ca/gateway.crt", "content": GATEWAY_CA.cert}] if action == "apply" else []
        item = rendered(self.folder, {"version": VERSION, "action": action, "conf": conf, "files": files})
        known = self.api.get("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "", "registry-route.sh")
        (self.api.merge if known else self.api.create)(item)

    def annotations(self) -> dict[str, str]:
        found = self.api.get("v1", "Node", "", self.node.name) or {}
        kept = found["metadata"].get("annotations", {})
        return {name: value for name, value in kept.items() if name.startswith("registry.deckhouse.io/")}

    def report(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.annotations().get(REPORT_KEY, "{}"))
        return parsed

    def restart(self, node: LocalNode) -> None:
        self.restarts.append(node.name)
        self.containerd.restart()

    def eventually(self, holds: Callable[[], bool]) -> None:
        """Waits until `holds`; fails with all that was said."""
        deadline = time.monotonic() + DEADLINE
        while not holds():
            log = self.node.run(["sh", "-c", "cat /run/systemd-stand-in/*.log"], check=False).stdout[-2000:]
            assert time.monotonic() < deadline, (self.said, self.annotations(), log)
            time.sleep(0.1)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api")) as server:
        definitions.install(definitions.PLATFORM_CRDS, cluster=server.cluster, life=Life())
        yield server


@pytest.fixture(params=["rewrite-2.1", "debian-1.6-legacy"])
def world(request: pytest.FixtureRequest, tmp_path: Path, api: ApiServer) -> Iterator[World]:
    runtime = RUNTIMES[request.param]
    if runtime.missing:
        pytest.skip(runtime.missing)
    image = build_image(tmp_path / "image", layers=[{"bin/hello": b"hello"}])
    with ExitStack() as stack:
        gateway = stack.enter_context(
            registry(tmp_path / "gw", {"system/deckhouse": image}, ca=GATEWAY_CA, client_ca=NODES_CA)
        )
        name = request.param.replace(".", "-")
        node = stack.enter_context(local_node(name, tmp_path / "node"))
        node.link("kubectl", TOOLS / "kubectl")
        node.write("/etc/kubernetes/kubelet.conf", api.kubeconfig.read_text(), mode="0600")
        pair = issue_node(NODES_CA, name)
        node.write(PEM, pair.cert + pair.key, mode="0600")
        made = World(tmp_path, api, node, stack.enter_context(daemon(node, runtime)), gateway)
        api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        bashible = Bashible(
            config.new_client_from_config(str(api.kubeconfig)),
            lambda: [node],
            restart=made.restart,
            interval=0.2,
            say=made.said.append,
        )
        bashible.start()
        try:
            made.eventually(lambda: node.exists("/var/lib/bashible/configuration_checksum"))
            made.restarts.clear()  # by the platform's own steps
            yield made
            assert bashible.errors() == {}
        finally:
            bashible.stop()
            api.delete_if_there("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "", "registry-route.sh")
            api.delete("v1", "Node", "", name)


def test_a_node_is_configured_reported_followed_and_left_as_it_was(world: World) -> None:
    before = ours(world.node)
    world.order("apply")
    world.eventually(lambda: world.report().get("canary", {}).get("ok") is True)
    legacy, runtime = world.containerd.runtime.legacy, world.containerd.runtime
    world.eventually(lambda: PLATFORMS.items() <= world.annotations().items())
    assert world.annotations()[VERSION_KEY] == VERSION
    assert world.report() == {
        "rewrite": runtime.rewrites,
        "configPath": not legacy,
        "clientCert": True,
        "canary": {"image": f"{HOST}/system/deckhouse@{world.image.digest}", "ok": True, "error": ""},
        "error": "",
    }
    assert world.restarts == ([world.node.name] if legacy else [])
    assert world.containerd.pull(f"{HOST}/system/deckhouse@{world.image.digest}").returncode == 0
    if not legacy:  # the timer alone, without bashible
        world.node.run(["rm", "-rf", f"/etc/containerd/registry.d/{HOST}"])
        world.eventually(lambda: world.node.exists(f"/etc/containerd/registry.d/{HOST}/hosts.toml"))
    world.order("remove")
    world.eventually(lambda: world.annotations() == PLATFORMS and not world.node.exists("/var/lib/registry-route"))
    world.eventually(lambda: len(world.restarts) == (2 if legacy else 0))
    assert ours(world.node) == before


def test_a_kubelet_certificate_that_comes_after_the_step_is_used_without_waiting_for_hours(world: World) -> None:
    pair = world.node.read(PEM)
    world.node.run(["rm", PEM])
    world.order("apply")
    world.eventually(lambda: "401" in world.report().get("canary", {}).get("error", ""))
    assert world.report()["clientCert"] is False
    restarts = len(world.restarts)
    world.node.write(PEM, pair, mode="0600")
    world.node.run(["systemctl", "start", "registry-route.service"])
    world.eventually(lambda: world.report().get("canary", {}).get("ok") is True)
    assert world.report()["clientCert"] is True
    assert len(world.restarts) - restarts == (1 if world.containerd.runtime.legacy else 0)
    world.order("remove")
    world.eventually(lambda: not world.node.exists("/var/lib/registry-route"))


def ours(node: LocalNode) -> list[str]:
    """Every file of containerd's folder, the units and our own folder."""
    places = ["/etc/containerd", "/etc/systemd/system", "/var/lib/registry-route", "/run/systemd-stand-in"]
    found = node.run(["find", *places, "-type", "f"], check=False).stdout.split()
    return sorted(path for path in found if not path.endswith(".log"))


def test_a_configuration_with_template_braces_is_an_error_of_every_node(
    api: ApiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"nodeGroups": ["*"], "bundles": ["*"], "content": "echo {{ .cri }}\n"}
    item = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "NodeGroupConfiguration", "metadata": {"name": "bad.sh"}}
    api.create({**item, "spec": spec})
    try:
        with local_node("braces", tmp_path / "node") as node:
            access: client.ApiClient = config.new_client_from_config_dict(yaml.safe_load(api.kubeconfig.read_text()))
            bashible = Bashible(access, lambda: [node], restart=lambda _: None, interval=0.05, say=lambda _: None)
            bashible.start()
            deadline = time.monotonic() + DEADLINE
            while not bashible.errors() and time.monotonic() < deadline:
                time.sleep(0.05)
            bashible.stop()
            assert "bad.sh holds template braces" in bashible.errors()["braces"]
    finally:
        api.delete("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "", "bad.sh")
