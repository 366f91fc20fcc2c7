"""Settings: further addresses and token servers: what is taken from the main address, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from lib.registry_module import settings
from lib.registry_module.upstream import Upstream, normalize_ca
from tests.unit.test_settings import CA, direct

OWN_CA = CA.replace("eHh4", "eHh5")
MAIN = {"host": "main.example.com:5000", "path": "/deckhouse/ee", "user": "user", "password": "password-1", "ca": CA}


def upstream(*failover: Any, **fields: Any) -> Upstream:
    verdict = settings.parse({"mode": "Direct", "direct": {**MAIN, "failover": list(failover), **fields}})
    assert verdict.settings is not None, verdict.errors
    assert verdict.settings.upstream is not None
    return verdict.settings.upstream


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("https", "deckhouse/ee", "user", "password-1", CA)),
        ({"path": "mirror/ee/"}, ("https", "mirror/ee", "user", "password-1", CA)),
        ({"user": "v", "password": "q"}, ("https", "deckhouse/ee", "v", "q", CA)),
        ({"license": "KEY"}, ("https", "deckhouse/ee", "license-token", "KEY", CA)),
        ({"ca": OWN_CA}, ("https", "deckhouse/ee", "user", "password-1", OWN_CA)),
        ({"scheme": "HTTP"}, ("http", "deckhouse/ee", "user", "password-1", "")),
        ({"scheme": None, "path": None, "user": None, "ca": ""}, ("https", "deckhouse/ee", "user", "password-1", CA)),
    ],
)
def test_failover_takes_what_it_does_not_say_from_the_main_address(
    given: dict[str, Any], expected: tuple[str, ...]
) -> None:
    *fields, ca = expected
    (failover,) = upstream({"host": "Mirror.example.com", **given}).failover
    scheme, path, user, password = fields
    assert failover == Upstream(scheme, "mirror.example.com", path, user, password, normalize_ca(ca))


def test_failover_of_a_registry_without_tls_may_have_tls_and_an_authority() -> None:
    (failover,) = upstream({"host": "m", "scheme": "https", "ca": CA}, scheme="http", ca="").failover
    assert (failover.scheme, failover.ca) == ("https", normalize_ca(CA))


def test_failover_with_a_licence_beside_a_user_of_the_main_address_has_the_licence_only() -> None:
    main = upstream({"host": "m", "user": "v", "password": "q"}, user="", password="", license="KEY")
    assert (main.user, main.failover[0].user) == ("license-token", "v")


def test_failovers_keep_their_order_and_have_no_lists_of_their_own() -> None:
    main = upstream({"host": "b"}, {"host": "a"}, {"host": "main.example.com:5000", "path": "/c"}, tokenRealms=["r"])
    assert [(one.host, one.realms, one.failover) for one in main.failover] == [
        ("b", (), ()),
        ("a", (), ()),
        ("main.example.com:5000", (), ()),
    ]


def test_token_servers_are_a_set_in_one_form() -> None:
    one = upstream(tokenRealms=["b.example.com:8443", "A.example.com"])
    assert one.realms == ("a.example.com", "b.example.com:8443")
    assert one == upstream(tokenRealms=["A.Example.com", "b.example.com:8443", "a.example.com"])


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"failover": {}}, "failover"),
        ({"failover": [{"host": f"m{i}"} for i in range(4)]}, "failover"),
        ({"failover": ["secret.example.com"]}, "failover[0]"),
        ({"failover": [{"host": "m"}, {}]}, "failover[1].host"),
        ({"failover": [{"host": "m"}, {"host": "user:secret@m"}]}, "failover[1].host"),
        ({"failover": [{"host": "registry.d8-system.svc:5001"}]}, "failover[0].host"),
        ({"failover": [{"host": "MAIN.example.com:5000"}]}, "failover[0].host"),
        ({"failover": [{"host": "m"}, {"host": "M", "path": "deckhouse/ee"}]}, "failover[1].host"),
        ({"failover": [{"host": "m", "path": "/.."}]}, "failover[0].path"),
        ({"failover": [{"host": "m", "path": ""}]}, "failover[0].path"),
        ({"failover": [{"host": "m", "scheme": "ftp"}]}, "failover[0].scheme"),
        ({"failover": [{"host": "m", "user": "v"}]}, "failover[0].password"),
        ({"failover": [{"host": "m", "password": "secret"}]}, "failover[0].user"),
        ({"failover": [{"host": "m", "user": "a:b", "password": "secret"}]}, "failover[0].user"),
        ({"failover": [{"host": "m", "user": "v", "password": "secret", "license": "K"}]}, "failover[0].license"),
        ({"failover": [{"host": "m", "license": "secret\x00"}]}, "failover[0].license"),
        ({"failover": [{"host": "m", "ca": "secret"}]}, "failover[0].ca"),
        ({"failover": [{"host": "m", "scheme": "http", "ca": CA}]}, "failover[0].ca"),
        ({"scheme": "http", "failover": [{"host": "m", "ca": CA}]}, "failover[0].ca"),
        ({"failover": [{"host": "m", "user": 5}]}, "failover[0].user"),
        ({"tokenRealms": "secret.example.com"}, "tokenRealms"),
        ({"tokenRealms": [f"r{i}" for i in range(9)]}, "tokenRealms"),
        ({"tokenRealms": ["r", None]}, "tokenRealms[1]"),
        ({"tokenRealms": ["https://secret.example.com"]}, "tokenRealms[0]"),
        ({"tokenRealms": ["user:secret@r"]}, "tokenRealms[0]"),
        ({"tokenRealms": ["*.example.com"]}, "tokenRealms[0]"),
        ({"tokenRealms": [""]}, "tokenRealms[0]"),
    ],
)
def test_wrong_entry_is_named_and_its_value_is_not_shown(fields: dict[str, Any], field: str) -> None:
    verdict = direct(**{**MAIN, "ca": "", **fields})
    assert verdict.settings is None
    assert [error.field for error in verdict.errors] == ["direct." + field]
    assert "secret" not in " ".join(map(str, verdict.errors))


def test_mistake_of_the_main_address_is_told_once() -> None:
    verdict = direct(path="/..", user="", failover=[{"host": "m"}])
    assert [error.field for error in verdict.errors] == ["direct.path", "direct.user"]
