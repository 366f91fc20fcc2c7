"""`config.json` with a store: what the module writes is what the gateway reads; without one nothing is new."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from lib.registry_module import facts, gateway_config, platform_facts
from lib.registry_module.gateway_config import GatewayConfig, check_version
from lib.registry_module.kept_images import KeptImage
from lib.registry_module.state import rebuild
from lib.registry_module.store_settings import CACHE, COPY, SPARE, StoreSettings
from registry_gateway import config as gateway
from registry_gateway.config_store import KeptImage as Stays
from registry_gateway.config_store import Peer, Role, StoreConfig
from tests.unit.test_gateway_config import MAIN, MIRROR, OLD, SALT, config

COPIED = StoreSettings(COPY, min_free=2, scrub_rate=3, keep_releases=5, fill=MAIN, fill_rate=7)
CACHED = StoreSettings(CACHE, min_free=2, scrub_rate=3, ttl=300, size=2**50)
SPARED = replace(COPIED, role=SPARE)
PEERS = (("m2", "2001:db8::12"), ("m1", "198.51.100.11"))


def parsed(given: GatewayConfig) -> gateway.Config:
    return gateway.parse(json.dumps(gateway_config.render(given, SALT)).encode(), environment={})


def test_cache_is_read_by_the_gateway_as_it_was_meant() -> None:
    read = parsed(config(MAIN, candidate=MAIN, store=CACHED, peers=PEERS))
    assert read.store == StoreConfig(Role.CACHE, ttl=300, size=2**50, min_free=2, scrub_rate=3)
    assert read.peers == (Peer("m1", "198.51.100.11:5001"), Peer("m2", "[2001:db8::12]:5001"))
    assert read.check is not None
    assert read.check.upstream == read.routes[0]


def test_copy_is_read_by_the_gateway_with_what_it_is_filled_from() -> None:
    read = parsed(config(store=COPIED, peers=PEERS))
    assert read.store is not None
    assert (read.store.role, read.store.keep_releases, read.store.fill_rate) == (Role.COPY, 5, 7)
    assert [one.host for one in read.store.fill] == ["main.example.com", "mirror.example.com", "second.example.com"]
    assert read.store.fill[0].password == "password-1"
    assert read.routes == ()
    assert read.check is not None
    assert read.check.upstream is None
    assert [image.reference for image in read.check.images] == ["v1"]


@pytest.mark.parametrize(("role", "told"), [(COPY, True), (CACHE, False), (SPARE, False)])
def test_images_that_stay_are_told_to_a_copy_and_survive_the_state(role: str, told: bool) -> None:
    wanted = replace(COPIED, role=role, keep=(KeptImage("", "v1.68.3"), KeptImage("modules/x", "v1.0.0")))
    assert StoreSettings.from_dict(json.loads(json.dumps(wanted.to_dict()))) == wanted
    read = parsed(config(OLD, candidate=OLD, store=wanted, peers=PEERS))
    assert read.store is not None
    assert read.store.keep == ((Stays("", "v1.68.3"), Stays("modules/x", "v1.0.0")) if told else ())


@pytest.mark.parametrize(("store", "told"), [(COPIED, True), (CACHED, False), (SPARED, False)])
def test_a_copy_is_told_which_versions_of_modules_run(store: StoreSettings, told: bool) -> None:
    raw = [
        {"name": "operator-x", "version": "v1.2.3"},
        {"name": "overridden", "version": "pr333"},
        {"name": "disabled", "version": None},
        {"name": "odd", "version": "not a tag"},
        {"name": "../up", "version": "v1.0.0"},
        {"name": 7, "version": "v1.0.0"},
        "odd",
    ]
    found = platform_facts.collect(
        secrets=[], leaders=[], deployments=[], client_ca=[], embedded=[], downloaded=raw
    )  # fmt: skip
    assert [one["name"] for one in found["downloaded"]] == ["disabled", "odd", "operator-x", "overridden"]
    modules = facts.parse({"platform": found}, None).modules
    read = parsed(replace(config(OLD, candidate=OLD, store=store, peers=PEERS), modules=modules))
    assert read.store is not None
    assert read.store.modules == ((("operator-x", "v1.2.3"), ("overridden", "pr333")) if told else ())


@pytest.mark.parametrize("settings", [CACHED, COPIED])
def test_spare_store_answers_and_is_not_filled(settings: StoreSettings) -> None:
    read = parsed(config(OLD, candidate=OLD, store=replace(settings, role=SPARE), peers=PEERS))
    assert read.store is not None
    assert (read.store.role, read.store.fill) == (Role.SPARE, ())
    assert read.check is not None
    assert read.check.upstream == read.routes[0]


def test_spare_store_without_a_candidate_has_no_check() -> None:
    assert gateway_config.render(config(OLD, store=SPARED), SALT)["check"] is None


def test_version_of_the_check_of_a_copy_changes_with_the_images_only() -> None:
    first = config(store=COPIED, peers=PEERS)
    assert check_version(first, SALT) != ""
    same = (
        replace(first, store=replace(COPIED, fill=MIRROR, keep_releases=9, path="/mnt/other")),
        replace(first, peers=()),
        replace(first, routes=(MAIN,)),
        replace(first, store=replace(CACHED, role=COPY)),
    )
    assert {check_version(one, SALT) for one in (first, *same)} == {check_version(first, SALT)}
    assert check_version(replace(first, images=(("a/b", "v2"),)), SALT) != check_version(first, SALT)
    assert check_version(replace(first, candidate=MAIN), SALT) != check_version(first, SALT)


def test_what_fills_a_copy_is_read_again_from_the_configuration() -> None:
    source = replace(MAIN, realms=("auth.example.com",))
    rendered = gateway_config.render(config(store=replace(COPIED, fill=source)), SALT)
    assert rebuild(json.dumps(rendered)).store == replace(COPIED, fill=source)


def test_version_covers_store_role_and_peers() -> None:
    first = config(MAIN, candidate=MAIN, store=COPIED, peers=PEERS)
    variants = [
        first,
        replace(first, store=None),
        replace(first, store=CACHED),
        replace(first, store=SPARED),
        replace(first, peers=PEERS[:1]),
        replace(first, store=replace(COPIED, fill=MIRROR)),
        replace(first, store=replace(COPIED, fill_rate=8)),
        replace(first, store=replace(COPIED, scrub_rate=8)),
        replace(first, store=replace(COPIED, min_free=8)),
        replace(first, store=replace(COPIED, keep_releases=8)),
    ]
    assert len({gateway_config.render(one, SALT)["version"] for one in variants}) == len(variants)


@pytest.mark.parametrize(
    ("given", "anonymous"),
    [
        (config(OLD), True),
        (config(MAIN), False),
        (config(OLD, store=CACHED), False),
        (config(OLD, store=CACHED, pulled_without_login=True), True),
        (config(OLD, store=COPIED), False),
        (config(OLD, store=COPIED, pulled_without_login=True), True),
        (config(MAIN, OLD, pulled_without_login=True), True),
        (config(store=COPIED), False),
        (config(OLD, store=SPARED), True),
    ],
    ids=[
        *(
            "direct",
            "direct-user",
            "proxy",
            "to-proxy",
            "local",
            "to-local",
            "direct-to-user",
            "local-push",
            "from-local",
        ),
    ],
)
def test_clients_without_a_login_are_served_where_pull_secrets_have_none(given: GatewayConfig, anonymous: bool) -> None:
    assert gateway_config.render(given, SALT)["clients"]["anonymous"] is anonymous


def test_without_a_store_the_configuration_is_the_one_from_before_stores_existed() -> None:
    """An upgrade of a cluster in Direct changes no version. The numbers are those of the version before."""
    rendered = gateway_config.render(config(MAIN, OLD, candidate=MAIN, peers=PEERS), SALT)
    assert list(rendered) == ["version", "schema", "alias", "routes", "check", "clients", "proxy"]
    assert (rendered["version"], rendered["check"]["version"]) == ("19abcade433f985c", "7834934fe0e3e7fd")


@examples(max_examples=50)
@given(
    st.builds(
        StoreSettings,
        role=st.sampled_from([CACHE, COPY, SPARE]),
        min_free=st.integers(0, 2**53),
        scrub_rate=st.integers(0, 2**53),
        ttl=st.integers(0, 10**9),
        size=st.integers(0, 2**53),
        keep_releases=st.integers(0, 100),
        fill=st.none() | st.just(MAIN),
        fill_rate=st.integers(0, 2**53),
    ),
    st.booleans(),
)
def test_whatever_store_is_rendered_the_gateway_accepts(store: StoreSettings, candidate: bool) -> None:
    fields: dict[str, Any] = {"candidate": MAIN if candidate else None}
    read = parsed(config(MAIN, **fields, store=store, peers=PEERS)).store
    assert read is not None
    assert (read.role, bool(read.fill)) == (store.role, bool(store.fill) and store.role == COPY)
    assert (read.ttl, read.size, read.min_free) == (store.ttl, store.size, store.min_free)
    assert (read.keep_releases, read.fill_rate, read.scrub_rate) == (
        store.keep_releases,
        store.fill_rate,
        store.scrub_rate,
    )
