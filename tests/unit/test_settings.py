"""Settings: what is accepted, what is refused, and that every refusal names its field and never its value."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.registry_module import settings
from lib.registry_module.upstream import Upstream, host_error, normalize_ca, path_error
from tests.unit.world import DIRECT

GOOD = DIRECT["direct"]
DER = b"\x30\x82\x01\x00" + b"x" * 256
CA = "-----BEGIN CERTIFICATE-----\n" + base64.b64encode(DER).decode() + "\n-----END CERTIFICATE-----\n"


def direct(**fields: Any) -> settings.Verdict:
    return settings.parse({"mode": "Direct", "direct": {**GOOD, **fields}})  # type: ignore[dict-item] # a literal of mixed values


def test_direct_is_normalized() -> None:
    verdict = direct(scheme="HTTPS", host="Registry.Example.com:5000", path="deckhouse/ee/", ca=" \n" + CA)
    assert verdict.settings is not None
    assert verdict.settings.upstream == Upstream(
        "https", "registry.example.com:5000", "deckhouse/ee", "user", "password-1", normalize_ca(CA)
    )


def test_licence_is_user_license_token() -> None:
    verdict = settings.parse({"mode": "Direct", "direct": {"host": "r.example.com", "path": "/a", "license": "KEY"}})
    assert verdict.settings is not None
    assert verdict.settings.upstream is not None
    assert (verdict.settings.upstream.user, verdict.settings.upstream.password) == ("license-token", "KEY")


def test_unmanaged_looks_at_no_section() -> None:
    assert settings.parse({"mode": "Unmanaged", "direct": {"host": ".."}}).settings == settings.Settings("Unmanaged")
    assert settings.parse({}).settings == settings.Settings("Unmanaged")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"host": "h:0"}, "host"),
        ({"host": "h:99999"}, "host"),
        ({"host": "h:"}, "host"),
        ({"host": "user:secret@h"}, "host"),
        ({"host": "https://h"}, "host"),
        ({"host": "h/path"}, "host"),
        ({"host": "h\x07"}, "host"),
        ({"host": "-h"}, "host"),
        ({"host": "1.2.3.400"}, "host"),
        ({"host": "[::g]"}, "host"),
        ({"host": "$(reboot)"}, "host"),
        ({"host": "registry.d8-system.svc:5001"}, "host"),
        ({"host": 5}, "host"),
        ({"host": None}, "host"),
        ({"path": "/a/../b"}, "path"),
        ({"path": "/a/./b"}, "path"),
        ({"path": "/a//b"}, "path"),
        ({"path": "/"}, "path"),
        ({"path": "/A"}, "path"),
        ({"path": "/a b"}, "path"),
        ({"path": "/a\n"}, "path"),
        ({"path": "/" + "a/" * 150}, "path"),
        ({"path": "/{{ .x }}"}, "path"),
        ({"scheme": "ftp"}, "scheme"),
        ({"user": "a:b"}, "user"),
        ({"user": "a\n"}, "user"),
        ({"password": "secret\x00"}, "password"),
        ({"password": ""}, "password"),
        ({"user": ""}, "user"),
        ({"license": "KEY"}, "license"),
        ({"ca": "no pem"}, "ca"),
        ({"ca": CA.replace("MII", "!!!")}, "ca"),
        ({"ca": CA.replace("-----END CERTIFICATE-----", "")}, "ca"),
        ({"ca": CA.replace(base64.b64encode(DER).decode(), "YWJj")}, "ca"),
        ({"ca": CA, "scheme": "http"}, "ca"),
        ({"checkMode": "Never"}, "checkMode"),
    ],
)
def test_wrong_field_is_named_and_its_value_is_not_shown(fields: dict[str, Any], field: str) -> None:
    verdict = direct(**fields)
    assert verdict.settings is None
    assert verdict.reason == "SettingsInvalid"
    assert "direct." + field in [error.field for error in verdict.errors]
    assert "secret" not in " ".join(map(str, verdict.errors))


def test_all_errors_are_told_at_once() -> None:
    verdict = direct(host="", path="/..", user="")
    assert {error.field for error in verdict.errors} == {"direct.host", "direct.path", "direct.user"}


@pytest.mark.parametrize("values", [{"mode": "Direct"}, {"mode": "Direct", "direct": []}, {"mode": 7}, {"mode": None}])
def test_missing_section_or_unknown_mode_is_refused(values: dict[str, Any]) -> None:
    assert settings.parse(values).settings is None


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=4),
    max_leaves=8,
)


@given(section=st.dictionaries(st.sampled_from([*Upstream.__dataclass_fields__, "license", "tokenRealms"]), ANY))
def test_whatever_comes_is_judged_without_an_exception(section: dict[str, Any]) -> None:
    verdict = settings.parse({"mode": "Direct", "direct": section})
    assert (verdict.settings is None) == bool(verdict.errors)


@given(host=st.text(max_size=40))
def test_accepted_host_is_safe_for_every_sink(host: str) -> None:
    if not host_error(host):
        assert not set(host) & set(" \t\n\"'`$(){}<>|&;\\/@")


@given(path=st.text(max_size=40))
def test_accepted_path_is_safe_for_every_sink(path: str) -> None:
    if not path_error(path):
        assert not set(path) & set(" \t\n\"'`$(){}<>|&;\\:@")
        assert ".." not in path.split("/")


@given(text=st.text(alphabet="-BEGINCRTFAD \n=+/ab", max_size=200))
def test_normalized_ca_is_stable(text: str) -> None:
    assert normalize_ca(normalize_ca(text)) == normalize_ca(text)
