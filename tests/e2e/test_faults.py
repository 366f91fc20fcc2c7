"""In mode Direct: masters join, gateways die, addresses vanish, settings are wrong; pulls go on."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509

from tests.e2e.modes import endpoints, to_direct
from tests.e2e.waiting import wait
from tests.platform import replicas
from tests.platform.assembly import Platform
from tests.platform.cluster import NodeSpec
from tests.platform.settings import direct

pytestmark = [pytest.mark.root, pytest.mark.cluster, pytest.mark.timeout(600)]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "authority that is no certificate": ({"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "ca"),
    "dot segments": ({"path": "/deckhouse/../ee"}, "path"),
    "port 0": ({"host": "registry-a.test:0"}, "host"),
    "port 99999": ({"host": "registry-a.test:99999"}, "host"),
    "control characters": ({"user": "puller\u0007"}, "user"),
    "credentials in the host": ({"host": "me:in-the-host-1@registry-a.test"}, "host"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_wrong_settings_behind_the_schema_are_named_and_change_nothing(platform: Platform, case: str) -> None:
    if case == next(iter(WRONG)):
        to_direct(platform)
    fields, field = WRONG[case]
    before = platform.cluster.kubectl("get", "secret", "-n", "d8-system", "deckhouse-registry", "-o", "yaml")
    platform.apply(direct(platform.upstream_a, **fields))

    def named(status: dict[str, Any]) -> bool:
        (found,) = (c for c in status["conditions"] if c["type"] == "SettingsValid")
        return found["status"] == "False" and f"direct.{field}:" in found["message"]

    status = platform.wait_status(named, f"SettingsValid to name direct.{field}", 30)
    assert "in-the-host-1" not in str(status)
    assert platform.operator.queue_errors() == {}
    assert all(not run.error for run in platform.operator.hook_runs())
    assert platform.cluster.kubectl("get", "secret", "-n", "d8-system", "deckhouse-registry", "-o", "yaml") == before
    finished = platform.condition("NodesFinalized")
    assert finished["status"] == "True"


@pytest.mark.long
def test_joining_master_gets_into_certificate_and_routes_without_a_failed_pull(platform: Platform) -> None:
    to_direct(platform)
    with platform.pulling() as pulls:
        node = platform.add_node(NodeSpec("m4", control_plane=True))
        url = f"https://{node.address}:5001"
        wait(lambda: all(url in endpoints(n) for n in platform.cluster.nodes.values()), "m4 in every route", 120)
        platform.wait_status(lambda s: s["nodes"] == "7/7" and s["stage"] == "Ready", "seven nodes Ready", 120)
    assert [(each.node, each.error) for each in pulls.failures] == []
    served = platform.operator.values()["registry"]["internal"]["pki"]["serving"]["crt"]
    names = x509.load_pem_x509_certificate(served.encode()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert node.address in [str(address) for address in names.value.get_values_for_type(x509.IPAddress)]
    platform.cluster.delete_node("m4")
    wait(lambda: all(url not in endpoints(n) for n in platform.cluster.nodes.values()), "m4 out of every route", 120)
    platform.wait_status(lambda s: s["nodes"] == "6/6" and s["stage"] == "Ready", "six nodes Ready", 120)


def test_vanished_master_is_last_in_every_route_within_fifteen_seconds(platform: Platform) -> None:
    to_direct(platform)
    master = platform.cluster.node("m2")
    url = f"https://{master.address}:5001"
    others = [node for node in platform.cluster.nodes.values() if node is not master]
    with platform.pulling() as pulls:
        platform.cluster.blackhole("m2")
        try:
            took = wait(lambda: all(endpoints(node)[-1] == url for node in others), "m2 last in every route", 15)
            print(f"the vanished master was last in every route after {took:.1f} s")
            count = len(pulls.pulls)
            wait(lambda: len(pulls.pulls) > count + 2 * len(others), "pulls to go on", 60)
        finally:
            platform.cluster.unblackhole("m2")
    assert [(each.node, each.error) for each in pulls.failures] == []


def test_killed_gateway_comes_back_and_no_pull_fails(platform: Platform) -> None:
    to_direct(platform)
    with platform.pulling() as pulls:
        assert replicas.kill(platform.cluster.node("m1"))
        count = len(pulls.pulls)
        wait(lambda: len(pulls.pulls) > count + 10, "pulls to go on", 60)
        platform.wait_ready("Direct")
    assert [(each.node, each.error) for each in pulls.failures] == []
