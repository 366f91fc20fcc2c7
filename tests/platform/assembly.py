"""The whole platform on this machine: Kubernetes, upstreams, bashible, Deckhouse, and the operator with the module.

with Platform(folder) as platform:
    platform.apply(settings.direct(platform.upstream_a))
    platform.wait_ready("Direct")
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from kubernetes.client import CustomObjectsApi
from kubernetes.client.exceptions import ApiException

from lib.registry_module.settings import parse
from tests.platform import bundle
from tests.platform.bashible import Bashible
from tests.platform.cluster import Cluster, Node, NodeSpec
from tests.platform.cluster.plan import DEFAULT_NODES, HOST
from tests.platform.deckhouse.deckhouse import Deckhouse
from tests.platform.deckhouse.registry_data import RegistryData
from tests.platform.images.catalogue import RELEASES, Image, catalogue
from tests.platform.operator import Operator
from tests.platform.prepared import prepare
from tests.platform.pulls import PullLoop, Wanted
from tests.platform.upstream.upstream import Upstream
from tools.oci import gateway_image

VIRTUAL = "registry.d8-system.svc:5001/system/deckhouse"
MODULES_PATH = "modules"
Say = Callable[[str], None]


class Platform:
    """Everything started together, ended together. After `start`: `cluster`, `upstream_a` (Basic; the cluster was
    installed from it), `upstream_b` (Bearer), `deckhouse`, `bashible`, `operator`.
    """

    deckhouse: Deckhouse
    bashible: Bashible[Node]
    operator: Operator

    def __init__(self, folder: Path, *, nodes: Sequence[NodeSpec] = DEFAULT_NODES, say: Say = print) -> None:
        self.folder, self.say = folder, say
        self.cluster = Cluster(folder / "cluster", nodes=nodes, say=say)
        self.upstream_a, self.upstream_b = self._upstream("a", "basic"), self._upstream("b", "bearer")
        self.log = folder / "operator.log"
        self.on_hook: Callable[[], None] = lambda: None
        self.images = catalogue()
        self._globals: dict[str, Any] = {}
        self._asked: dict[str, Any] = {}
        self._digests: dict[str, dict[str, str]] = {}

    def _upstream(self, name: str, kind: Any) -> Upstream:
        address = {"a": "198.51.100.241", "b": "198.51.100.242"}[name]
        folder = self.folder / f"upstream-{name}"
        return Upstream(name, folder, kind=kind, host=f"registry-{name}.test", address=address, bridge="rgbr0")

    def start(self) -> Self:
        """Bring all of it up; the module is installed and Unmanaged. Raises with what failed, leaving nothing."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.cluster.start()
        gateway = self._start_upstreams()
        for node in self.cluster.nodes.values():
            self.prepare(node)
        self.bashible = Bashible(
            self.cluster.api,
            lambda: list(self.cluster.nodes.values()),
            restart=lambda node: node.restart_containerd(),
            interval=0.5,
            say=self.say,
        )
        self.bashible.start()
        self._digests = {
            "app": {"app": self.images["app"].digest},
            "common": {"pause": self.images["pause"].digest},
            "registry": {"gateway": gateway.digest},
        }
        self.start_deckhouse()
        self.deckhouse.wait_settled(90)
        self.say("Deckhouse runs, installed from " + self.upstream_a.base)
        bundle.make(self.folder / "module")
        self.start_operator()

    def _start_upstreams(self) -> Image:
        """Both registries with all images; the image of the module stands where its ModuleSource would be."""
        for upstream, address in ((self.upstream_a, "198.51.100.241"), (self.upstream_b, "198.51.100.242")):
            self.cluster.name_servers.set_name(upstream.host.partition(":")[0], address)
            upstream.start()
            upstream.push(self.images)
        layout, digest = gateway_image.build()
        image = Image("gateway", "registry", "gateway", digest)
        self.upstream_a.push_at(layout, [image], path=MODULES_PATH)
        return image

    @property
    def installed_from(self) -> RegistryData:
        """The registry of the installation."""
        up = self.upstream_a
        return RegistryData.of_login(address=up.host, path=up.path, ca=up.ca, user=up.user, password=up.password)

    def prepare(self, node: Node) -> None:
        """As the platform's steps 030 and 032 do: the node knows the authority of the registry of the installation."""
        prepare(self.cluster, node, self.installed_from)

    def add_node(self, spec: NodeSpec) -> Node:
        """A node joins, with what the platform puts on it."""
        node = self.cluster.add_node(spec)
        self.prepare(node)
        return node

    def _publish(self, values: dict[str, Any]) -> None:
        self._globals = values
        if hasattr(self, "operator"):
            self.operator.set_global(values)

    def start_deckhouse(self) -> None:
        """A new Deckhouse, of the first release; when there was one, a restart."""
        self.deckhouse = Deckhouse(
            self.cluster.api, self.installed_from, images=self._digests, release=RELEASES[0], publish=self._publish
        )
        self.deckhouse.start()

    def start_operator(self) -> None:
        """A new operator; when there was one, a restart."""
        first = self.installed_from
        docker = base64.b64encode(first.docker_config.encode()).decode()
        source = {"base": f"{first.address}/{MODULES_PATH}", "dockercfg": docker, "scheme": "https", "ca": first.ca}
        self.operator = Operator(
            kubeconfig=self.cluster.kubeconfig,
            module_dir=self.folder / "module",
            injected=source,
            webhook_address=HOST,
            time_scale=0.2,
            log_path=self.log,
            on_hook_finished=lambda *_: self.on_hook(),
        )
        self.operator.set_global(self._globals)
        self.operator.start()

    def stop(self) -> None:
        """End everything; the logs stay."""
        for part in ("operator", "deckhouse", "bashible"):
            if hasattr(self, part):
                getattr(self, part).stop()
        self.cluster.stop()
        for upstream in (self.upstream_a, self.upstream_b):
            upstream.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    # what an administrator does

    def apply(self, settings: dict[str, Any], *, wait: bool = True) -> None:
        """`kubectl apply` of the ModuleConfig; with `wait` returns when the module has run with it once.

        Raises ClusterError with the words of a refusal.
        """
        spec = {"version": 1, "enabled": True, "settings": settings}
        config = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "registry"}}
        self.cluster.kubectl("apply", "-f", "-", input=yaml.safe_dump({**config, "spec": spec}))
        self._asked = settings
        if wait:
            self.operator.wait_carried_out(90)

    def status(self) -> dict[str, Any]:
        """Status of Registry/main; {} while there is none."""
        # Not by kubectl, which costs more than the module's own hooks when it is asked several times a second.
        place = ("registry.deckhouse.io", "v1alpha1", "registries", "main")
        try:
            found = CustomObjectsApi(self.cluster.api).get_cluster_custom_object(*place)
        except ApiException as error:
            if error.status != 404:  # before the module's first run there is not even the resource
                raise
            return {}
        return dict(found.get("status") or {})

    def condition(self, name: str) -> dict[str, Any]:
        """One condition of Registry/main; {} while there is none."""
        return next((c for c in self.status().get("conditions", []) if c["type"] == name), {})

    def wait_status(self, test: Callable[[dict[str, Any]], bool], what: str, timeout: float = 180) -> dict[str, Any]:
        """Wait until the status is as wanted. Raises TimeoutError with the status and what everybody complains of."""
        deadline = time.monotonic() + timeout
        while not test(status := self.status()):
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"{what} not within {timeout:g} s: {json.dumps(status, indent=1)}\n{self.complaints()}"
                )
            time.sleep(0.25)
        return status

    def stage_now(self) -> str:
        """Where the switch to what was applied last stands, from the operator's memory: stages may pass faster than
        kubectl answers. "" until the module has taken these settings up.
        """
        internal = self.operator.values()["registry"]["internal"]
        asked = parse(self._asked).settings
        if asked is None or (internal.get("state") or {}).get("settings") != asked.to_dict():
            return ""
        return str((internal.get("status") or {}).get("stage", ""))

    def wait_facts(self, test: Callable[[dict[str, Any]], bool], what: str, timeout: float = 60) -> None:
        """Wait until the module has discovered something. Raises TimeoutError with what it knows instead."""
        deadline = time.monotonic() + timeout
        while not test(facts := self.operator.values()["registry"]["internal"]["facts"]):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} not within {timeout:g} s: {json.dumps(facts['nodes'], indent=1)}")
            time.sleep(0.1)

    def wait_ready(self, mode: str, timeout: float = 180) -> dict[str, Any]:
        """Wait until the switch to what was applied last, of this mode, is done."""

        def done(status: dict[str, Any]) -> bool:
            conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
            ready = status.get("stage") == "Ready" and conditions.get("Ready") == "True"
            return ready and status.get("mode") == mode and self.stage_now() == "Ready"

        return self.wait_status(done, f"mode {mode} Ready", timeout)

    def complaints(self) -> str:
        """Errors of the platform's parts, for a failure message."""
        parts = {
            "operator": self.operator.queue_errors(),
            "bashible": self.bashible.errors(),
            "deckhouse": self.deckhouse.problem,
        }
        pods = self.cluster.kubectl("get", "pods", "-A", "-o", "wide")
        return "\n".join(f"{name}: {problem}" for name, problem in parts.items() if problem) + f"\n{pods}"

    def wanted_images(self) -> list[Wanted]:
        """What pods ask for now: by the address of the installation by tag, and by the one that the platform renders by
        digest, as it renders images of modules; a copy inside the cluster need not have more names than those.
        """
        now, first, image = self.deckhouse.registry(), self.installed_from, self.images["pause"]
        references = {image.reference(first.base): first.docker_config}
        if now != first:
            references[image.reference(now.base, by_digest=True)] = now.docker_config
        return [Wanted.by_secret(reference, config) for reference, config in references.items()]

    def wanted(self, image: Image, *, by_digest: bool = False) -> Wanted:
        """An image at the virtual address, with the login that pods have now."""
        return Wanted.by_secret(image.reference(VIRTUAL, by_digest=by_digest), self.deckhouse.registry().docker_config)

    def pulling(self, *images: Wanted) -> PullLoop:
        """Pulls on every node for as long as the context lasts: of `images`, else of `wanted_images`."""
        nodes = list(self.cluster.nodes.values())
        return PullLoop(nodes, (lambda: list(images)) if images else self.wanted_images)
