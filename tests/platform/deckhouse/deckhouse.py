"""Deckhouse, as far as a change of the registry concerns it (platform-contracts §3).

    deckhouse = Deckhouse(client, registry, images={"app": {"app": "sha256:…"}}, release="v1.70.1", publish=set_global)
    deckhouse.start()
    deckhouse.wait_settled(60)

A thread does what Deckhouse does, in its order: Secret deckhouse-registry changed → Deployment `deckhouse` is rendered
with the new base and hash and starts anew → the pod that leads then, once Ready, publishes `global.modulesImages` and
re-renders the other modules. If the new pod cannot be pulled, all of it stops there, as in a real cluster.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from kubernetes.client import ApiClient
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from tests.platform.deckhouse import manifests
from tests.platform.deckhouse.api import Api, Object
from tests.platform.deckhouse.registry_data import RegistryData

INTERVAL = 0.25  # seconds between two looks at the cluster
Digests = Mapping[str, Mapping[str, str]]
Publish = Callable[[dict[str, Any]], None]
_GLOBALS: dict[str, Any] = {
    "clusterConfiguration": {"clusterType": "Static", "defaultCRI": "Containerd", "clusterDomain": "cluster.local"},
    "discovery": {"clusterDomain": "cluster.local", "kubernetesVersion": "1.33"},
    "enabledModules": ["deckhouse", "registry", manifests.MODULE],
}


class Deckhouse:
    """The stand-in. `publish` gets the whole section `global` each time it changes (the operator's `set_global`)."""

    def __init__(
        self,
        client: ApiClient,
        registry: RegistryData,
        *,
        images: Digests,
        release: str,
        publish: Publish,
        global_values: Mapping[str, Any] | None = None,
    ) -> None:
        """`images`: digests by module and image; those of module `app` run. `global_values` are added to `global`.

        The Secret is made from `registry` unless the cluster has one.
        """
        self._api, self._initial, self._publish = Api(client), registry, publish
        self._images: Digests = images
        self._release = release
        self._globals = {**_GLOBALS, **(global_values or {})}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deckhouse", daemon=True)
        self._applied: dict[str, Object] = {}
        self._published: dict[str, Any] | None = None
        self._leads_with = ""  # hash of the registry that a Ready leader runs with now; empty without one
        self.problem = ""
        """Why the last look at the cluster failed; empty when it did not."""

    def start(self) -> None:
        """Make namespaces and the Secret; then act in the background. Raises ApiException when the API refuses."""
        for name in (manifests.NAMESPACE, *manifests.COPIES):
            self._api.create(manifests.namespace(name))
        self._api.create(manifests.registry_secret(self._initial))
        self._thread.start()

    def stop(self) -> None:
        """Stop acting; the objects stay."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def set_release(self, release: str) -> None:
        """Upgrade Deckhouse: it restarts from another tag."""
        with self._lock:
            self._release = release

    def set_images(self, images: Digests) -> None:
        """Change the digests, as another release of a module does."""
        with self._lock:
            self._images = images

    @property
    def published(self) -> dict[str, Any]:
        """The section `global` as published last; empty before the first leader was Ready."""
        with self._lock:
            return copy.deepcopy(self._published or {})

    def registry(self) -> RegistryData:
        """What the Secret says now. Raises ValueError when Deckhouse could not use it."""
        secret = self._api.get("v1", "Secret", manifests.NAMESPACE, manifests.SECRET)
        return RegistryData.of_secret(secret or {})

    def settled(self) -> bool:
        """Whether a Ready leader runs with what the Secret says, and has published it."""
        return self._leads_with == self.registry().hash

    def wait_settled(self, timeout: float) -> None:
        """Wait until `settled`. Raises TimeoutError with the reason that is known."""
        deadline = time.monotonic() + timeout
        while not self.settled():
            if time.monotonic() > deadline:
                raise TimeoutError(f"Deckhouse did not come up with its registry in {timeout:g} s; {self.problem}")
            self._ended.wait(INTERVAL)

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            try:
                self.problem = self._look()
            except (ApiException, HTTPError, ValueError) as error:
                self.problem = str(error)  # the same as Deckhouse's queue: try again until it works

    def _look(self) -> str:
        registry = self.registry()
        with self._lock:
            release, images = self._release, self._images
        self._apply(manifests.deckhouse_deployment(registry, release=release))
        if not self._leader_ready(registry, release):
            self._leads_with = ""
            return "the leader pod is not Ready"
        for namespace in manifests.COPIES:
            self._apply(manifests.pull_secret(registry, namespace))
        if digest := images.get(manifests.MODULE, {}).get(manifests.MODULE):
            self._apply(manifests.module_daemonset(registry, digest=digest))
        self._publish_globals(registry, images)
        self._leads_with = registry.hash
        return ""

    def _apply(self, obj: Object) -> None:
        name = f"{obj['kind']}/{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
        if self._applied.get(name) != obj:
            self._api.apply(obj)
            self._applied[name] = obj

    def _leader_ready(self, registry: RegistryData, release: str) -> bool:
        pods = self._api.list("v1", "Pod", manifests.NAMESPACE, selector=manifests.LEADER)
        return any(
            not pod["metadata"].get("deletionTimestamp")
            and pod["metadata"].get("annotations", {}).get(manifests.HASH) == registry.hash
            and pod["spec"]["containers"][0]["image"] == f"{registry.base}:{release}"
            and any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))
            for pod in pods
        )

    def _publish_globals(self, registry: RegistryData, images: Digests) -> None:
        digests = {module: dict(names) for module, names in images.items()}
        values = {**self._globals, "modulesImages": {"registry": registry.global_values(), "digests": digests}}
        if values == self._published:
            return
        self._api.merge(manifests.derived_keys(registry))
        self._publish(copy.deepcopy(values))
        with self._lock:
            self._published = values
