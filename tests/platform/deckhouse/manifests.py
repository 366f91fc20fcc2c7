"""What Deckhouse renders from the registry it has: its own Deployment, pull secrets, and another module's workload."""

from __future__ import annotations

from tests.platform.deckhouse.api import Object
from tests.platform.deckhouse.registry_data import DOCKER_CONFIG, RegistryData
from tests.platform.images.content import READY_FILE

NAMESPACE, SECRET = "d8-system", "deckhouse-registry"
MODULE_NAMESPACE, MODULE = "d8-app", "app"
COPIES = (MODULE_NAMESPACE, "kube-system")
HASH = "checksum/registry-version"
LEADER = "app=deckhouse,leader=true"
_LABELS = {"heritage": "deckhouse"}
# Every node, whatever is wrong with it, as the platform's own workloads tolerate.
_ANYWHERE = [{"operator": "Exists"}]


def namespace(name: str) -> Object:
    """A namespace of the platform."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": _LABELS}}


def registry_secret(registry: RegistryData) -> Object:
    """Secret deckhouse-registry as the installer leaves it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": SECRET,
            "namespace": NAMESPACE,
            "labels": {**_LABELS, "module": "deckhouse"},
            "annotations": {"helm.sh/resource-policy": "keep", "checksum": registry.hash},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "data": registry.secret_data(),
    }


def derived_keys(registry: RegistryData) -> Object:
    """The part of the Secret that the platform derives from the rest of it, to be merged."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": NAMESPACE, "annotations": {"checksum": registry.hash}},
        "data": {"imagesRegistry": registry.secret_data()["imagesRegistry"]},
    }


def pull_secret(registry: RegistryData, where: str) -> Object:
    """The copy for pods of another namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "namespace": where, "labels": {**_LABELS, "app": "registry"}},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {DOCKER_CONFIG: registry.secret_data()[DOCKER_CONFIG]},
    }


def deckhouse_deployment(registry: RegistryData, *, release: str) -> Object:
    """Deckhouse itself; its pod leads as soon as it exists and is Ready once its program has come up."""
    image = f"{registry.base}:{release}"
    pod = {
        "hostNetwork": True,
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": _ANYWHERE,
        "imagePullSecrets": [{"name": SECRET}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "initContainers": [_container("init-downloaded-modules", image, command=["/bin/true"])],
        "containers": [_container("deckhouse", image, ready=True)],
    }
    labels = {"app": "deckhouse", "leader": "true"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "deckhouse", "namespace": NAMESPACE, "labels": {**_LABELS, "module": "deckhouse"}},
        "spec": {
            "replicas": 1,
            "revisionHistoryLimit": 2,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": "deckhouse"}},
            "template": {"metadata": {"labels": labels, "annotations": {HASH: registry.hash}}, "spec": pod},
        },
    }


def module_daemonset(registry: RegistryData, *, digest: str) -> Object:
    """A module's pod on every node; each restart pulls, so that it shows whether the node can."""
    labels = {"app": MODULE}
    pod = {
        "tolerations": _ANYWHERE,
        "imagePullSecrets": [{"name": SECRET}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "containers": [_container(MODULE, f"{registry.base}@{digest}", ready=True)],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": MODULE, "namespace": MODULE_NAMESPACE, "labels": {**_LABELS, "module": MODULE}},
        "spec": {
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": labels},
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _container(name: str, image: str, *, command: list[str] | None = None, ready: bool = False) -> Object:
    container: Object = {
        "name": name,
        "image": image,
        "imagePullPolicy": "Always",
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}},
    }
    if command:
        container["command"] = command
    if ready:
        probe = {"exec": {"command": ["/bin/test", "-f", READY_FILE]}, "periodSeconds": 1, "timeoutSeconds": 5}
        container["readinessProbe"] = probe
    return container
