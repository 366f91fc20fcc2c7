"""The Deckhouse stand-in on a real API server. There are no controllers and no kubelets here: the tests play them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes import config
from kubernetes.client import ApiClient

from tests.operator.api_server import api_server
from tests.platform.deckhouse import manifests
from tests.platform.deckhouse.api import Api, Object
from tests.platform.deckhouse.deckhouse import Deckhouse
from tests.platform.deckhouse.registry_data import RegistryData

pytestmark = pytest.mark.timeout(60)  # kube-apiserver and etcd start

REAL = RegistryData.of_login(address="registry-a.test", path="deckhouse/ee", ca="PEM", user="u", password="p")
VIRTUAL = RegistryData.of_login(
    address="registry.d8-system.svc:5001", path="system/deckhouse", ca="OTHER", user="u", password="p"
)
IMAGES = {"app": {"app": "sha256:" + "a" * 64}, "common": {"pause": "sha256:" + "b" * 64}}
RELEASE = "v1.70.1"


@dataclass
class Stand:
    """Deckhouse, and hands on its cluster."""

    deckhouse: Deckhouse
    api: Api
    published: list[dict[str, Any]]

    def deployment(self) -> Object:
        return self.api.get("apps/v1", "Deployment", manifests.NAMESPACE, "deckhouse") or {}

    def deployed(self) -> tuple[str, str]:
        """Image and registry hash of Deployment deckhouse; empty when there is none."""
        template = self.deployment().get("spec", {}).get("template", {})
        if not template:
            return "", ""
        return template["spec"]["containers"][0]["image"], template["metadata"]["annotations"][manifests.HASH]

    def module_image(self) -> str:
        found = self.api.get("apps/v1", "DaemonSet", manifests.MODULE_NAMESPACE, manifests.MODULE)
        return str(found["spec"]["template"]["spec"]["containers"][0]["image"]) if found else ""

    def restart_pod(self, *, ready: bool) -> None:
        """What the Deployment's controller and a kubelet do: the old pod goes, a new one comes (up)."""
        self.api.delete("v1", "Pod", manifests.NAMESPACE, "deckhouse-0")
        template = self.deployment()["spec"]["template"]
        metadata = {**template["metadata"], "name": "deckhouse-0", "namespace": manifests.NAMESPACE}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        self.api.create({**pod, "spec": template["spec"]})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        self.api.merge({**pod, "status": {"conditions": [condition]}}, subresource="/status")

    def switch(self, registry: RegistryData) -> None:
        """What our module does: a merge patch of five keys."""
        data = registry.secret_data()
        five = {key: data[key] for key in ("address", "path", "scheme", "ca", ".dockerconfigjson")}
        name = {"name": manifests.SECRET, "namespace": manifests.NAMESPACE}
        self.api.merge({"apiVersion": "v1", "kind": "Secret", "metadata": name, "data": five})


def eventually(condition: Callable[[], bool], *, within: float = 10) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiClient]:
    with api_server(tmp_path_factory.mktemp("api")) as server:
        yield config.new_client_from_config(str(server.kubeconfig))


@pytest.fixture
def stand(client: ApiClient) -> Iterator[Stand]:
    published: list[dict[str, Any]] = []
    deckhouse = Deckhouse(client, REAL, images=IMAGES, release=RELEASE, publish=published.append)
    result = Stand(deckhouse, Api(client), published)
    deckhouse.start()
    yield result
    deckhouse.stop()
    for kind, namespace, name in (
        ("Deployment", manifests.NAMESPACE, "deckhouse"),
        ("DaemonSet", manifests.MODULE_NAMESPACE, manifests.MODULE),
    ):
        result.api.delete("apps/v1", kind, namespace, name)
    result.api.delete("v1", "Pod", manifests.NAMESPACE, "deckhouse-0")
    for namespace in (manifests.NAMESPACE, *manifests.COPIES):
        result.api.delete("v1", "Secret", namespace, manifests.SECRET)


@pytest.fixture
def running(stand: Stand) -> Stand:
    """Deckhouse up with the real registry."""
    assert eventually(lambda: stand.deployed() != ("", ""))
    stand.restart_pod(ready=True)
    stand.deckhouse.wait_settled(10)
    return stand


def test_secret_is_what_the_platform_s_installer_writes(stand: Stand) -> None:
    secret = stand.api.get("v1", "Secret", manifests.NAMESPACE, manifests.SECRET)
    assert secret is not None
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert secret["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    plain = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
    assert plain == {
        ".dockerconfigjson": '{"auths": {"registry-a.test": {"username": "u", "password": "p", "auth": "dTpw"}}}',
        "address": "registry-a.test",
        "path": "/deckhouse/ee",
        "scheme": "https",
        "ca": "PEM",
        "clusterIsBootstrapped": "true",
        "imagesRegistry": "registry-a.test/deckhouse/ee",
    }


def test_nothing_is_published_before_a_leader_is_ready(stand: Stand) -> None:
    assert eventually(lambda: stand.deployed() == (f"{REAL.base}:{RELEASE}", REAL.hash))
    stand.restart_pod(ready=False)
    assert eventually(lambda: stand.deckhouse.problem == "the leader pod is not Ready")
    assert (stand.published, stand.module_image()) == ([], "")


def test_ready_leader_publishes_its_registry_and_renders_the_modules(running: Stand) -> None:
    assert running.published[-1]["modulesImages"] == {
        "registry": {
            "base": "registry-a.test/deckhouse/ee",
            "dockercfg": REAL.secret_data()[".dockerconfigjson"],
            "scheme": "https",
            "CA": "PEM",
            "address": "registry-a.test",
            "path": "/deckhouse/ee",
            "hash": REAL.hash,
        },
        "digests": IMAGES,
    }
    assert running.module_image() == f"{REAL.base}@{IMAGES['app']['app']}"


def test_pull_secrets_are_copied_to_other_namespaces(running: Stand) -> None:
    copies = [running.api.get("v1", "Secret", namespace, manifests.SECRET) for namespace in manifests.COPIES]
    expected = {".dockerconfigjson": REAL.secret_data()[".dockerconfigjson"]}
    assert [copy and copy["data"] for copy in copies] == [expected, expected]


def test_changed_secret_restarts_deckhouse_first_and_modules_follow_the_new_leader(running: Stand) -> None:
    running.switch(VIRTUAL)
    assert eventually(lambda: running.deployed() == (f"{VIRTUAL.base}:{RELEASE}", VIRTUAL.hash))
    assert (running.module_image().startswith(REAL.base), len(running.published)) == (True, 1)
    running.restart_pod(ready=True)
    running.deckhouse.wait_settled(10)
    registry = running.published[-1]["modulesImages"]["registry"]
    assert (registry["base"], registry["hash"]) == (VIRTUAL.base, VIRTUAL.hash)
    assert running.module_image().startswith(VIRTUAL.base)


def test_new_pod_that_cannot_come_up_stops_everything_there(running: Stand) -> None:
    running.switch(VIRTUAL)
    assert eventually(lambda: running.deployed()[1] == VIRTUAL.hash)
    running.restart_pod(ready=False)
    assert eventually(lambda: running.deckhouse.problem == "the leader pod is not Ready")
    assert (len(running.published), running.deckhouse.settled()) == (1, False)


def test_way_back_is_settled_only_with_a_ready_leader(running: Stand) -> None:
    running.switch(VIRTUAL)
    assert eventually(lambda: running.deployed()[1] == VIRTUAL.hash)
    running.restart_pod(ready=False)
    running.switch(REAL)
    assert eventually(lambda: running.deployed()[1] == REAL.hash)
    running.restart_pod(ready=False)
    assert not running.deckhouse.settled()
    running.restart_pod(ready=True)
    running.deckhouse.wait_settled(10)


def test_derived_key_follows_the_switch(running: Stand) -> None:
    running.switch(VIRTUAL)
    assert eventually(lambda: running.deployed()[1] == VIRTUAL.hash)
    running.restart_pod(ready=True)
    running.deckhouse.wait_settled(10)
    secret = running.api.get("v1", "Secret", manifests.NAMESPACE, manifests.SECRET) or {}
    assert base64.b64decode(secret["data"]["imagesRegistry"]).decode() == VIRTUAL.base


def test_unusable_secret_is_a_problem_and_changes_nothing(running: Stand) -> None:
    name = {"name": manifests.SECRET, "namespace": manifests.NAMESPACE}
    running.api.merge({"apiVersion": "v1", "kind": "Secret", "metadata": name, "data": {"address": None}})
    assert eventually(lambda: running.deckhouse.problem == "Secret deckhouse-registry has no address")
    assert running.deployed()[1] == REAL.hash


def test_upgrade_restarts_from_another_tag_and_keeps_the_hash(running: Stand) -> None:
    running.deckhouse.set_release("v1.70.2")
    assert eventually(lambda: running.deployed() == (f"{REAL.base}:v1.70.2", REAL.hash))


def test_changed_credentials_alone_change_the_hash() -> None:
    other = RegistryData.of_login(address=REAL.address, path=REAL.path, ca=REAL.ca, user="u", password="q")
    assert other.hash != REAL.hash
