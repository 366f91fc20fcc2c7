"""WWW-Authenticate: what registries send, and what a hostile one could."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway.sources.challenge import HEADER_LIMIT, Challenge, choose, parse

BEARER = 'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push"'


def test_a_bearer_challenge_is_read_whole() -> None:
    assert parse([BEARER]) == (
        Challenge(
            "bearer",
            {"realm": "https://auth.example.com/token", "service": "registry", "scope": "repository:a/b:pull,push"},
        ),
    )


@pytest.mark.parametrize(
    ("headers", "schemes"),
    [
        (["Basic realm=x"], ["basic"]),
        (["BASIC REALM=x"], ["basic"]),
        (['Basic realm="a", ' + BEARER], ["basic", "bearer"]),
        ([BEARER, 'Basic realm="a"'], ["bearer", "basic"]),
        (["Negotiate, Basic realm=x"], ["negotiate", "basic"]),
        (["Negotiate"], ["negotiate"]),
        ([", ,Basic realm=x"], ["basic"]),
        ([], []),
        ([""], []),
        (['"'], []),
        (["="], []),
        (['Basic realm="unclosed'], ["basic", "realm"][:1]),
        (["Basic " + "a" * HEADER_LIMIT], []),
    ],
)
def test_challenges_are_found_in_order(headers: list[str], schemes: list[str]) -> None:
    assert [challenge.scheme for challenge in parse(headers)] == schemes


def test_quoted_pairs_and_commas_stay_in_the_value() -> None:
    assert parse([r'Basic realm="a \"quoted\", word"'])[0].parameters["realm"] == 'a "quoted", word'


def test_a_second_realm_does_not_replace_the_first() -> None:
    assert parse(['Bearer realm="https://a", realm="https://b"'])[0].parameters["realm"] == "https://a"


def test_bearer_is_preferred_to_basic() -> None:
    chosen = choose(parse(['Basic realm="a"', BEARER]))
    assert chosen is not None
    assert chosen.scheme == "bearer"


def test_bearer_without_a_realm_gives_way_to_basic() -> None:
    chosen = choose(parse(['Bearer service="x"', 'Basic realm="a"']))
    assert chosen is not None
    assert chosen.scheme == "basic"


def test_unknown_schemes_are_not_answered() -> None:
    assert choose(parse(["Negotiate", "Digest realm=x"])) is None


@given(st.lists(st.text(max_size=300), max_size=4))
def test_any_header_is_read_without_failing(headers: list[str]) -> None:
    choose(parse(headers))


@given(st.text(alphabet='Bearer realm="\\,=; \t', max_size=400))
def test_nearly_right_headers_are_read_without_failing(header: str) -> None:
    choose(parse([header]))


VALUE = st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(realm=VALUE, service=VALUE)
def test_any_printable_value_comes_through_quoting(realm: str, service: str) -> None:
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in (realm, service)]
    header = f'Bearer realm="{quoted[0]}", service="{quoted[1]}"'
    assert parse([header])[0].parameters == {"realm": realm, "service": service}
