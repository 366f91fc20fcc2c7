"""What lands below /etc/containerd, case by case: the whole tree, and hosts.toml parsed back and compared whole."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from tests.node.sandbox import CA, GATEWAYS, OTHER_CA, UPSTREAM, Sandbox, route_conf

PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"
HOSTS = "registry.d/registry.d8-system.svc:5001"
FIRST, SECOND = (f"https://{gateway}" for gateway in GATEWAYS)  # worker-1 begins with the first one
PULL: dict[str, Any] = {"capabilities": ["pull", "resolve"]}
GATEWAY = {**PULL, "ca": "gateway-ca.crt", "client": PEM}
REWRITE = {"regex": "^system/deckhouse(/|$)", "replace": "deckhouse/ee${1}"}


def hosts(node: Sandbox) -> dict[str, Any]:
    """hosts.toml with its host tables as a list, so that comparing compares their order too."""
    parsed = tomllib.loads(node.tree("/etc/containerd")[f"{HOSTS}/hosts.toml"])
    return {**parsed, "host": list(parsed["host"].items())}


def test_stock_containerd_goes_to_the_gateways_only_and_ends_at_one(node: Sandbox) -> None:
    node.conf(route_conf(upstreams=[UPSTREAM]), upstream_1=OTHER_CA)
    node.run("apply")
    assert hosts(node) == {"server": SECOND, **GATEWAY, "host": [(FIRST, GATEWAY)]}
    assert sorted(node.tree("/etc/containerd")) == [f"{HOSTS}/gateway-ca.crt", f"{HOSTS}/hosts.toml"]
    assert node.tree("/etc/containerd")[f"{HOSTS}/gateway-ca.crt"] == CA


def test_the_text_is_this_to_the_byte(node: Sandbox) -> None:
    node.containerd("2.1.5", rewrites=True, dump="v2")
    node.alive(*GATEWAYS, "https://registry.example.com")
    node.conf(route_conf(upstreams=[UPSTREAM]), upstream_1=OTHER_CA)
    node.run("apply")
    assert node.tree("/etc/containerd")[f"{HOSTS}/hosts.toml"] == (
        "# Written by registry-route; the facts are in /var/lib/registry-route/route.conf\n"
        'server = "https://198.51.100.12:5001"\n'
        'capabilities = ["pull", "resolve"]\n'
        'ca = "gateway-ca.crt"\n'
        f'client = "{PEM}"\n'
        'dial_timeout = "2s"\n'
        "\n"
        "[host]\n"
        "\n"
        '[host."https://registry.example.com"]\n'
        '  capabilities = ["pull", "resolve"]\n'
        '  ca = "upstream-1-ca.crt"\n'
        '  dial_timeout = "5s"\n'
        "\n"
        '  [[host."https://registry.example.com".rewrite]]\n'
        '    regex = "^system/deckhouse(/|$)"\n'
        '    replace = "deckhouse/ee${1}"\n'
        "\n"
        '[host."https://198.51.100.11:5001"]\n'
        '  capabilities = ["pull", "resolve"]\n'
        '  ca = "gateway-ca.crt"\n'
        f'  client = "{PEM}"\n'
        '  dial_timeout = "2s"\n'
    )


def test_with_gateways_first_the_old_upstream_is_the_last_way(node: Sandbox) -> None:
    node.containerd("1.7.30", rewrites=True)
    node.alive(*GATEWAYS, "https://registry.example.com")
    node.conf(route_conf(upstreams=[UPSTREAM], first="gateways"), upstream_1=OTHER_CA)
    node.run("apply")
    assert hosts(node) == {
        "server": FIRST,
        **GATEWAY,
        "host": [
            (FIRST, GATEWAY),
            (SECOND, GATEWAY),
            ("https://registry.example.com", {**PULL, "ca": "upstream-1-ca.crt", "rewrite": [REWRITE]}),
        ],
    }
    assert node.report()["canary"]["ok"] is True


def test_direct_asks_new_and_old_upstream_before_the_gateways(node: Sandbox) -> None:
    node.containerd("1.7.30", rewrites=True)
    old = "upstream https old.example.com:8443 ee -"
    node.alive(*GATEWAYS, "https://registry.example.com", "https://old.example.com:8443")
    node.conf(route_conf(upstreams=[UPSTREAM, old]), upstream_1=OTHER_CA)
    node.run("apply")
    assert hosts(node) == {
        "server": SECOND,
        **GATEWAY,
        "host": [
            ("https://registry.example.com", {**PULL, "ca": "upstream-1-ca.crt", "rewrite": [REWRITE]}),
            ("https://old.example.com:8443", {**PULL, "rewrite": [{**REWRITE, "replace": "ee${1}"}]}),
            (FIRST, GATEWAY),
        ],
    }
    assert node.tree("/etc/containerd")[f"{HOSTS}/upstream-1-ca.crt"] == OTHER_CA


def test_one_gateway_is_the_server_beside_an_empty_host_table(node: Sandbox) -> None:
    node.conf(route_conf(gateways=GATEWAYS[:1]))
    node.run("apply")
    assert hosts(node) == {"server": FIRST, **GATEWAY, "host": []}


def test_a_dead_gateway_is_last(node: Sandbox) -> None:
    node.alive(GATEWAYS[1])
    node.conf(route_conf())
    node.run("apply")
    assert hosts(node) == {"server": FIRST, **GATEWAY, "host": [(SECOND, GATEWAY)]}


def test_all_dead_keeps_every_gateway(node: Sandbox) -> None:
    node.alive()
    node.conf(route_conf())
    node.run("apply")
    assert hosts(node) == {"server": SECOND, **GATEWAY, "host": [(FIRST, GATEWAY)]}


def test_a_dead_upstream_comes_after_the_living_gateways_and_a_gateway_still_ends_the_list(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.conf(route_conf(upstreams=["upstream https registry.example.com deckhouse/ee -"], gateways=GATEWAYS[:1]))
    node.run("apply")
    upstream = ("https://registry.example.com", {**PULL, "rewrite": [REWRITE]})
    assert hosts(node) == {"server": FIRST, **GATEWAY, "host": [(FIRST, GATEWAY), upstream]}


def test_plain_http_upstream_keeps_its_scheme(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.alive(*GATEWAYS, "http://registry.example.com:5000")
    node.conf(route_conf(upstreams=["upstream http registry.example.com:5000 deckhouse/ee -"], gateways=GATEWAYS[:1]))
    node.run("apply")
    assert hosts(node)["host"] == [("http://registry.example.com:5000", {**PULL, "rewrite": [REWRITE]})]


def test_an_upstream_without_path_drops_the_alias(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.alive(*GATEWAYS, "https://registry.example.com")
    node.conf(route_conf(upstreams=["upstream https registry.example.com - -"], gateways=GATEWAYS[:1]))
    node.run("apply")
    rule = {"regex": "^system/deckhouse/", "replace": ""}
    assert hosts(node)["host"] == [("https://registry.example.com", {**PULL, "rewrite": [rule]})]


def test_two_routes_to_one_host_become_one_table_with_the_newest_path(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.alive(*GATEWAYS, "https://registry.example.com")
    routes = [f"upstream https registry.example.com {path} -" for path in ("deckhouse/ee", "deckhouse/old")]
    node.conf(route_conf(upstreams=routes, gateways=GATEWAYS[:1]))
    node.run("apply")
    assert hosts(node)["host"] == [("https://registry.example.com", {**PULL, "rewrite": [REWRITE]})]


@pytest.mark.parametrize("pem", ["", CA], ids=["no file", "a certificate without its key"])
def test_without_a_kubelet_certificate_no_client_is_named(node: Sandbox, pem: str) -> None:
    node.kubelet_certificate(pem)
    node.conf(route_conf())
    node.run("apply")
    bare = {**PULL, "ca": "gateway-ca.crt"}
    assert hosts(node) == {"server": SECOND, **bare, "host": [(FIRST, bare)]}
    assert node.report()["clientCert"] is False


@pytest.mark.parametrize(
    ("version", "known"),
    [("1.7.36", False), ("v2.0.6", False), ("2.0.7", True), ("v2.1.0+dkp", True), ("3.0.0", True)],
)
def test_dial_timeout_is_written_where_containerd_knows_it(node: Sandbox, version: str, known: bool) -> None:
    node.containerd(version, dump="v2")
    node.conf(route_conf(gateways=GATEWAYS[:1]))
    node.run("apply")
    assert ("dial_timeout" in hosts(node)) is known


def test_nodes_begin_with_different_gateways(tmp_path_factory: pytest.TempPathFactory) -> None:
    servers = set()
    for name in ("worker-1", "worker-2"):
        node = Sandbox(tmp_path_factory.mktemp(name), name=name)
        node.conf(route_conf())
        node.run("apply")
        servers.add(hosts(node)["server"])
    assert servers == {FIRST, SECOND}


def test_files_of_an_earlier_route_are_removed_and_foreign_hosts_stay(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.alive(*GATEWAYS, "https://registry.example.com")
    node.write("/etc/containerd/registry.d/docker.io/hosts.toml", "[host]\n")
    node.conf(route_conf(upstreams=[UPSTREAM]), upstream_1=OTHER_CA)
    node.run("apply")
    node.conf(route_conf(version="f" * 16))
    node.run("apply")
    assert sorted(node.tree("/etc/containerd")) == [
        "registry.d/docker.io/hosts.toml",
        f"{HOSTS}/gateway-ca.crt",
        f"{HOSTS}/hosts.toml",
    ]


def test_a_file_overwritten_by_somebody_else_is_restored_by_the_next_tick(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    before = node.tree("/etc/containerd")
    node.write(f"/etc/containerd/{HOSTS}/hosts.toml", "[host]\n")
    node.run("tick")
    assert node.tree("/etc/containerd") == before


def test_a_directory_of_the_node_agent_is_left_alone(node: Sandbox) -> None:
    node.write("/etc/containerd/registry.d/.managed-by-agent", "")
    node.conf(route_conf())
    node.run("apply")
    assert sorted(node.tree("/etc/containerd")) == ["registry.d/.managed-by-agent"]
    assert ".managed-by-agent" in node.report()["error"]
    assert node.annotation("route-version") is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/etc/containerd/certs.d:/etc/docker/certs.d", "several registry directories"),
        ("/etc/containerd/certs.d", "from /etc/containerd/certs.d"),
        ("", "no config_path"),
    ],
)
def test_a_config_path_that_is_not_ours_is_reported_and_not_called_done(node: Sandbox, path: str, words: str) -> None:
    node.containerd("2.2.0", path=path, dump="v2")
    node.conf(route_conf())
    node.run("apply")
    assert words in node.report()["error"]
    assert node.report()["configPath"] is False
    assert node.annotation("route-version") is None


def test_on_a_new_node_hosts_toml_is_there_before_containerd_2_is_configured(node: Sandbox) -> None:
    node.containerd("2.1.5", dump="v2")
    node.path("/etc/containerd/config.toml").unlink()
    (node.world / "dump").unlink()
    node.conf(route_conf())
    node.run("apply")
    assert (node.hosts / "hosts.toml").exists()
    assert node.annotation("route-version") is None
