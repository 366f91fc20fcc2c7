"""`rollback` on a real API server: what it says, what it writes, and what it needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lib.registry_module import names, platform_secret
from lib.registry_module.encoding import encode
from lib.registry_module.platform_secret import managed
from lib.registry_module.state import State
from tests.operator.api_server import ApiServer
from tests.operator.waiting import wait_for
from tests.plan.command import registry_plan
from tests.unit.world import BUNDLE, OLD, direct
from tools.plan import rollback
from tools.plan.errors import PlanError
from tools.plan.kubectl import Kubectl

OURS = {"registry.deckhouse.io/owner": "registry-module"}
OTHER = "other.example.com/tool:1"
SECRET = ("v1", "Secret", "d8-system", "deckhouse-registry")
SECRET_NAME = {"name": "deckhouse-registry", "namespace": "d8-system"}


def state_secret(text: str, **labels: str) -> dict[str, Any]:
    metadata = {"name": "registry-state", "namespace": "d8-system", "labels": labels or OURS}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"state": encode(text)}}


def switched() -> State:
    """The memory of a switch to Direct that is done."""
    return direct().state


@pytest.fixture
def down(api: ApiServer) -> Iterator[ApiServer]:
    """A cluster in Direct whose Deckhouse does not start: nothing but the API server acts."""
    before = api.get(*SECRET)
    deployment = api.get("apps/v1", "Deployment", "d8-system", "deckhouse")
    assert before is not None
    assert deployment is not None
    virtual = platform_secret.patch(managed("user", "password-1", BUNDLE))
    api.merge({"apiVersion": "v1", "kind": "Secret", "metadata": SECRET_NAME, **virtual})
    containers = [{"name": "deckhouse", "image": names.VIRTUAL_BASE + ":v1.71.3"}, {"name": "tool", "image": OTHER}]
    set_containers(api, containers)
    yield api
    api.delete_if_there("v1", "Secret", "d8-system", "registry-state")
    api.delete_if_there("deckhouse.io/v1alpha1", "ModuleConfig", "", "registry")
    api.merge({"apiVersion": "v1", "kind": "Secret", "metadata": SECRET_NAME, "data": before["data"]})
    set_containers(api, deployment["spec"]["template"]["spec"]["containers"])


def set_containers(api: ApiServer, containers: list[dict[str, Any]]) -> None:
    metadata = {"name": "deckhouse", "namespace": "d8-system"}
    spec = {"template": {"spec": {"containers": containers}}}
    api.merge({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


def config(mode: str) -> dict[str, Any]:
    spec = {"version": 1, "enabled": True, "settings": {"mode": mode}}
    kind = {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "registry"}}
    return {**kind, "spec": spec}


def images(api: ApiServer) -> list[str]:
    deployment = api.get("apps/v1", "Deployment", "d8-system", "deckhouse")
    assert deployment is not None
    return [container["image"] for container in deployment["spec"]["template"]["spec"]["containers"]]


def data(api: ApiServer) -> dict[str, str]:
    secret = api.get(*SECRET)
    assert secret is not None
    return dict(secret["data"])


def test_without_yes_it_says_what_it_would_write_and_writes_nothing(down: ApiServer) -> None:
    down.create(state_secret(json.dumps(switched().to_dict())))
    down.create(config("Direct"))
    before = data(down), images(down)
    shown = registry_plan("rollback", "--kubeconfig", down.kubeconfig)
    assert (data(down), images(down)) == before
    assert f"{names.VIRTUAL_BASE} -> {OLD.base}" in shown
    assert f"deckhouse: {OLD.base}:v1.71.3" in shown
    assert "mode Direct: Deckhouse would switch again" in shown
    assert OLD.dockerconfig not in shown
    assert encode(OLD.dockerconfig) not in shown


def test_with_yes_secret_and_deployment_are_those_of_the_first_registry(down: ApiServer) -> None:
    down.create(state_secret(json.dumps(switched().to_dict())))
    before = data(down)
    said = json.loads(registry_plan("rollback", "--yes", "--json", "--kubeconfig", down.kubeconfig))
    assert said["written"] is True
    assert data(down) == {**before, **platform_secret.patch(OLD)["data"]}
    assert sorted(images(down)) == sorted([OLD.base + ":v1.71.3", OTHER])

    again = rollback.prepare(Kubectl(down.kubeconfig))  # and a second time there is nothing left to do
    assert again.images == {}
    assert again.after.same_as(again.before)


def test_without_a_state_the_way_back_is_not_known(down: ApiServer) -> None:
    with pytest.raises(PlanError, match="registry-state does not exist: the way back is not known"):
        rollback.prepare(Kubectl(down.kubeconfig))


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (state_secret("{"), "its key state is damaged"),
        (state_secret(json.dumps(replace(State(salt="00"), gateway=True).to_dict())), "does not name the registry"),
        (state_secret("{}", other="label"), "belongs to the platform's own registry module"),
    ],
)
def test_state_that_does_not_help_is_a_clear_error(down: ApiServer, secret: dict[str, Any], words: str) -> None:
    down.create(secret)
    with pytest.raises(PlanError, match=words):
        rollback.prepare(Kubectl(down.kubeconfig))


def test_account_that_may_not_read_is_a_clear_error(stranger: Path) -> None:
    said = registry_plan("rollback", "--yes", "--kubeconfig", stranger, code=2)
    assert said == "registry-plan: reading Secret is not permitted: use an account that may get and list it\n"


def test_account_that_may_only_read_is_told_what_it_may_not_change(down: ApiServer, stranger: Path) -> None:
    down.create(state_secret(json.dumps(switched().to_dict())))
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]}]
    role, rbac = {"name": "reader"}, "rbac.authorization.k8s.io"
    down.create({"apiVersion": f"{rbac}/v1", "kind": "ClusterRole", "metadata": role, "rules": rules})
    binding = {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": role}
    subjects = [{"apiGroup": rbac, "kind": "User", "name": "stranger"}]
    reference = {"apiGroup": rbac, "kind": "ClusterRole", "name": "reader"}
    down.create({**binding, "subjects": subjects, "roleRef": reference})
    before = data(down)
    try:
        wait_for(lambda: may_read(stranger), what="the right to read")
        said = registry_plan("rollback", "--yes", "--kubeconfig", stranger, code=2)
    finally:
        down.delete(f"{rbac}/v1", "ClusterRoleBinding", "", "reader")
        down.delete(f"{rbac}/v1", "ClusterRole", "", "reader")
    changing = "changing secret d8-system/deckhouse-registry"
    assert said == f"registry-plan: {changing} is not permitted: use an account that may patch it\n"
    assert data(down) == before


def may_read(kubeconfig: Path) -> bool:
    """The API server's authorizer learns of new rights a moment later."""
    try:
        rollback.prepare(Kubectl(kubeconfig))
    except PlanError:
        return False
    return True
