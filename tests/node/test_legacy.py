"""containerd 1.x without config_path: mirrors in conf.d, and a restart that bashible makes."""

from __future__ import annotations

import os
import time
import tomllib

import pytest

from tests.node.sandbox import DUMPS, GATEWAYS, HOST, UPSTREAM, VERSION, Sandbox, route_conf

RESTART = 10
FILE = "/etc/containerd/conf.d/registry-route.toml"
PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
DONE = "/var/lib/bashible/configuration_checksum"
FIRST, SECOND = (f"https://{gateway}" for gateway in GATEWAYS)


@pytest.fixture
def old(node: Sandbox) -> Sandbox:
    node.containerd("1.6.20~ds1", path="")
    return node


def merge(node: Sandbox) -> None:
    """What the platform does next: our mirror becomes part of containerd's configuration."""
    mirror = f'[plugins."io.containerd.grpc.v1.cri".registry.mirrors."{HOST}"]\n  endpoint = ["{FIRST}", "{SECOND}"]\n'
    (node.world / "dump").write_text(DUMPS["v1"].format(path="") + mirror)


def test_the_mirror_and_its_tls_are_written_whole(old: Sandbox) -> None:
    old.conf(route_conf(upstreams=[UPSTREAM.replace("ca/upstream-1.crt", "-")]))
    old.run("apply", expect=RESTART)
    tls = {"tls": {"ca_file": "/var/lib/registry-route/ca/gateway.crt", "cert_file": PEM, "key_file": PEM}}
    registry = {
        "mirrors": {HOST: {"endpoint": [FIRST, SECOND]}},
        "configs": dict.fromkeys(GATEWAYS, tls),
    }
    tree = old.tree("/etc/containerd")
    assert sorted(tree) == ["conf.d/registry-route.toml"]
    parsed = tomllib.loads(tree["conf.d/registry-route.toml"])
    assert parsed == {"version": 2, "plugins": {"io.containerd.grpc.v1.cri": {"registry": registry}}}


def test_without_a_kubelet_certificate_only_the_ca_is_named(old: Sandbox) -> None:
    old.kubelet_certificate("")
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    assert "cert_file" not in old.path(FILE).read_text()


def test_a_restart_is_asked_for_exactly_when_the_file_changed(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.run("apply")
    old.alive(GATEWAYS[1])  # liveness must not cost a restart
    old.run("apply")
    old.conf(route_conf(gateways=GATEWAYS[:1]))
    old.run("apply", expect=RESTART)


def test_version_and_canary_wait_for_containerds_configuration(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.run("tick")
    assert old.annotation("route-version") is None
    assert old.calls("crictl") == []
    merge(old)
    old.run("tick")
    assert old.annotation("route-version") == VERSION
    assert old.report()["canary"]["ok"] is True
    assert old.report()["configPath"] is False


def test_a_file_that_does_not_reach_containerd_is_reported(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    assert old.report()["error"] == ""
    earlier = time.time() - 300
    os.utime(old.path(FILE), (earlier, earlier))
    old.run("tick")
    assert "is conf.d imported" in old.report()["error"]


def test_the_timer_reports_a_lost_file_but_leaves_it_to_bashible(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.path(FILE).unlink()
    old.run("tick")
    assert "the next bashible run restores it" in old.report()["error"]
    assert not old.path(FILE).exists()


def test_a_kubelet_certificate_that_comes_after_apply_makes_bashible_run_once_more(old: Sandbox) -> None:
    pair = old.path(PEM).read_text()
    old.kubelet_certificate("")
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    done = old.write(DONE, "checksum\n")
    old.run("tick")
    assert done.exists()
    old.kubelet_certificate(pair)
    assert "bashible is asked to run again" in old.run("tick")
    assert not done.exists()
    assert "cert_file" not in old.path(FILE).read_text()
    old.run("apply", expect=RESTART)
    assert "cert_file" in old.path(FILE).read_text()


def test_bashible_is_asked_once_for_the_same_thing_whatever_comes_of_it(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.path(FILE).unlink()
    done = old.write(DONE, "checksum\n")
    old.run("tick")
    assert not done.exists()
    old.write(DONE, "checksum\n")  # that run of bashible did not help
    old.run("tick")
    assert done.exists()
    old.run("apply", expect=RESTART)  # this one did, and the file is lost again at once
    old.run("tick")
    old.path(FILE).unlink()
    old.run("tick")
    assert done.exists()
    old.kubelet_certificate("")  # another thing
    old.run("tick")
    assert not done.exists()


def test_after_an_hour_with_the_file_in_place_a_loss_is_a_new_thing(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.path(FILE).unlink()
    old.write(DONE, "checksum\n")
    old.run("tick")
    old.run("apply", expect=RESTART)
    earlier = time.time() - 3660
    os.utime(old.folder / "state" / "asked", (earlier, earlier))
    old.run("tick")
    old.path(FILE).unlink()
    done = old.write(DONE, "checksum\n")
    old.run("tick")
    assert not done.exists()


def test_while_bashible_runs_it_is_asked_after_its_end(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.path(FILE).unlink()
    assert "asked" not in old.run("tick")  # its file is missing as long as it runs: it may be past our step
    done = old.write(DONE, "checksum\n")
    assert "asked" in old.run("tick")
    assert not done.exists()


def test_a_node_that_gets_config_path_moves_to_hosts_toml(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.containerd("1.7.30")
    old.run("apply", expect=RESTART)
    assert not old.path(FILE).exists()
    assert (old.hosts / "hosts.toml").exists()
    old.run("apply")


def test_a_node_that_loses_config_path_moves_to_conf_d(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    node.containerd("1.7.30", path="")
    node.run("apply", expect=RESTART)
    assert sorted(node.tree("/etc/containerd")) == ["conf.d/registry-route.toml"]


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        (f'[plugins."io.containerd.grpc.v1.cri".registry.mirrors."{HOST}"]\n  endpoint = ["https://x"]\n', True),
        ('[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n', True),
        ('[plugins."io.containerd.grpc.v1.cri".registry.mirrors."docker.io"]\n  endpoint = ["https://x"]\n', False),
        ('[metrics]\n  address = "127.0.0.1:1"\n', False),
    ],
    ids=["our mirror", "config_path", "another mirror", "something else"],
)
def test_a_foreign_file_is_left_alone_and_reported_if_it_is_in_the_way(old: Sandbox, text: str, foreign: bool) -> None:
    path = old.write("/etc/containerd/conf.d/custom.toml", text)
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    assert path.read_text() == text
    assert ("custom.toml configures" in old.report()["error"]) is foreign


def test_without_crictl_the_canary_says_that_it_cannot_pull(old: Sandbox) -> None:
    merge(old)
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.run("tick", without=["crictl"])
    assert old.report()["canary"]["error"] == "there is no crictl to pull with"


def test_remove_takes_the_file_away_and_asks_for_a_restart_once(old: Sandbox) -> None:
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    old.run("remove", expect=RESTART)
    assert old.tree("/etc/containerd") == {}
    old.run("remove")


def test_on_a_new_node_the_file_is_there_before_the_platform_configures_containerd(old: Sandbox) -> None:
    old.path("/etc/containerd/config.toml").unlink()
    (old.world / "dump").unlink()  # containerd cannot dump a file that is not there
    old.conf(route_conf())
    old.run("apply", expect=RESTART)
    assert old.report()["error"] == ""
    assert old.path(FILE).exists()
