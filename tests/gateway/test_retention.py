"""Which releases stay: the order of versions, and the choice, against rules written another way."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_gateway.upkeep.retention import PLATFORM, Tag, about, choose, line_of
from registry_gateway.upkeep.versions import Version

ALIAS = "system/deckhouse"
NUMBERS = st.integers(0, 3).map(str)
WORDS = st.one_of(st.integers(0, 12).map(str), st.sampled_from(["alpha", "beta", "rc", "rc-1", "-", "x7", "7x"]))
VERSIONS = st.builds(
    lambda numbers, words: "v" + ".".join(numbers) + ("-" + ".".join(words) if words else ""),
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
    st.lists(WORDS, max_size=3),
)
OTHERS = st.sampled_from(["stable", "alpha", "early-access", "rock-solid", "latest", "v1", "v1.2", "1.2.3", "v1.2.3_x"])
TAGS = st.frozensets(st.one_of(VERSIONS, OTHERS), max_size=10)
REPOSITORIES = (
    "",
    "/install",
    "/install-standalone",
    "/release-channel",
    "/modules/a",
    "/modules/a/release",
    "/modules/b",
)
CONTENT = st.fixed_dictionaries({ALIAS + rest: TAGS for rest in REPOSITORIES})


def precedence(one: str, other: str) -> int:
    """Semantic Versioning 2.0, "11. Precedence", point by point."""

    def parts(tag: str) -> tuple[list[int], list[str]]:
        core, _, words = tag[1:].partition("-")
        return [int(number) for number in core.split(".")], words.split(".") if words else []

    (core, words), (other_core, other_words) = parts(one), parts(other)
    if core != other_core:
        return -1 if core < other_core else 1
    if not words or not other_words:
        return bool(other_words) - bool(words)
    for left, right in zip(words, other_words, strict=False):
        if left == right:
            continue
        if left.isdecimal() and right.isdecimal():
            return -1 if int(left) < int(right) else 1
        if left.isdecimal() != right.isdecimal():
            return -1 if left.isdecimal() else 1
        return -1 if left < right else 1
    return (len(words) > len(other_words)) - (len(words) < len(other_words))


@given(st.lists(VERSIONS, max_size=12))
def test_versions_are_ordered_as_the_specification_says(tags: list[str]) -> None:
    ours = sorted(tags, key=lambda tag: Version.of(tag) or pytest.fail(tag))
    assert ours == sorted(tags, key=functools.cmp_to_key(precedence))


@pytest.mark.parametrize(
    "tag", ["1.2.3", "v1.2", "v01.2.3", "v1.2.3-01", "v1.2.3-", "v1.2.3-a..b", "V1.2.3", "v1.2.3.4"]
)
def test_what_the_specification_calls_no_version_is_none(tag: str) -> None:
    assert Version.of(tag) is None


@settings(max_examples=60)  # each has some fifty tags
@given(CONTENT, st.integers(0, 4), st.data())
def test_the_newest_and_the_expected_stay_and_all_that_is_no_version(
    content: dict[str, frozenset[str]], keep_releases: int, data: st.DataObject
) -> None:
    everything = [Tag(repository, tag) for repository, tags in sorted(content.items()) for tag in sorted(tags)]
    pinned = data.draw(st.frozensets(st.sampled_from(everything))) if everything else frozenset()
    chosen = choose(ALIAS, content, keep_releases=keep_releases, expected=pinned)
    stays = {tag for tag in everything if chosen.keeps(tag.repository, tag.name)}
    assert pinned <= stays
    assert all(tag in stays for tag in everything if Version.of(tag.name) is None)
    assert all(tag in stays for tag in everything if "/modules/" in tag.repository), "nobody said which of them run"
    versions = sorted(filter(Version.of, content[ALIAS]), key=functools.cmp_to_key(precedence))
    newest = set(versions[-keep_releases:])
    own = {tag.name for tag in stays if tag.repository == ALIAS and Version.of(tag.name)}
    assert own == newest | {tag.name for tag in pinned if tag.repository == ALIAS and tag.name in versions}
    for tag in everything:  # what goes with it
        if line_of(ALIAS, tag.repository) == PLATFORM and tag.name in versions and tag not in pinned:
            assert (tag in stays) == (tag.name in own)
    left = {ALIAS: [tag.name for tag in stays if tag.repository == ALIAS]}
    again = choose(ALIAS, left, keep_releases=keep_releases, expected=pinned)
    assert all(again.keeps(tag.repository, tag.name) for tag in stays), "a second collection finds nothing more"


def test_a_version_whose_release_is_not_there_yet_stays_unless_it_is_older_than_all() -> None:
    chosen = choose(ALIAS, {ALIAS: ["v1.70.0", "v1.71.0"]}, keep_releases=2)
    keeps = functools.partial(chosen.keeps, ALIAS + "/install")
    assert [keeps(tag) for tag in ("v1.72.0", "v1.70.1", "v1.71.0", "v1.69.0")] == [True, True, True, False]


def test_tags_elsewhere_and_without_any_release_stay() -> None:
    assert choose(ALIAS, {ALIAS: ["v1.0.0", "v2.0.0"]}, keep_releases=1).keeps("other", "v1.0.0")
    assert choose(ALIAS, {ALIAS: ["stable"]}, keep_releases=1).keeps(ALIAS + "/install", "v1.0.0")


@settings(max_examples=60)
@given(CONTENT, st.integers(0, 4), VERSIONS)
def test_of_a_module_that_runs_the_newest_stay_and_what_runs_and_all_that_is_newer(
    content: dict[str, frozenset[str]], keep_releases: int, running: str
) -> None:
    module = f"{ALIAS}/modules/a"
    chosen = choose(ALIAS, content, keep_releases=keep_releases, modules={"a": running})
    versions = sorted(filter(Version.of, content[module]), key=functools.cmp_to_key(precedence))
    wanted = {*versions[-keep_releases:], *(tag for tag in versions if precedence(tag, running) >= 0)}
    for tag in content[module]:
        assert chosen.keeps(module, tag) == (tag not in versions or tag in wanted or not wanted)
    for tag in content[f"{module}/release"] & set(versions):
        assert chosen.keeps(f"{module}/release", tag) == chosen.keeps(module, tag)
    assert all(chosen.keeps(f"{ALIAS}/modules/b", tag) for tag in content[f"{ALIAS}/modules/b"])
    assert all(
        chosen.keeps(ALIAS, tag) == choose(ALIAS, content, keep_releases=keep_releases).keeps(ALIAS, tag)
        for tag in content[ALIAS]
    )


HEX = "ab" * 32


@pytest.mark.parametrize("tag", [HEX, f"sha256-{HEX}", f"sha256-{HEX}.sig", f"sha256-{HEX}.att"])
def test_a_digest_as_a_tag_is_about_that_digest(tag: str) -> None:
    assert about(tag) == f"sha256:{HEX}"


@pytest.mark.parametrize("tag", ["v1.70.0", "stable", HEX[:-1], f"sha256-{HEX}.old", f"x{HEX}"])
def test_other_tags_are_about_no_digest(tag: str) -> None:
    assert about(tag) == ""
