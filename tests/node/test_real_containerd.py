"""The script against real containerds: who is asked, in which order, with which certificate, and who never is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.node.local_node import LocalNode, local_node
from tests.node.registry import TAG, Registry, registry
from tests.node.runtimes import RUNTIMES, Daemon, Runtime, daemon
from tests.node.sandbox import HOST, SCRIPT, VERSION
from tests.platform.bashible import containerd_config
from tests.support.certs import issue_node, make_ca
from tests.support.images import Image, build_image

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

NODES_CA, GATEWAY_CA, UPSTREAM_CA = make_ca("nodes"), make_ca("gateways"), make_ca("upstream")
# What the virtual name resolves to on the node; nobody may ever come there. Another one in each worker of the tests.
TRAP = f"127.0.0.{99 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0').removeprefix('gw'))}"
CLIENT = "system:node:worker-1"


@dataclass
class Scene:
    """A node with containerd, two gateways and an upstream."""

    node: LocalNode
    daemon: Daemon
    image: Image
    gateways: list[Registry]
    upstream: Registry
    trapped: list[object]

    @property
    def canary(self) -> str:
        return f"{HOST}/system/deckhouse@{self.image.digest}"

    def apply(
        self, *, gateways: list[str] | None = None, direct: bool = False, tagged: bool = False, expect: int = 0
    ) -> None:
        """Write route.conf and run the script as the step does, up to a restart if it asks for one."""
        upstream = [f"upstream https {self.upstream.address} team/product ca/upstream-1.crt"] if direct else []
        conf = [f"version {VERSION}", "action apply", f"host {HOST}", "alias system/deckhouse"]
        canary = f"{HOST}/system/deckhouse:{TAG}" if tagged else self.canary
        conf += [f"canary control-plane {canary}", f"canary worker {canary}", *upstream]
        conf += [f"gateway {address}" for address in gateways or [gateway.address for gateway in self.gateways]]
        self.node.write("/var/lib/registry-route/route.conf", "".join(f"{line}\n" for line in conf))
        self.script("apply", expect=expect)

    def script(self, command: str, *, expect: int = 0) -> str:
        done = self.node.run(["bash", str(SCRIPT), command], check=False, timeout=120)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    def canary_state(self) -> list[str]:
        return self.node.read("/var/lib/registry-route/state/canary").splitlines()

    def pull_afresh(self) -> subprocess.CompletedProcess[str]:
        for server in (*self.gateways, self.upstream):
            server.seen()
        self.daemon.forget()
        return self.daemon.pull(self.canary)


@contextmanager
def trap() -> Iterator[list[object]]:
    """Listens where the virtual name leads; the list has every caller."""
    callers: list[object] = []
    with socket.create_server((TRAP, 5001)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, caller = listener.accept()
                except OSError:
                    return
                callers.append(caller)
                connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield callers
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def scene(folder: Path, runtime: Runtime) -> Iterator[Scene]:
    if runtime.missing:
        pytest.skip(runtime.missing)
    image = build_image(folder / "image", layers=[{"bin/hello": b"hello", "data": b"x" * 4096}])
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(
                registry(folder / f"gw{number}", {"system/deckhouse": image}, ca=GATEWAY_CA, client_ca=NODES_CA)
            )
            for number in (1, 2)
        ]
        upstream = stack.enter_context(registry(folder / "up", {"team/product": image}, ca=UPSTREAM_CA))
        trapped = stack.enter_context(trap())
        node = stack.enter_context(local_node("worker-1", folder / "node"))
        node.write("/etc/hosts", f"127.0.0.1 localhost\n{TRAP} registry.d8-system.svc\n")
        node.write("/var/lib/registry-route/node-name", "worker-1\n")
        node.write("/var/lib/registry-route/ca/gateway.crt", GATEWAY_CA.cert)
        node.write("/var/lib/registry-route/ca/upstream-1.crt", UPSTREAM_CA.cert)
        pair = issue_node(NODES_CA, "worker-1")
        node.write("/var/lib/kubelet/pki/kubelet-client-current.pem", pair.cert + pair.key, mode="0600")
        running = stack.enter_context(daemon(node, runtime))
        yield Scene(node, running, image, gateways, upstream, trapped)


@pytest.fixture(params=[name for name, runtime in RUNTIMES.items() if not runtime.legacy])
def modern(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Each containerd that reads hosts.toml."""
    with scene(tmp_path, RUNTIMES[request.param]) as made:
        yield made


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[Scene]:
    """containerd 1.6 without config_path."""
    with scene(tmp_path, RUNTIMES["debian-1.6-legacy"]) as made:
        yield made


def test_gateways_are_asked_in_order_with_the_kubelets_certificate(modern: Scene) -> None:
    modern.apply()
    assert modern.canary_state() == [f"{VERSION} {modern.canary}", "true", ""]
    assert modern.pull_afresh().returncode == 0
    hosts = modern.node.read(f"/etc/containerd/registry.d/{HOST}/hosts.toml")
    first, second = sorted(modern.gateways, key=lambda gateway: f'[host."https://{gateway.address}"]' not in hosts)
    seen = first.seen()
    assert {request.client for request in seen} == {CLIENT}
    assert {request.ns for request in seen} == {HOST}
    assert {request.path.split("/")[-2] for request in seen} == {"manifests", "blobs"}
    assert second.seen() == []
    assert modern.trapped == []


def test_rewriting_is_found_out_rightly_and_decides_about_the_upstream(modern: Scene) -> None:
    modern.apply(direct=True)
    known = modern.node.read("/var/lib/registry-route/state/rewrite").split()[-1]
    assert known == json.dumps(modern.daemon.runtime.rewrites)
    assert modern.pull_afresh().returncode == 0
    upstream, gateways = modern.upstream.seen(), [r for gateway in modern.gateways for r in gateway.seen()]
    if modern.daemon.runtime.rewrites:
        assert {request.path.split("/manifests/")[0].split("/blobs/")[0] for request in upstream} == {
            "/v2/team/product"
        }
        assert gateways == []
    else:
        assert upstream == []
        assert gateways != []
    assert modern.trapped == []


def test_a_canary_by_tag_tells_rewriting_as_well(modern: Scene) -> None:
    modern.apply(tagged=True)
    known = modern.node.read("/var/lib/registry-route/state/rewrite").split()[-1]
    assert known == json.dumps(modern.daemon.runtime.rewrites)
    asked = [request.path for gateway in modern.gateways for request in gateway.seen()]
    assert f"/v2/system/deckhouse/manifests/{TAG}" in asked
    assert modern.canary_state()[1:] == ["true", ""]
    assert modern.trapped == []


def test_a_dead_gateway_is_passed_over_even_before_it_is_put_last(modern: Scene) -> None:
    living = modern.gateways[0].address
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        dead = f"127.0.0.1:{reserved.getsockname()[1]}"
    modern.apply(gateways=[living, dead])
    path = f"/etc/containerd/registry.d/{HOST}/hosts.toml"
    text = modern.node.read(path)
    assert f'server = "https://{dead}"' in text
    modern.node.write(path, text.replace(dead, "@").replace(living, dead).replace("@", living))
    assert modern.pull_afresh().returncode == 0
    assert modern.gateways[0].seen() != []
    modern.script("tick")
    assert modern.node.read(path) == text


def test_one_gateway_serves_alone_as_the_server(modern: Scene) -> None:
    modern.apply(gateways=[modern.gateways[0].address])
    assert modern.pull_afresh().returncode == 0
    assert {request.client for request in modern.gateways[0].seen()} == {CLIENT}
    assert modern.trapped == []


def test_when_every_gateway_refuses_the_virtual_name_is_not_asked(modern: Scene) -> None:
    for gateway in modern.gateways:
        gateway.images = {}
    modern.apply()
    assert modern.canary_state()[1] == "false"
    assert "not found" in modern.canary_state()[2]
    assert modern.pull_afresh().returncode != 0
    assert all(gateway.seen() for gateway in modern.gateways)
    assert modern.trapped == []


def test_without_crictl_ctr_proves_the_route(modern: Scene) -> None:
    modern.node.run(["rm", "/opt/deckhouse/bin/crictl"])
    modern.apply()
    assert modern.canary_state()[1:] == ["true", ""]
    names = modern.node.run(["ctr", "--namespace", "k8s.io", "images", "list", "--quiet"]).stdout.split()
    assert modern.canary in names


def test_removal_leaves_nothing_of_ours_in_containerds_folder(modern: Scene) -> None:
    modern.apply()
    modern.script("remove")
    assert modern.node.run(["find", "/etc/containerd/registry.d"]).stdout.split() == ["/etc/containerd/registry.d"]


def test_legacy_mirrors_serve_after_the_restart_with_the_kubelets_certificate(legacy: Scene) -> None:
    legacy.apply(expect=10)
    legacy.apply()
    assert not legacy.node.exists("/var/lib/registry-route/state/canary")
    merged = containerd_config.merge(
        legacy.node.read(path) for path in (containerd_config.BASE, "/etc/containerd/conf.d/registry-route.toml")
    )
    legacy.node.write(containerd_config.TARGET, merged)
    legacy.daemon.restart()
    legacy.script("tick")
    assert legacy.canary_state()[1:] == ["true", ""]
    assert legacy.pull_afresh().returncode == 0
    seen = [request for gateway in legacy.gateways for request in gateway.seen()]
    assert {request.client for request in seen} == {CLIENT}
    assert legacy.upstream.seen() == []
    assert legacy.trapped == []


def test_legacy_without_the_restart_says_so_in_the_canary(legacy: Scene) -> None:
    legacy.apply(expect=10)
    merged = containerd_config.merge(
        legacy.node.read(path) for path in (containerd_config.BASE, "/etc/containerd/conf.d/registry-route.toml")
    )
    legacy.node.write(containerd_config.TARGET, merged)
    legacy.script("tick")
    assert legacy.canary_state()[1] == "false"
    assert legacy.trapped != []
