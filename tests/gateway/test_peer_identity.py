"""Who passes for another replica, in real handshakes with a real gateway process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest

from registry_gateway.access import PEER_GROUP
from tests.gateway.material import Material
from tests.gateway.test_identities import LOGIN, ask
from tests.support.certs import issue, issue_node, make_ca
from tests.support.gateway import Gateway, config, gateway


@pytest.fixture(scope="module")
def running(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    peers = {"master-0": "127.0.0.1:1", "master-1": "127.0.0.1:2"}
    files = material.files(config([], users={"ro": "ro-password"}, peers=peers))
    with gateway(tmp_path_factory.mktemp("peers"), files, workers=1) as started:
        yield started


def test_a_certificate_of_the_module_for_peers_is_a_peers(running: Gateway, material: Material) -> None:
    assert ask(running, material, material.peer) == 200
    assert running.lines()[-1]["identity"] == "peer"


def test_a_node_is_a_node_beside_peers(running: Gateway, material: Material) -> None:
    assert ask(running, material, material.node) == 200
    assert running.lines()[-1]["identity"] == "node:worker-1"


def test_a_nodes_certificate_of_the_modules_authority_is_no_nodes(running: Gateway, material: Material) -> None:
    assert ask(running, material, issue_node(material.ca, "worker-1")) == 401


def test_the_clusters_authority_makes_no_peer(running: Gateway, material: Material) -> None:
    assert ask(running, material, issue(material.client_ca, cn="master-1", org=PEER_GROUP, client=True)) == 401


def test_the_clusters_authority_makes_no_peer_by_taking_the_other_ones_name(
    material: Material, tmp_path_factory: pytest.TempPathFactory
) -> None:
    namesake = make_ca("module CA")  # the name of `material.ca`
    both = replace(material, client_ca=namesake)
    with gateway(tmp_path_factory.mktemp("namesake"), both.files(config([], peers={"m": "127.0.0.1:1"}))) as started:
        assert ask(started, material, issue(namesake, cn="master-1", org=PEER_GROUP, client=True)) in (401, "handshake")
        assert ask(started, material, material.peer) == 200


def test_a_serving_certificate_alone_is_no_peers(running: Gateway, material: Material) -> None:
    serving = issue(material.ca, org=PEER_GROUP, names=["m"])
    assert ask(running, material, serving, login=LOGIN) == "handshake"


def test_a_certificate_without_usage_is_no_peers(running: Gateway, material: Material) -> None:
    assert ask(running, material, issue(material.ca, cn="m", org=PEER_GROUP)) == 401


def test_another_organization_is_no_peers(running: Gateway, material: Material) -> None:
    assert ask(running, material, issue(material.ca, cn="m", org="registry.deckhouse.io", client=True)) == 401


def test_an_expired_peer_certificate_is_nobodys(running: Gateway, material: Material) -> None:
    start = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    assert ask(running, material, issue(material.ca, cn="m", org=PEER_GROUP, client=True, start=start, days=1)) == 401


def test_without_peers_the_modules_authority_is_not_taken_for_clients(
    material: Material, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with gateway(tmp_path_factory.mktemp("no-peers"), material.files(config([])), workers=1) as started:
        assert ask(started, material, material.peer) == "handshake"
