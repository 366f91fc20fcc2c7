"""`route.conf` and its files, whole."""

from __future__ import annotations

from lib.registry_module import node_route
from lib.registry_module.node_route import NodeRoute
from lib.registry_module.upstream import Upstream

NEW = Upstream("https", "new.example.com", "deckhouse/ee", ca="NEW-CA\n")
OLD = Upstream("http", "old.example.com:5000", "", ca="")


def test_gateways_come_first_only_where_upstreams_are_named() -> None:
    bare = NodeRoute("apply", (), ("198.51.100.11",), "BUNDLE\n", gateways_first=True)
    assert "first gateways" not in node_route.render(bare)["conf"]
    beside = NodeRoute("apply", (NEW,), ("198.51.100.11",), "BUNDLE\n", gateways_first=True)
    assert "\nfirst gateways\nupstream " in node_route.render(beside)["conf"]


def test_two_routes_and_two_gateways_are_rendered_whole() -> None:
    rendered = node_route.render(
        NodeRoute("apply", (NEW, OLD), ("198.51.100.12", "198.51.100.11", "2001:db8::1"), "BUNDLE\n", "ref-a", "ref-b")
    )
    assert rendered["conf"].split("\n", 1)[1] == (
        "action apply\n"
        "host registry.d8-system.svc:5001\n"
        "alias system/deckhouse\n"
        "canary control-plane ref-a\n"
        "canary worker ref-b\n"
        "upstream https new.example.com deckhouse/ee ca/upstream-1.crt\n"
        "upstream http old.example.com:5000 - -\n"
        "gateway 198.51.100.11:5001\n"
        "gateway 198.51.100.12:5001\n"
        "gateway [2001:db8::1]:5001\n"
    )
    assert rendered["conf"].startswith(f"version {rendered['version']}\n")
    assert rendered["files"] == [
        {"name": "ca/gateway.crt", "content": "BUNDLE\n"},
        {"name": "ca/upstream-1.crt", "content": "NEW-CA\n"},
    ]


def test_removal_carries_nothing_else() -> None:
    rendered = node_route.render(NodeRoute("remove", (NEW,), ("198.51.100.11",), "BUNDLE\n"))
    assert rendered["conf"] == f"version {rendered['version']}\naction remove\n"
    assert rendered["files"] == []


def test_registry_to_return_to_is_named_with_its_own_authority_between_routes_and_gateways() -> None:
    rendered = node_route.render(NodeRoute("apply", (OLD,), ("198.51.100.11",), "BUNDLE\n", back=NEW))
    assert rendered["conf"].split("\n", 1)[1] == (
        "action apply\n"
        "host registry.d8-system.svc:5001\n"
        "alias system/deckhouse\n"
        "upstream http old.example.com:5000 - -\n"
        "return https new.example.com deckhouse/ee ca/return.crt\n"
        "gateway 198.51.100.11:5001\n"
    )
    assert rendered["files"] == [
        {"name": "ca/gateway.crt", "content": "BUNDLE\n"},
        {"name": "ca/return.crt", "content": "NEW-CA\n"},
    ]


def test_version_changes_with_every_byte_that_lands_on_a_node() -> None:
    base = NodeRoute("apply", (NEW,), ("198.51.100.11",), "BUNDLE\n", "a", "b")
    variants = [
        base,
        NodeRoute("apply", (NEW, OLD), ("198.51.100.11",), "BUNDLE\n", "a", "b"),
        NodeRoute("apply", (NEW,), ("198.51.100.12",), "BUNDLE\n", "a", "b"),
        NodeRoute("apply", (NEW,), ("198.51.100.11",), "OTHER\n", "a", "b"),
        NodeRoute("apply", (NEW,), ("198.51.100.11",), "BUNDLE\n", "c", "b"),
        NodeRoute("apply", (NEW,), ("198.51.100.11",), "BUNDLE\n", "a", "b", back=OLD),
        NodeRoute("remove"),
    ]
    assert len({node_route.render(variant)["version"] for variant in variants}) == len(variants)


def test_canary_prefers_the_named_image() -> None:
    images = (("common/pause", "sha256:1"), ("deckhouse/deckhouse", "v1"))
    base = "registry.d8-system.svc:5001/system/deckhouse"
    assert node_route.canary(images, ("deckhouse/deckhouse",)) == base + ":v1"
    assert node_route.canary(images, ("missing",)) == base + "@sha256:1"
    assert node_route.canary((), ("missing",)) == ""
