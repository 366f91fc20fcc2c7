"""The gateway's pods with a store: a folder of the node, handed over before they start; without one nothing is new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry_gateway import cli
from tests.templates import kubernetes_schema
from tests.templates.render import render, values_of
from tests.templates.test_render import direct

STORE = {"path": "/mnt/registry", "owner": 1000, "mode": "0700"}


def daemonset(folder: Path, store: Any = None) -> dict[str, Any]:
    values = values_of(direct())
    if store is not None:
        values["registry"]["internal"]["gateway"] = {**values["registry"]["internal"]["gateway"], "store": store}
    (found,) = (item for item in render(values, folder) if item["kind"] == "DaemonSet")
    return found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return daemonset(tmp_path_factory.mktemp("values"), STORE)


@pytest.fixture(scope="module")
def pod(stored: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = stored["spec"]["template"]["spec"]
    return found


def test_pods_with_a_store_are_valid_for_kubernetes(stored: dict[str, Any]) -> None:
    assert kubernetes_schema.problems(stored) == []


def test_empty_store_is_none(tmp_path: Path) -> None:
    assert daemonset(tmp_path, {}) == daemonset(tmp_path)


def test_store_is_a_folder_of_the_node_that_gateway_and_init_container_share(pod: dict[str, Any]) -> None:
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "data")
    assert volume["hostPath"] == {"path": "/mnt/registry", "type": "DirectoryOrCreate"}
    mount = {"name": "data", "mountPath": "/data"}
    (gateway,) = pod["containers"]
    (own,) = pod["initContainers"]
    assert mount in gateway["volumeMounts"]
    assert own["volumeMounts"] == [mount]


def test_etcd_s_folder_is_seen_by_the_gateway_alone_and_never_written(pod: dict[str, Any]) -> None:
    """To compare disks; with its mode 0700 nothing in it can be read by the gateway's user."""
    (mount,) = (mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "etcd")
    assert mount == {"name": "etcd", "mountPath": "/var/lib/etcd", "readOnly": True}
    assert cli.parser().parse_args(serve_arguments(pod)).etcd_dir == Path(mount["mountPath"])


def serve_arguments(pod: dict[str, Any]) -> list[str]:
    """As the kubelet makes them."""
    return [argument.replace("$(HOST_IP)", "198.51.100.11") for argument in pod["containers"][0]["args"]]


def test_gateway_runs_as_the_owner_of_its_folder_and_never_as_root(pod: dict[str, Any]) -> None:
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (1000, True)
    assert pod["securityContext"]["fsGroup"] == 64535  # reads the Secret with the configuration
    security = pod["containers"][0]["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "runAsUser" not in security


def test_init_container_is_root_with_what_it_needs_and_no_more(pod: dict[str, Any]) -> None:
    (own,) = pod["initContainers"]
    assert own["securityContext"] == {
        "runAsNonRoot": False,
        "runAsUser": 0,
        "runAsGroup": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
    }


def test_gateway_knows_the_options_of_both_containers(pod: dict[str, Any]) -> None:
    own = cli.parser().parse_args(pod["initContainers"][0]["args"])
    assert (own.command, own.data, own.owner, own.mode) == ("own", Path("/data"), (1000, 64535), 0o700)
    serve = cli.parser().parse_args(serve_arguments(pod))
    assert (serve.command, serve.data, serve.replica) == ("serve", Path("/data"), "$(NODE_NAME)")


def test_largest_owner_is_written_as_a_number(tmp_path: Path) -> None:
    found = daemonset(tmp_path, {**STORE, "owner": 2**31 - 1})["spec"]["template"]["spec"]
    assert found["securityContext"]["runAsUser"] == 2**31 - 1
    assert "--owner=2147483647:64535" in found["initContainers"][0]["args"]


@pytest.mark.parametrize("store", [None, STORE])
def test_one_gateway_at_a_time_is_replaced(store: Any, tmp_path: Path) -> None:
    strategy = daemonset(tmp_path, store)["spec"]["updateStrategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}


def test_images_are_pulled_only_when_the_node_has_none(pod: dict[str, Any]) -> None:
    """A gateway that restarts, and a node that boots, ask nobody for the gateway's image (decision 0011)."""
    containers = [*pod["initContainers"], *pod["containers"]]
    assert {container["imagePullPolicy"] for container in containers} == {"IfNotPresent"}
    assert len({container["image"] for container in containers}) == 1
