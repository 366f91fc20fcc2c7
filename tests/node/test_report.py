"""What the node says of itself, and when it says it."""

from __future__ import annotations

import os
import time

from tests.node.sandbox import VERSION, WORKER_CANARY, Sandbox, route_conf


def annotating(node: Sandbox) -> list[str]:
    return [call for call in node.calls("kubectl") if " annotate " in call]


def test_a_good_run_reports_the_version_and_every_fact(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.conf(route_conf())
    node.run("apply")
    assert node.annotation("route-version") == VERSION
    assert node.annotation("route-report") == (
        '{"rewrite":true,"configPath":true,"clientCert":true,"canary":{"image":"'
        f'{WORKER_CANARY}","ok":true,"error":""}},"error":""}}'
    )


def test_an_unchanged_report_is_not_written_again(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    assert annotating(node)
    node.run("tick")
    assert annotating(node) == []


def test_a_report_of_more_than_five_minutes_is_written_again(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    annotating(node)
    old = time.time() - 360
    os.utime(node.folder / "state" / "annotated", (old, old))
    node.run("tick")
    assert len(annotating(node)) == 1
    node.run("tick")
    assert annotating(node) == []


def test_with_the_api_server_away_the_route_is_written_and_the_report_follows(node: Sandbox) -> None:
    node.switch("api-away", on=True)
    node.conf(route_conf())
    node.run("apply")
    assert (node.hosts / "hosts.toml").exists()
    assert node.annotation("route-version") is None
    node.switch("api-away", on=False)
    node.run("tick")
    assert node.annotation("route-version") == VERSION


def test_the_kubelets_credentials_are_used_and_only_for_its_own_node(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    for call in node.calls("kubectl"):
        assert call.startswith(f"--kubeconfig {node.root}/etc/kubernetes/kubelet.conf ")
        assert " node worker-1 " in call


def test_before_the_node_has_joined_nothing_is_asked_of_an_api_server(node: Sandbox) -> None:
    node.path("/etc/kubernetes/kubelet.conf").unlink()
    node.conf(route_conf())
    node.run("apply")
    assert node.calls("kubectl") == []
    assert (node.hosts / "hosts.toml").exists()


def test_no_containerd_is_a_report_and_not_a_failure(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply", without=["containerd"])
    assert node.report()["error"] == "there is no containerd on PATH"


def test_a_configuration_that_containerd_cannot_read_is_a_report_and_changes_nothing(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    before = node.tree("/etc/containerd")
    (node.world / "dump").unlink()
    node.run("tick")
    assert node.report()["error"].startswith("containerd config dump fails")
    assert node.tree("/etc/containerd") == before


def test_a_route_that_cannot_be_written_is_a_report(node: Sandbox) -> None:
    node.write("/etc/containerd/registry.d", "a file where a folder should be")
    node.conf(route_conf())
    node.run("apply")
    assert "could not be written" in node.report()["error"]
    assert node.annotation("route-version") is None
