"""The registry that the way back leads to: reached from the node itself, by the real curl, or named with a reason."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.registry import Registry, registry
from tests.node.sandbox import CA, OTHER_CA, VERSION, Sandbox, route_conf
from tests.support.certs import make_ca

OWN_CA = make_ca("registry to return to")
DROP_IN = "/etc/systemd/system/containerd-deckhouse.service.d/proxy-environment.conf"


@pytest.fixture
def reaching(node: Sandbox) -> Sandbox:
    """A node with the machine's own curl instead of the stub."""
    node.path("/opt/deckhouse/bin/curl").unlink()
    return node


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Registry]:
    """A registry that wants credentials: it answers everybody with 401."""
    with registry(tmp_path / "target", {}, ca=OWN_CA, client_ca=make_ca("nobody")) as made:
        yield made


def conf(*back: str) -> str:
    """A route with one dead gateway and these `return` lines."""
    return route_conf(canary=False, gateways=["127.0.0.1:1"]) + "".join(f"return {line}\n" for line in back)


def looked(node: Sandbox, line: str, **files: str) -> tuple[bool, str]:
    """What the report says of the registry in `line`: ok and error."""
    node.conf(conf(line), **files)
    node.run("apply")
    assert node.report()["error"] == ""
    assert node.annotation("route-version") == VERSION
    found = node.report()["return"]
    assert found["host"] == line.split()[1]
    return found["ok"], found["error"]


def test_an_answer_of_any_status_over_trusted_tls_is_enough(reaching: Sandbox, target: Registry) -> None:
    back = f"https {target.address} team/product ca/return.crt"
    assert looked(reaching, back, **{"return": OWN_CA.cert}) == (True, "")
    assert f"return     {target.address} reached\n" in reaching.run("show")


@pytest.mark.parametrize("ca", ["-", "ca/return.crt"], ids=["no CA", "another CA"])
def test_a_certificate_that_nobody_here_trusts_is_named(reaching: Sandbox, target: Registry, ca: str) -> None:
    ok, error = looked(reaching, f"https {target.address} - {ca}", **{"return": OTHER_CA})
    assert not ok
    assert error.startswith(f"https://{target.address}: the certificate is for another name, or by an authority")


def test_a_certificate_that_the_node_trusts_by_itself_needs_no_ca(
    reaching: Sandbox, target: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "system.pem"
    bundle.write_text(OWN_CA.cert)
    curl = f'#!/bin/bash\nSSL_CERT_FILE={bundle} exec /usr/bin/curl "$@"\n'  # what the system trusts
    reaching.write("/opt/deckhouse/bin/curl", curl, mode=0o755)
    assert looked(reaching, f"https {target.address} - -") == (True, "")
    assert looked(reaching, f"https {target.address} - ca/return.crt", **{"return": OTHER_CA}) == (True, "")


def test_a_registry_without_tls_is_reached_as_it_is(reaching: Sandbox, tmp_path: Path) -> None:
    with registry(tmp_path / "plain", {}, ca=OWN_CA, scheme="http") as plain:
        assert looked(reaching, f"http {plain.address} - -") == (True, "")
        ok, error = looked(reaching, f"https {plain.address} - -")
        assert (ok, error) == (False, f"https://{plain.address}: this node finds no TLS there: is the scheme http?")


def test_a_closed_port_is_named_and_followed_until_it_opens(reaching: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    back = f"http 127.0.0.1:{port} - -"
    assert looked(reaching, back) == (False, f"http://127.0.0.1:{port}: no connection from this node")
    with registry(tmp_path / "late", {}, ca=OWN_CA, scheme="http", port=port):
        reaching.run("tick")
        assert reaching.report()["return"]["ok"] is True


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (5, "the name of containerd's proxy does not resolve on this node"),
        (6, "the name does not resolve on this node"),
        (28, "no answer within 3 s on this node: is there a firewall in between?"),
        (56, "this node gets no answer (code 56 of curl)"),
    ],
)
def test_what_curl_finds_is_said_in_words(node: Sandbox, code: int, said: str) -> None:
    node.write("/opt/deckhouse/bin/curl", f"#!/bin/bash\nexit {code}\n", mode=0o755)
    assert looked(node, "https registry.example.com - -") == (False, f"https://registry.example.com: {said}")


def test_a_registry_behind_the_proxy_of_containerd_is_reached_by_it(reaching: Sandbox, tmp_path: Path) -> None:
    with registry(tmp_path / "proxy", {}, ca=OWN_CA, scheme="http") as proxy:
        url = f"http://a%%20b:pw@{proxy.address}"
        words = (f"{name}={url}" for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"))
        lines = ["[Service]", "Environment=" + " ".join(f'"{word}"' for word in (*words, "no_proxy=127.0.0.1"))]
        reaching.write(DROP_IN, "\n".join(lines) + "\n")
        assert looked(reaching, "http registry.invalid - -") == (True, "")
        reaching.write(DROP_IN, "[Service]\n")
        assert looked(reaching, "http registry.invalid - -")[0] is False


def test_without_curl_a_connection_is_enough(node: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        back = f"https 127.0.0.1:{listening.getsockname()[1]} - -"
        node.conf(conf(back))
        node.run("apply", without=["curl"])
        assert node.report()["return"]["ok"] is True
    node.run("tick", without=["curl"])
    assert node.report()["return"]["error"].endswith("no connection from this node")


def test_with_the_platforms_curl_alone_any_certificate_will_do(node: Sandbox, target: Registry) -> None:
    node.write("/opt/deckhouse/bin/d8-curl", '#!/bin/bash\nexec "$WORLD/curl" "$@"\n', mode=0o755)
    (node.world / "curl").symlink_to("/usr/bin/curl")
    node.conf(conf(f"https {target.address} - -"))
    node.run("apply", without=["curl"])
    assert node.report()["return"]["ok"] is True


def test_an_old_containerd_looks_too(node: Sandbox) -> None:
    node.containerd("1.6.20~ds1", path="")
    node.alive("https://registry.example.com")
    node.conf(conf("https registry.example.com - -"))
    node.run("apply", expect=10)
    assert node.report()["return"] == {"host": "registry.example.com", "ok": True, "error": ""}


def test_on_no_way_back_the_report_has_no_such_part(node: Sandbox) -> None:
    node.conf(conf("https registry.example.com - -"))
    node.run("apply")
    assert "return" in node.report()
    node.conf(conf())
    node.run("apply")
    assert "return" not in node.report()
    assert "return" not in node.run("show")


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["https registry.example.com - -"] * 2, "line 7: there is more than one such line"),
        (["https registry.example.com -"], "line 6: unknown key or wrong number of fields"),
        (["ftp registry.example.com - -"], "line 6: the scheme is neither"),
        (["https a:b@example.com - -"], "line 6: the host is not"),
        (["https registry.example.com ../x -"], "line 6: the path is not segments"),
        (["https registry.example.com - /etc/ca.crt"], "line 6: the CA is not"),
        (["https registry.example.com - ca/return.crt"], "ca/return.crt is not a certificate"),
    ],
    ids=["two", "a field too few", "scheme", "host", "path", "CA elsewhere", "no CA there"],
)
def test_a_wrong_line_keeps_the_last_good_route(node: Sandbox, lines: list[str], reason: str) -> None:
    node.conf(conf(), gateway=CA)
    node.run("apply")
    node.conf(conf(*lines).replace(VERSION, "f" * 16))
    node.run("apply")
    assert node.annotation("route-version") == VERSION
    assert reason in node.report()["error"]
    assert "return" not in node.report()
