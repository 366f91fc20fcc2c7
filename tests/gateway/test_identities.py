"""Certificates in real handshakes with a real gateway process: who gets in, and who may still use a password."""

from __future__ import annotations

import datetime as dt
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from tests.gateway.material import Material
from tests.support.certs import KeyPair, issue, issue_node, make_ca
from tests.support.gateway import Gateway, config, gateway

LOGIN = "Basic cm86cm8tcGFzc3dvcmQ="  # ro:ro-password


@pytest.fixture(scope="module")
def running(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    files = material.files(config([], users={"ro": "ro-password"}))
    with gateway(tmp_path_factory.mktemp("identities"), files) as started:
        yield started


def ask(running: Gateway, material: Material, certificate: KeyPair | None = None, *, login: str = "") -> int | str:
    """Status of `/v2/`, or "handshake" when there was none."""
    request = urllib.request.Request(f"https://{running.address}/v2/")
    if login:
        request.add_header("Authorization", login)
    try:
        with urllib.request.urlopen(request, timeout=30, context=material.client_context(certificate)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (urllib.error.URLError, ssl.SSLError, ConnectionError):
        return "handshake"


def test_a_node_gets_in(running: Gateway, material: Material) -> None:
    assert ask(running, material, material.node) == 200
    assert running.lines()[-1]["identity"] == "node:worker-1"


def test_nobody_gets_in_without_anything(running: Gateway, material: Material) -> None:
    assert ask(running, material) == 401


def test_another_certificate_of_the_cluster_needs_a_password(running: Gateway, material: Material) -> None:
    admin = issue(material.client_ca, cn="kubernetes-admin", org="system:masters", client=True)
    assert ask(running, material, admin) == 401
    assert ask(running, material, admin, login=LOGIN) == 200


def test_an_expired_node_certificate_needs_a_password(running: Gateway, material: Material) -> None:
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    expired = issue(material.client_ca, cn="system:node:old", org="system:nodes", client=True, start=start, days=1)
    assert ask(running, material, expired) == 401
    assert ask(running, material, expired, login=LOGIN) == 200


def test_a_node_certificate_of_a_foreign_authority_fails_the_handshake(running: Gateway, material: Material) -> None:
    foreign = issue_node(make_ca("kubernetes"), "worker-1")
    assert ask(running, material, foreign, login=LOGIN) == "handshake"


def test_a_serving_certificate_is_no_client_certificate(running: Gateway, material: Material) -> None:
    serving = issue(material.client_ca, cn="system:node:w", org="system:nodes", names=["w"], server=True)
    assert ask(running, material, serving, login=LOGIN) == "handshake"


def test_a_self_signed_node_certificate_fails_the_handshake(running: Gateway, material: Material) -> None:
    assert ask(running, material, make_ca("system:node:worker-1")) == "handshake"


def test_without_a_client_ca_any_certificate_may_use_a_password(
    material: Material, tmp_path_factory: pytest.TempPathFactory
) -> None:
    files = material.files(config([], users={"ro": "ro-password"}), client_ca_crt="")
    with gateway(tmp_path_factory.mktemp("no-client-ca"), files, workers=1) as started:
        assert ask(started, material, material.node, login=LOGIN) == 200
        assert ask(started, material, material.node) == 401


def test_a_node_certificate_without_the_usage_for_clients_needs_a_password(
    running: Gateway, material: Material
) -> None:
    bare = issue(material.client_ca, cn="system:node:w", org="system:nodes")
    assert ask(running, material, bare) == 401
    assert ask(running, material, bare, login=LOGIN) == 200


@pytest.mark.parametrize(("cn", "org"), [("system:node:w", "system:masters"), ("w", "system:nodes"), ("", "")])
def test_a_certificate_with_another_subject_is_no_nodes(
    running: Gateway, material: Material, cn: str, org: str
) -> None:
    assert ask(running, material, issue(material.client_ca, cn=cn, org=org, client=True)) == 401
