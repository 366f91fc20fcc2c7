"""The cluster's HTTP proxy: what the platform says, and what of it can be used."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from lib.registry_module import facts
from lib.registry_module.cluster_proxy import ClusterProxy
from tests.unit.test_settings import ANY

HTTP, HTTPS = "http://proxy.example.com:3128", "https://user:p%40ss!word@proxy.example.com:8443"


def test_proxy_is_read_from_the_configuration_of_the_cluster() -> None:
    section = {"httpProxy": HTTP, "httpsProxy": HTTPS, "noProxy": ["example.com", ".corp", "10.0.0.0/8", "2001:db8::1"]}
    found = facts.parse({}, {"clusterConfiguration": {"proxy": section}}).proxy
    assert found == ClusterProxy(HTTP, HTTPS, ("example.com", ".corp", "10.0.0.0/8", "2001:db8::1"))
    assert found.to_dict() == {
        "http": HTTP,
        "https": HTTPS,
        "except": ["example.com", ".corp", "10.0.0.0/8", "2001:db8::1"],
    }


@pytest.mark.parametrize(
    "global_values", [None, {}, {"clusterConfiguration": None}, {"clusterConfiguration": {"clusterType": "Static"}}]
)
def test_cluster_without_a_proxy_has_none(global_values: dict[str, Any] | None) -> None:
    assert facts.parse({}, global_values).proxy is None


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy",
        "https://proxy:8443",
        "http://user@proxy",
        "http://198.51.100.1:3128",
        "http://[2001:db8::1]:3128",
    ],
)
def test_usable_proxy_is_taken_as_it_is(url: str) -> None:
    found = ClusterProxy.from_global({"proxy": {"httpsProxy": url}})
    assert found is not None
    assert found.to_dict() == {"https": url, "except": []}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example.com:3128",
        "ftp://proxy",
        "socks5://proxy:1080",
        "http://",
        "http://proxy:0",
        "http://proxy:99999",
        "http://proxy/path",
        "http://proxy?x",
        "http://user:p@ss@proxy",
        "http://us er@proxy",
        "http://proxy\n",
        None,
        5,
        [HTTP],
    ],
)
def test_unusable_proxy_counts_as_none(url: Any) -> None:
    assert ClusterProxy.from_global({"proxy": {"httpProxy": url, "noProxy": ["example.com"]}}) is None
    assert ClusterProxy.from_global({"proxy": {"httpProxy": url, "httpsProxy": HTTPS}}) == ClusterProxy("", HTTPS, ())


@pytest.mark.parametrize("listed", [None, "example.com", {"a": 1}, [None, 5, "", "a b", "a,b", "a\n", "http://é"]])
def test_unusable_exceptions_are_left_out(listed: Any) -> None:
    section = {"httpProxy": HTTP, "noProxy": listed}
    assert ClusterProxy.from_global({"proxy": section}) == ClusterProxy(HTTP, "", ())


def test_networks_and_domain_of_the_cluster_are_reached_directly() -> None:
    networks = {
        "clusterDomain": "cluster.local",
        "podSubnetCIDR": "10.111.0.0/16",
        "serviceSubnetCIDR": "10.222.0.0/16",
    }
    section = {"httpProxy": HTTP, "noProxy": ["example.com"]}
    found = ClusterProxy.from_global({"proxy": section, **networks})
    assert found == ClusterProxy(HTTP, "", ("example.com", "cluster.local", "10.111.0.0/16", "10.222.0.0/16"))


@given(ANY)
def test_whatever_the_cluster_says_is_no_error(value: Any) -> None:
    for section in (value, {"httpProxy": value, "httpsProxy": value, "noProxy": value}):
        facts.parse({}, {"clusterConfiguration": {"proxy": section, "clusterDomain": value, "podSubnetCIDR": value}})
