"""The configuration: the contract's example, every field's complaint, and nothing told of values."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway import config, proxies, tls
from registry_gateway.config_store import Peer, Role, StoreConfig
from tests.gateway.material import Material

UPSTREAM: dict[str, Any] = {
    "id": "0123456789abcdef",
    "scheme": "https",
    "host": "registry.example.com:8443",
    "path": "deckhouse/ee",
    "user": "reader",
    "password": "pa:ss wörd",
    "ca": "",
    "realms": ["auth.example.net", "auth.example.net:8443"],
}
PROXY = {
    "http": "http://proxy.example.com:3128",
    "https": "http://reader:pa%3Ass@proxy.example.com:3128",
    "except": ["example.com", ".corp", "10.0.0.0/8", "198.51.100.7"],
}
DOCUMENT: dict[str, Any] = {
    "schema": 1,
    "version": "0123456789abcdef",
    "alias": "system/deckhouse",
    "routes": [UPSTREAM],
    "check": {
        "version": "fedcba9876543210",
        "upstream": UPSTREAM,
        "images": [{"name": "deckhouse/deckhouse", "reference": "sha256:" + "a" * 64}],
    },
    "clients": {
        "nodes": True,
        "anonymous": False,
        "users": [
            {"name": "ro", "sha256": "0" * 64, "rights": "pull"},
            {"name": "rw", "sha256": "F" * 64, "rights": "push"},
        ],
    },
    "proxy": PROXY,
}
SECRET = "s3cr3t-marker"


def parse(document: object) -> config.Config:
    return config.parse(json.dumps(document).encode())


def changed(path: str, value: object) -> dict[str, Any]:
    document: Any = copy.deepcopy(DOCUMENT)
    *parents, last = path.replace("[", ".[").split(".")
    entry = document
    for part in parents:
        entry = entry[int(part[1:-1])] if part.startswith("[") else entry[part]
    if last.startswith("["):
        entry[int(last[1:-1])] = value
    else:
        entry[last] = value
    return document  # type: ignore[no-any-return] # Any on the way down only


def test_the_example_of_the_contract_is_parsed_whole() -> None:
    through = proxies.Proxies(
        proxies.proxy("http://proxy.example.com:3128"),
        proxies.proxy("http://reader:pa%3Ass@proxy.example.com:3128"),
        proxies.bypasses(["example.com", ".corp", "10.0.0.0/8", "198.51.100.7"]),
    )
    realms = ("auth.example.net", "auth.example.net:8443")
    upstream = config.Upstream(**{**UPSTREAM, "realms": realms}, proxies=through)
    assert parse(DOCUMENT) == config.Config(
        version="0123456789abcdef",
        alias="system/deckhouse",
        routes=(upstream,),
        check=config.Check("fedcba9876543210", upstream, (config.Image("deckhouse/deckhouse", "sha256:" + "a" * 64),)),
        clients=config.Clients(
            nodes=True,
            anonymous=False,
            users=(config.User("ro", bytes(32), "pull"), config.User("rw", b"\xff" * 32, "push")),
        ),
    )


def test_unknown_keys_are_ignored() -> None:
    document = changed("routes[0]", {**UPSTREAM, "later": {"x": 1}})
    assert parse({**document, "later": {"size": "50Gi"}}) == parse(DOCUMENT)


def test_a_store_and_its_peers_are_parsed_whole() -> None:
    store = {"role": "copy", "keepReleases": 3, "fill": [UPSTREAM], "fillRate": 5, "scrubRate": 7, "minFree": 9}
    store["modules"] = [{"name": "operator-x", "version": "v1.2.3"}]
    peers = [{"name": "m1", "host": "198.51.100.11:5001"}]
    found = parse({**DOCUMENT, "store": store, "peers": peers})
    assert found.store is not None
    assert [upstream.host for upstream in found.store.fill] == ["registry.example.com:8443"]
    assert replace(found.store, fill=()) == StoreConfig(
        Role.COPY, min_free=9, keep_releases=3, modules=(("operator-x", "v1.2.3"),), fill_rate=5, scrub_rate=7
    )
    assert found.peers == (Peer("m1", "198.51.100.11:5001"),)
    assert len(found.upstreams) == 1


def test_a_check_of_the_store_needs_a_store() -> None:
    document = changed("check.upstream", None)
    with pytest.raises(config.ConfigError, match=r"check.upstream: is missing, and there is no store"):
        parse(document)
    assert parse({**document, "store": {"role": "copy"}}).check is not None


@pytest.mark.parametrize("module", [{"name": "a/b", "version": "v1"}, {"name": "a", "version": "v1:x"}, {"name": "a"}])
def test_modules_that_can_be_no_repository_or_tag_are_named(module: dict[str, str]) -> None:
    store = {"role": "copy", "modules": [{"name": "a", "version": "v1"}, module]}
    with pytest.raises(config.ConfigError, match=r"store.modules\[1\]"):
        parse({**DOCUMENT, "store": store})


def test_no_routes_and_no_check_are_a_configuration() -> None:
    empty = parse({"schema": 1, "version": "v", "alias": "system/deckhouse", "routes": [], "check": None})
    assert (empty.routes, empty.check, empty.clients.nodes) == ((), None, False)


def test_a_real_certificate_is_taken_as_ca(material: Material) -> None:
    assert parse(changed("routes[0].ca", material.ca.cert)).routes[0].ca == material.ca.cert


def test_words_around_certificates_do_not_matter(material: Material) -> None:
    text = "Наш центр сертификации:\n" + material.ca.cert
    assert parse(changed("routes[0].ca", text)).routes[0].ca == text
    tls.upstream_context(text)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", 2),
        ("schema", "1"),
        ("version", ""),
        ("version", "a b"),
        ("alias", "System"),
        ("alias", "../x"),
        ("routes", {}),
        ("routes[0]", "x"),
        ("routes[0].id", ""),
        ("routes[0].scheme", "ftp"),
        ("routes[0].host", ""),
        ("routes[0].host", "a/b"),
        ("routes[0].host", "user:pw@host"),
        ("routes[0].host", "host:0"),
        ("routes[0].host", "host:99999"),
        ("routes[0].host", "ho st"),
        ("routes[0].host", "a..b"),
        ("routes[0].path", "/a"),
        ("routes[0].path", "a/../b"),
        ("routes[0].path", None),
        ("routes[0].user", "a:b"),
        ("routes[0].user", 5),
        ("routes[0].password", "a\nb"),
        ("routes[0].ca", "not pem"),
        ("routes[0].ca", "не сертификат"),
        ("routes[0].ca", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("routes[0].realms", "auth.example.net"),
        ("routes[0].realms[1]", "https://auth.example.net"),
        ("routes[0].realms[0]", ""),
        ("routes[0].realms[0]", 5),
        ("check.upstream.realms[0]", "a/b"),
        ("proxy", "http://proxy.example.com"),
        ("proxy.http", "proxy.example.com:3128"),
        ("proxy.http", "socks5://proxy.example.com:3128"),
        ("proxy.https", "http://proxy.example.com:0"),
        ("proxy.https", "http://u:p@proxy.example.com/x"),
        ("proxy.https", None),
        ("proxy.except", "example.com"),
        ("proxy.except[1]", 5),
        ("proxy.except[0]", "a\nb"),
        ("check", []),
        ("check.version", None),
        ("check.images", "x"),
        ("check.images[0].name", 1),
        ("check.images[0].reference", "sha256:12"),
        ("clients.nodes", "yes"),
        ("clients.anonymous", None),
        ("clients.users[1].name", ""),
        ("clients.users[1].sha256", "abc"),
        ("clients.users[1].rights", "admin"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(path: str, value: object) -> None:
    with pytest.raises(config.ConfigError, match=path.replace("[", r"\[").replace("]", r"\]") + ": "):
        parse(changed(path, value))


def test_all_complaints_are_told_at_once() -> None:
    document = changed("alias", "")
    document["routes"][0]["scheme"] = "x"
    with pytest.raises(config.ConfigError, match=r"alias: .*; routes\[0\]\.scheme: "):
        parse(document)


def test_a_password_without_a_user_is_refused() -> None:
    with pytest.raises(config.ConfigError, match=r"routes\[0\]\.user: is missing"):
        parse(changed("routes[0].user", ""))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000, b'"x"', b"null"])
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(config.ConfigError):
        config.parse(text)


LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from([SECRET, SECRET + "\n:"])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(UPSTREAM)), inner, max_size=3),
    max_leaves=5,
)
PATHS = st.sampled_from(
    ["schema", "version", "alias", "routes", "routes[0]", "check", "check.upstream", "check.images", "check.images[0]"]
    + ["proxy", "proxy.http", "proxy.https", "proxy.except", "proxy.except[0]", "routes[0].realms[0]"]
    + ["clients", "clients.users", "clients.users[0]", "clients.users[1].sha256", "clients.nodes"]
    + [f"routes[0].{name}" for name in UPSTREAM]
)


def complaint(document: object) -> str:
    try:
        parse(document)
    except config.ConfigError as error:
        return str(error)
    return ""


@given(PATHS, JSON)
def test_a_complaint_never_shows_a_value(path: str, value: object) -> None:
    assert SECRET not in complaint(changed(path, value))


@given(JSON)
def test_any_document_is_a_configuration_or_a_complaint(document: object) -> None:
    with pytest.raises(config.ConfigError):
        parse(document)


def test_secrets_are_not_in_the_representation() -> None:
    assert "pa:ss" not in repr(parse(DOCUMENT))
    assert "pa%3Ass" not in repr(parse(DOCUMENT))
