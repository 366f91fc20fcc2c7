"""Who may ask: subjects and dates of certificates, passwords, credentials of routes, nobody."""

from __future__ import annotations

import base64
import calendar
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.access import PEER, PROVED_LIMIT, Certificate, Gatekeeper, Identity, node_name, parse_basic
from registry_gateway.config import Clients, Config, Upstream, User

NOW = float(calendar.timegm((2026, 6, 1, 0, 0, 0)))


def certificate(
    *, org: str = "system:nodes", cn: str = "system:node:w1", begin: str = "2026", end: str = "2027"
) -> Any:
    return {
        "subject": ((("organizationName", org),), (("commonName", cn),)),
        "notBefore": f"Jan  1 00:00:00 {begin} GMT",
        "notAfter": f"Jan  1 00:00:00 {end} GMT",
    }


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def gatekeeper(
    *,
    nodes: bool = True,
    anonymous: bool = False,
    password: str = "ro-pw",
    rights: str = "pull",
    former: Gatekeeper | None = None,
) -> Gatekeeper:
    def user(name: str, password: str, rights: str) -> User:
        return User(name, hashlib.sha256(password.encode()).digest(), rights)

    def route(user: str, password: str) -> Upstream:
        return Upstream("id", "https", "registry.example.com", "p", user, password)

    return Gatekeeper(
        Config(
            version="v",
            alias="system/deckhouse",
            routes=(route("license-token", "new"), route("license-token", "old"), route("", "")),
            clients=Clients(nodes, anonymous, (user("ro", password, rights), user("rw", "rw-pw", "push"))),
        ),
        former,
    )


def who(keeper: Gatekeeper, *, cert: Any = None, header: str = "") -> Identity | None:
    shown = None if cert is None else Certificate(cert)
    known = keeper.known(certificate=shown, authorization=header, now=NOW)
    return known or keeper.login(header) or keeper.anonymous


def known(keeper: Gatekeeper, header: str) -> Identity | None:
    return keeper.known(certificate=None, authorization=header, now=NOW)


def test_a_node_is_known_by_its_certificate() -> None:
    assert who(gatekeeper(), cert=certificate()) == Identity("node:w1")


@pytest.mark.parametrize(
    "cert",
    [
        None,
        {},
        certificate(org="system:masters"),
        certificate(cn="kubernetes-admin"),
        certificate(cn="system:node"),
        certificate(end="2026"),
        certificate(begin="2027", end="2028"),
        {"subject": certificate()["subject"]},
        {**certificate(), "subject": (*certificate()["subject"], (("commonName", "system:node:w2"),))},
        {**certificate(), "notAfter": "soon"},
    ],
)
def test_other_certificates_are_nobody(cert: Any) -> None:
    assert who(gatekeeper(), cert=cert) is None


def test_only_the_modules_authority_makes_a_peer() -> None:
    shown = certificate(org="registry.deckhouse.io:peers", cn="registry.d8-system.svc")
    keeper = gatekeeper()
    assert keeper.known(certificate=Certificate(shown, of_module=True), authorization="", now=NOW) == PEER
    assert keeper.known(certificate=Certificate(shown), authorization="", now=NOW) is None


@pytest.mark.parametrize(
    "shown",
    [
        certificate(),
        certificate(org="registry.deckhouse.io:peers", cn="x", end="2026"),
        certificate(org="registry.deckhouse.io", cn="x"),
    ],
)
def test_other_certificates_of_the_modules_authority_are_nobody(shown: Any) -> None:
    assert gatekeeper().known(certificate=Certificate(shown, of_module=True), authorization="", now=NOW) is None


def test_a_node_in_several_groups_is_a_node() -> None:
    cert = {**certificate(), "subject": ((("organizationName", "x"),), *certificate()["subject"])}
    assert node_name(cert, now=NOW) == "w1"


def test_a_node_is_let_in_although_it_sends_an_old_pull_secret() -> None:
    assert who(gatekeeper(), cert=certificate(), header=basic("license-token", "older")) == Identity("node:w1")


def test_nodes_are_not_known_when_the_configuration_says_so() -> None:
    assert who(gatekeeper(nodes=False), cert=certificate()) is None


def test_an_expired_certificate_does_not_spoil_a_password() -> None:
    assert who(gatekeeper(), cert=certificate(end="2026"), header=basic("ro", "ro-pw")) == Identity("user:ro")


@pytest.mark.parametrize(
    ("user", "password", "expected"),
    [
        ("ro", "ro-pw", Identity("user:ro")),
        ("rw", "rw-pw", Identity("user:rw", may_push=True)),
        ("license-token", "new", Identity("upstream:license-token")),
        ("license-token", "old", Identity("upstream:license-token")),
        ("ro", "rw-pw", None),
        ("ro", "", None),
        ("", "", None),
        ("", "ro-pw", None),
        ("RO", "ro-pw", None),
        ("unknown", "ro-pw", None),
    ],
)
def test_users_and_credentials_of_every_route_may_log_in(user: str, password: str, expected: Identity | None) -> None:
    assert who(gatekeeper(), header=basic(user, password)) == expected


def test_nobody_is_let_in_without_credentials() -> None:
    assert who(gatekeeper()) is None


def test_everybody_is_let_in_when_the_upstream_is_anonymous() -> None:
    assert who(gatekeeper(anonymous=True)) == Identity("anonymous")


def test_a_header_is_known_once_it_has_proved_right() -> None:
    keeper, header = gatekeeper(), basic("ro", "ro-pw")
    assert known(keeper, header) is None
    assert keeper.login(header) == known(keeper, header) == Identity("user:ro")


@pytest.mark.parametrize("header", ["", basic("ro", "wrong"), basic("rw", "rw-pw")])
def test_another_header_is_not_known(header: str) -> None:
    keeper = gatekeeper()
    keeper.login(basic("ro", "ro-pw"))
    keeper.login(basic("ro", "wrong"))
    assert known(keeper, header) is None


def test_what_proved_right_is_known_under_the_next_configuration() -> None:
    former, header = gatekeeper(), basic("ro", "ro-pw")
    former.login(header)
    assert known(gatekeeper(former=former), header) == Identity("user:ro")


@pytest.mark.parametrize(("password", "rights"), [("changed", "pull"), ("ro-pw", "push")])
def test_a_login_that_has_changed_is_not_known_under_the_next_configuration(password: str, rights: str) -> None:
    former, header = gatekeeper(), basic("ro", "ro-pw")
    former.login(header)
    assert known(gatekeeper(password=password, rights=rights, former=former), header) is None


def test_only_so_many_headers_are_remembered_and_the_latest_are() -> None:
    keeper = gatekeeper()
    spellings = [basic("ro", "ro-pw") + " " * spaces for spaces in range(PROVED_LIMIT + 1)]
    assert {keeper.login(header) for header in spellings} == {Identity("user:ro")}
    assert known(keeper, spellings[0]) is None
    assert {known(keeper, header) for header in spellings[1:]} == {Identity("user:ro")}


@pytest.mark.parametrize(
    "header", ["Bearer x", "Basic", "Basic ", "Basic !!!", "Basic YQ==", "Basic é", "Basic " + "A" * 99999]
)
def test_malformed_credentials_are_none(header: str) -> None:
    assert parse_basic(header) is None


@given(st.text(max_size=200))
def test_any_header_is_read_without_failing(header: str) -> None:
    assert who(gatekeeper(), header=header) is None


PRINTABLE = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=["Cc"]))


@given(user=PRINTABLE.filter(lambda text: ":" not in text and text), password=PRINTABLE)
def test_every_printable_password_comes_through(user: str, password: str) -> None:
    assert parse_basic(basic(user, password)) == (user.encode(), password.encode())
