"""A route.conf that is wrong in any way is refused whole: the node stays as it was and the report says why."""

from __future__ import annotations

import pytest

from tests.node.sandbox import CA, CANARY, GATEWAYS, HOST, OTHER_CA, UPSTREAM, VERSION, Sandbox, route_conf

GOOD = route_conf(upstreams=[UPSTREAM])
OLD = "f" * 16


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


WRONG = {
    "nothing in it": ("", "lacks version"),
    "an empty line": (GOOD + "\n", "line 10: fields are not separated"),
    "an unknown key": (GOOD + "colour blue\n", "line 10: unknown key"),
    "a field too many": (replaced("action apply", "action apply now"), "line 2: unknown key or wrong number"),
    "two spaces": (replaced("action apply", "action  apply"), "line 2: fields are not separated"),
    "a space at the end": (replaced("action apply", "action apply "), "line 2: fields are not separated"),
    "a carriage return": (replaced("action apply\n", "action apply\r\n"), "not printable ASCII"),
    "a tab": (replaced("action apply", "action\tapply"), "not printable ASCII"),
    "a NUL": (replaced("deckhouse/ee", "deckhouse/e\0"), "not printable ASCII"),
    "a letter beyond ASCII": (replaced("registry.example", "registrу.example"), "not printable ASCII"),
    "too much of it": (GOOD + "gateway 198.51.100.99:5001\n" * 3000, "longer than 64 KiB"),
    "no version": (replaced(f"version {VERSION}\n", ""), "lacks version"),
    "a version that is none": (replaced(VERSION, "latest"), "line 1: the value is not valid"),
    "two versions": (GOOD + f"version {VERSION}\n", "line 10: there is more than one"),
    "an unknown action": (replaced("action apply", "action explode"), "line 2: the value is not valid"),
    "a foreign host": (replaced(f"host {HOST}", "host docker.io:443"), "line 3: the value is not valid"),
    "no alias": (replaced("alias system/deckhouse\n", ""), "lacks host or alias"),
    "no host": (replaced(f"host {HOST}\n", ""), "lacks host or alias"),
    "an alias that climbs": (replaced("alias system/deckhouse", "alias ../etc"), "line 4: the value is not valid"),
    "an unknown order": (GOOD + "first upstreams\n", "line 10: the value is not valid"),
    "no gateway": (route_conf(gateways=()), "names no gateway"),
    "a gateway twice": (GOOD + f"gateway {GATEWAYS[0]}\n", "line 10: the address is given twice"),
    "a gateway without a port": (GOOD + "gateway 198.51.100.13\n", "not HOST:PORT"),
    "a gateway at port 0": (GOOD + "gateway 198.51.100.13:0\n", "not HOST:PORT"),
    "a gateway at port 99999": (GOOD + "gateway 198.51.100.13:99999\n", "not HOST:PORT"),
    "a gateway that is a command": (GOOD + "gateway $(reboot):5001\n", "not HOST:PORT"),
    "a gateway that breaks TOML": (GOOD + 'gateway a"b:5001\n', "not HOST:PORT"),
    "an unknown scheme": (replaced("upstream https", "upstream ftp"), "neither https nor http"),
    "a host with credentials": (replaced("registry.example.com", "user:secret@example.com"), "not NAME or NAME:PORT"),
    "a host with a path": (replaced("registry.example.com", "example.com/x"), "not NAME or NAME:PORT"),
    "a host with two dots": (replaced("registry.example.com", "registry..com"), "not NAME or NAME:PORT"),
    "a path that climbs": (replaced("deckhouse/ee", "deckhouse/../ee"), "the path is not segments"),
    "a path from the root": (replaced("deckhouse/ee", "/deckhouse/ee"), "the path is not segments"),
    "a path that breaks TOML": (replaced("deckhouse/ee", 'deckhouse"ee'), "the path is not segments"),
    "a path that refers to a group": (replaced("deckhouse/ee", "deckhouse/$1"), "the path is not segments"),
    "a CA elsewhere": (replaced("ca/upstream-1.crt", "/etc/ssl/ca.crt"), "not ca/NAME.crt"),
    "a CA that climbs": (replaced("ca/upstream-1.crt", "ca/../x.crt"), "not ca/NAME.crt"),
    "a CA that is not there": (replaced("ca/upstream-1.crt", "ca/upstream-2.crt"), "ca/upstream-2.crt is not a cert"),
    "a canary of an unknown role": (GOOD + f"canary edge {CANARY}\n", "neither control-plane nor worker"),
    "a canary elsewhere": (replaced(CANARY, CANARY.replace("system/deckhouse", "other/thing")), "not an image below"),
    "a canary beside the alias": (replaced(CANARY, CANARY.replace("deckhouse@", "deckhousex@")), "not an image below"),
    "a canary with a short digest": (replaced(CANARY, CANARY[:-1]), "not an image below"),
    "a canary without digest": (replaced(CANARY, CANARY.partition("@")[0]), "not an image below"),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_route_conf_keeps_the_last_good_route_and_is_reported(node: Sandbox, text: str, reason: str) -> None:
    node.conf(route_conf(version=OLD), upstream_1=OTHER_CA)
    node.run("apply")
    before = node.tree("/etc/containerd")
    node.conf(text)
    node.run("apply")
    assert node.tree("/etc/containerd") == before
    assert node.annotation("route-version") == OLD
    assert reason in node.report()["error"]


@pytest.mark.parametrize(
    "certificate",
    ["", "garbage", CA.replace("-----END", "----END"), CA.replace("M", "*"), CA + "-----BEGIN EC PRIVATE KEY-----\n"],
    ids=["empty", "no PEM", "no end", "no base64", "with a key"],
)
def test_a_wrong_gateway_ca_is_refused(node: Sandbox, certificate: str) -> None:
    node.conf(route_conf(), gateway=certificate)
    node.run("apply")
    assert node.report()["error"] == "ca/gateway.crt is not a certificate in PEM"
    assert node.tree("/etc") == {"kubernetes/kubelet.conf": "kind: Config\n"}


def test_a_missing_route_conf_is_reported(node: Sandbox) -> None:
    node.run("tick")
    assert node.report()["error"] == "route.conf is missing or cannot be read"


def test_the_last_good_route_still_follows_its_endpoints(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    node.conf("nonsense\n")
    node.alive(GATEWAYS[1])
    node.run("tick")
    assert f'[host."https://{GATEWAYS[1]}"]' in (node.hosts / "hosts.toml").read_text()


@pytest.mark.parametrize(
    "text",
    [
        GOOD.rstrip("\n"),
        route_conf(canary=False),
        route_conf(gateways=["[2001:db8::1]:5001", "gw_1.example.com:65535"]),
        replaced("deckhouse/ee", "Team_1/deckhouse.ee/x"),
        GOOD.replace(f"@{CANARY.partition('@')[2]}", ":v1.70.1"),
    ],
    ids=["no last newline", "no canary", "IPv6 and names", "all path characters", "canaries by tag"],
)
def test_every_accepted_shape_gives_a_route(node: Sandbox, text: str) -> None:
    node.conf(text, upstream_1=OTHER_CA)
    node.run("apply")
    assert node.report()["error"] == ""
    assert node.annotation("route-version") == VERSION
