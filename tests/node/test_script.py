"""The script itself: clean, idempotent, quick, one at a time; and `show` for a human."""

from __future__ import annotations

import fcntl
import time

import pytest

from tests.node.sandbox import GATEWAYS, REPOSITORY, UPSTREAM, VERSION, WORKER_CANARY, Sandbox, route_conf

PARTS = sorted((REPOSITORY / "node").rglob("*"))


def test_nothing_in_it_looks_like_a_template() -> None:
    for part in PARTS:
        text = part.read_text() if part.is_file() else ""
        assert "{{" not in text, part
        assert "}}" not in text, part


@pytest.mark.parametrize("method", ["hosts", "legacy"])
def test_a_second_run_writes_nothing(node: Sandbox, method: str) -> None:
    node.containerd("1.7.30", path=None if method == "hosts" else "")
    node.conf(route_conf(upstreams=[UPSTREAM.replace("ca/upstream-1.crt", "-")]))
    node.run("apply", expect=0 if method == "hosts" else 10)
    before = {name: stamp for name, stamp in node.stamps().items() if "/state" not in name}
    for command in ("apply", "tick"):
        node.run(command)
    assert {name: stamp for name, stamp in node.stamps().items() if "/state" not in name} == before


def test_a_run_that_changes_nothing_takes_less_than_a_second(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    took = []
    for _ in range(3):  # the best of three: other work on this machine is not the script's
        started = time.monotonic()
        node.run("tick")
        took.append(time.monotonic() - started)
    assert min(took) < 1


def test_a_round_waits_for_the_lock(node: Sandbox) -> None:
    # `flock` of this node gives up at once, so that the test need not wait a minute.
    node.write("/opt/deckhouse/bin/flock", '#!/bin/bash\nexec /usr/bin/flock -n "${@: -1}"\n', mode=0o755)
    node.conf(route_conf())
    with (node.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = node.run("apply")
    assert "another run holds the lock" in said
    assert not node.hosts.exists()
    node.run("apply")
    assert node.hosts.exists()


def test_an_unknown_command_prints_the_usage(node: Sandbox) -> None:
    assert "usage: registry-route apply | tick | remove | show" in node.run("help", expect=64)


def test_show_prints_the_effective_route(node: Sandbox) -> None:
    node.containerd("2.1.5", rewrites=True, dump="v2")
    node.alive(GATEWAYS[1], "https://registry.example.com")
    node.conf(route_conf(upstreams=[UPSTREAM.replace("ca/upstream-1.crt", "-")]))
    node.run("apply")
    assert node.run("show").replace(str(node.root), "") == (
        f"version    {VERSION}, action apply\n"
        "node       worker-1, worker\n"
        "containerd 2.1.5, registries by /etc/containerd/registry.d, rewrite true\n"
        "client     /var/lib/kubelet/pki/kubelet-client-current.pem\n"
        "endpoint   1. https://registry.example.com alive (upstream)\n"
        f"endpoint   2. https://{GATEWAYS[1]} alive (gateway)\n"
        f"endpoint   3. https://{GATEWAYS[0]} dead (gateway)\n"
        f"canary     {WORKER_CANARY}: pulled\n"
    )


def test_show_names_what_is_wrong(node: Sandbox) -> None:
    node.conf("nonsense\n")
    assert node.run("show") == "route      invalid: route.conf line 1: unknown key or wrong number of fields\n"


def test_without_curl_a_connection_tells_liveness(node: Sandbox) -> None:
    # Nothing listens on port 1 of the loopback: the one gateway is dead, which the report does not mind.
    node.conf(route_conf(gateways=["127.0.0.1:1"]))
    node.run("apply", without=["curl"])
    assert "endpoint   1. https://127.0.0.1:1 dead (gateway)" in node.run("show", without=["curl"])
