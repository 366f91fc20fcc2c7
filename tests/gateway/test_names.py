"""Names: the grammar, and the alias both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_gateway import names, target
from registry_gateway.oci import OciError
from registry_gateway.target import Kind, Target

COMPONENT = st.from_regex(r"[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
NAME = st.lists(COMPONENT, min_size=1, max_size=5).map("/".join)
TAG = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", fullmatch=True)
DIGEST = st.from_regex(r"sha256:[a-f0-9]{64}", fullmatch=True)


@given(NAME)
def test_every_name_of_the_grammar_is_a_name(name: str) -> None:
    assert names.is_name(name) == (len(name) <= names.NAME_LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "a/./b",
        "a/../b",
        "..",
        "A",
        "a b",
        "a%2fb",
        "a\n",
        "-a",
        "a-",
        "a..b",
        "a/b?c",
        "é",
        "a" * 256,
    ],
)
def test_what_the_grammar_does_not_have_is_no_name(text: str) -> None:
    assert not names.is_name(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sha256:" + "a" * 64, True),
        ("sha512:" + "0" * 128, True),
        ("sha256:" + "a" * 63, False),
        ("sha256:" + "A" * 64, False),
        ("sha256:" + "g" * 64, False),
        ("blake3+x:Zm9v=_-", True),
        ("sha256", False),
        (":abc", False),
        ("sha256:", False),
        ("sha256:" + "a" * 64 + "\n", False),
    ],
)
def test_digest_has_the_form_of_its_algorithm(text: str, expected: bool) -> None:
    assert names.is_digest(text) is expected


@given(base=NAME, rest=st.one_of(st.just(""), NAME))
def test_joining_and_taking_apart_are_inverse(base: str, rest: str) -> None:
    joined = names.join(base, rest)
    if joined is not None:
        assert names.below(base, joined) == rest


@given(base=NAME, other=NAME)
def test_alias_matches_whole_segments_only(base: str, other: str) -> None:
    rest = names.below(base, other)
    if rest is not None:
        assert other.split("/")[: len(base.split("/"))] == base.split("/")


def test_a_longer_word_is_not_below_the_alias() -> None:
    assert names.below("system/deckhouse", "system/deckhouses/x") is None


def test_an_empty_base_and_an_empty_rest_make_no_repository() -> None:
    assert names.join("", "") is None


@pytest.mark.parametrize("path", ["", "deckhouse/ee", "Team_A/x.y", "a--b/c"])
def test_base_paths_of_registries_are_taken(path: str) -> None:
    assert names.is_base_path(path)


@pytest.mark.parametrize(
    "path", ["/a", "a/", "a//b", "..", "a/../b", ".", "a/.b", "a b", "a%2eb", "a\x00", "a?b", "a#b"]
)
def test_base_paths_with_other_meanings_are_refused(path: str) -> None:
    assert not names.is_base_path(path)


@given(name=NAME, reference=st.one_of(TAG, DIGEST))
def test_manifest_path_is_read_back_whole(name: str, reference: str) -> None:
    if names.is_name(name):
        assert target.parse(f"/v2/{name}/manifests/{reference}") == Target(Kind.MANIFEST, name, reference)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v2/", Target(Kind.BASE)),
        ("/v2", Target(Kind.BASE)),
        ("/v2/a/tags/list", Target(Kind.TAGS, "a")),
        ("/v2/tags/list/tags/list", Target(Kind.TAGS, "tags/list")),
        ("/v2/manifests/manifests/manifests", Target(Kind.MANIFEST, "manifests", "manifests")),
        ("/v2/a/blobs/uploads/", Target(Kind.UPLOAD, "a")),
        ("/v2/a/blobs/uploads/5f2c-1", Target(Kind.UPLOAD, "a", "5f2c-1")),
        ("/v2/_catalog", Target(Kind.CATALOG)),
        ("/v2/a/b/referrers/sha256:" + "a" * 64, Target(Kind.REFERRERS, "a/b", "sha256:" + "a" * 64)),
    ],
)
def test_endpoints_of_the_spec_are_known(path: str, expected: Target) -> None:
    assert target.parse(path) == expected


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/", 404, "UNSUPPORTED"),
        ("/v1/x", 404, "UNSUPPORTED"),
        ("/v2/a", 404, "UNSUPPORTED"),
        ("/v2//a/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a//b/manifests/x", 400, "NAME_INVALID"),
        ("/v2/../../etc/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a/./manifests/x", 400, "NAME_INVALID"),
        ("/v2/a%2f..%2fb/manifests/x", 400, "NAME_INVALID"),
        ("/v2/a/manifests/%2e%2e", 400, "NAME_INVALID"),
        ("/v2/A/manifests/x", 400, "NAME_INVALID"),
        ("/v2/" + "a" * 256 + "/manifests/x", 400, "NAME_INVALID"),
        ("/v2/" + "a/" * 600 + "manifests/x", 400, "NAME_INVALID"),
        ("/v2/a/manifests/" + "x" * 129, 400, "MANIFEST_INVALID"),
        ("/v2/a/manifests/", 400, "MANIFEST_INVALID"),
        ("/v2/a/blobs/latest", 400, "DIGEST_INVALID"),
        ("/v2/a/blobs/sha256:123", 400, "DIGEST_INVALID"),
        ("/v2/a/referrers/x", 400, "DIGEST_INVALID"),
    ],
)
def test_malformed_paths_are_refused_with_their_code(path: str, status: int, code: str) -> None:
    with pytest.raises(OciError) as refused:
        target.parse(path)
    assert (refused.value.status, refused.value.code) == (status, code)


def refusal(path: str) -> int:
    try:
        found = target.parse(path)
    except OciError as error:
        return error.status
    assert found.name == "" or names.is_name(found.name)
    assert not {"%", "?", "#", "\\", " "} & set(found.name + found.reference)
    return 0


@given(st.text(max_size=1200))
def test_any_path_gives_a_valid_target_or_a_refusal(path: str) -> None:
    assert refusal("/v2/" + path) in (0, 400, 404)
