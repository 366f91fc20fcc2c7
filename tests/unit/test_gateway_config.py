"""`config.json`: addresses in the order to ask, token servers, proxy, and versions that cover all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lib.registry_module import gateway_config, node_route, settings
from lib.registry_module.cluster_proxy import ClusterProxy
from lib.registry_module.gateway_config import GatewayConfig
from lib.registry_module.node_route import NodeRoute
from lib.registry_module.state import State, restore
from lib.registry_module.upstream import Upstream
from registry_gateway import config as gateway
from tests.unit.test_settings import CA

MIRROR = Upstream("http", "mirror.example.com", "deckhouse/ee", "user", "password-1")
SECOND = Upstream("https", "second.example.com", "deckhouse/ee", "other", "password-2")
MAIN = Upstream("https", "main.example.com", "deckhouse/ee", "user", "password-1", failover=(MIRROR, SECOND))
OLD = Upstream("https", "old.example.com", "deckhouse/ee")
SALT = "00"


def config(*routes: Upstream, **fields: Any) -> GatewayConfig:
    given: dict[str, Any] = {"candidate": None, "images": (("a/b", "v1"),), "users": (), "certificates": "", **fields}
    return GatewayConfig(routes=routes, **given)


def hosts(rendered: dict[str, Any]) -> list[str]:
    return [route["host"] for route in rendered["routes"]]


def test_failovers_stand_right_behind_the_address_they_stand_in_for() -> None:
    rendered = gateway_config.render(config(MAIN, OLD), SALT)
    assert hosts(rendered) == ["main.example.com", "mirror.example.com", "second.example.com", "old.example.com"]
    assert rendered["routes"][1] == {
        "id": MIRROR.identity(SALT),
        "scheme": "http",
        "host": "mirror.example.com",
        "path": "deckhouse/ee",
        "user": "user",
        "password": "password-1",
        "ca": "",
    }


def test_address_that_was_there_before_a_change_of_failovers_is_listed_once() -> None:
    rendered = gateway_config.render(config(MAIN, replace(MAIN, failover=(SECOND,)), replace(MAIN, failover=())), SALT)
    assert hosts(rendered) == ["main.example.com", "mirror.example.com", "second.example.com"]


def test_old_and_new_password_of_one_address_are_two_routes() -> None:
    changed = replace(MAIN, password="password-3", failover=(replace(MIRROR, password="password-3"),))
    rendered = gateway_config.render(config(changed, replace(MAIN, failover=(MIRROR,))), SALT)
    assert [(r["host"], r["password"]) for r in rendered["routes"]] == [
        ("main.example.com", "password-3"),
        ("mirror.example.com", "password-3"),
        ("main.example.com", "password-1"),
        ("mirror.example.com", "password-1"),
    ]
    assert len({route["id"] for route in rendered["routes"]}) == 4


def test_token_servers_are_those_of_the_upstream_for_its_failovers_too() -> None:
    rendered = gateway_config.render(config(replace(MAIN, realms=("auth.example.com",)), OLD), SALT)
    assert [route.get("realms") for route in rendered["routes"]] == [["auth.example.com"]] * 3 + [None]


def test_images_are_checked_at_the_main_address_only() -> None:
    alone = replace(MAIN, failover=())
    checks = [gateway_config.render(config(candidate=one), SALT)["check"] for one in (MAIN, alone)]
    assert checks[0] == checks[1]
    assert checks[0]["upstream"]["host"] == "main.example.com"


def test_new_token_server_is_a_reason_to_check_again() -> None:
    versions = {
        gateway_config.check_version(config(candidate=replace(MAIN, realms=realms)), SALT)
        for realms in ((), ("auth.example.com",), ("auth.example.com:8443",))
    }
    assert len(versions) == 3


def test_proxy_is_null_when_there_is_none() -> None:
    assert gateway_config.render(config(), SALT)["proxy"] is None


def test_version_and_identity_change_with_failovers_token_servers_and_proxy() -> None:
    proxy = ClusterProxy("http://u:p@proxy.example.com", "", ())
    variants = [
        config(MAIN),
        config(replace(MAIN, failover=(MIRROR,))),
        config(replace(MAIN, failover=(SECOND, MIRROR))),
        config(replace(MAIN, failover=(MIRROR, replace(SECOND, password="password-3")))),
        config(replace(MAIN, realms=("auth.example.com",))),
        config(MAIN, proxy=proxy),
        config(MAIN, proxy=replace(proxy, http="http://u:q@proxy.example.com")),
        config(MAIN, proxy=replace(proxy, exceptions=("example.com",))),
    ]
    assert len({gateway_config.render(variant, SALT)["version"] for variant in variants}) == len(variants)
    assert len({variant.routes[0].identity(SALT) for variant in variants[:5]}) == 5


def test_gateway_accepts_what_is_rendered() -> None:
    proxy = ClusterProxy(
        "http://u:p@proxy.example.com:3128", "https://proxy.example.com", ("example.com", "10.0.0.0/8")
    )
    route = replace(MAIN, realms=("auth.example.com", "[2001:db8::1]:8443"))
    rendered = gateway_config.render(config(route, OLD, candidate=route, proxy=proxy), SALT)
    parsed = gateway.parse(json.dumps(rendered).encode())
    assert [upstream.host for upstream in parsed.routes] == hosts(rendered)
    assert parsed.check is not None
    assert parsed.check.upstream == parsed.routes[0]


def test_state_keeps_failovers_and_token_servers() -> None:
    route = replace(MAIN, realms=("auth.example.com",))
    state = State(SALT, settings.Settings("Direct", route), None, (route, OLD), (route.route(),))
    assert restore(json.dumps(state.to_dict())) == state


def test_state_from_before_failovers_existed_is_read_and_fingerprints_stay() -> None:
    fields = {
        "scheme": "https",
        "host": "old.example.com",
        "path": "deckhouse/ee",
        "user": "",
        "password": "",
        "ca": "",
    }
    data = {**State(SALT).to_dict(), "settings": {"mode": "Direct", "upstream": fields}, "gatewayRoutes": [fields]}
    state = restore(json.dumps(data))
    assert (state.gateway_routes, state.settings) == ((OLD,), settings.Settings("Direct", OLD))
    assert OLD.to_dict() == fields


SECRETS = ("SECRET-ONE", "SECRET-TWO", "SECRET-THREE", "SECRET-FOUR")
HOST = st.sampled_from(["a.example.com", "B.example.com:5000", "198.51.100.1", "[2001:db8::1]:443"])


def credentials(secret: str) -> st.SearchStrategy[dict[str, str]]:
    pair = {"user": st.just("user-of-" + secret), "password": st.sampled_from([secret, secret + '"\\é:@/'])}
    return st.just({}) | st.fixed_dictionaries(pair) | st.just({"license": secret})


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """Right settings of mode Direct, with another secret in each address."""
    addresses = []
    for number, secret in enumerate(SECRETS[: draw(st.integers(1, 4))]):
        tls = st.just({"scheme": "http"}) | st.fixed_dictionaries({}, optional={"ca": st.just(CA)})
        path = f"/{draw(st.sampled_from(['deckhouse', 'mirror']))}/{number}/"
        addresses.append({"host": draw(HOST), "path": path, **draw(tls), **draw(credentials(secret))})
    main, *failover = addresses
    if main.get("scheme") == "http":
        failover = [{name: value for name, value in one.items() if name != "ca"} for one in failover]
    return {**main, "failover": failover, "tokenRealms": draw(st.lists(HOST, max_size=3))}


def leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """(nearest key, value) of each value that is neither an object nor a list."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from leaves(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, key)
    else:
        yield key, node


@examples(max_examples=50)
@given(sections())
def test_accepted_settings_survive_json_and_keep_secrets_in_their_fields(section: dict[str, Any]) -> None:
    verdict = settings.parse({"mode": "Direct", "direct": section})
    assert verdict.settings is not None, verdict.errors
    assert settings.Settings.from_dict(json.loads(json.dumps(verdict.settings.to_dict()))) == verdict.settings
    upstream = verdict.settings.upstream
    assert upstream is not None
    rendered = gateway_config.render(config(upstream, candidate=upstream), SALT)
    assert json.loads(json.dumps(rendered)) == rendered
    assert len(rendered["routes"]) == 1 + len(section["failover"])
    assert {key for key, value in leaves(rendered) if "SECRET" in str(value)} <= {"user", "password"}
    assert "SECRET" not in json.dumps(node_route.render(NodeRoute("apply", (upstream.route(),))))
