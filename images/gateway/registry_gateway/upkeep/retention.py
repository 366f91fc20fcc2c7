"""Which tags stay: releases by version, and all that is no version.

There are lines of releases: one is the platform's, whose releases are the version tags of the base repository; each
downloaded module has one of its own, in `modules/<name>`. The same tag in `install`, `release-channel`,
`modules/<name>/release`, … goes and stays with it. Of a module whose running version is not known everything stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from registry_gateway import names
from registry_gateway.upkeep.versions import Version

PLATFORM = ""  # the name of its line; the others have their modules' names
_MODULES = "modules"
# A digest as a tag: of mirroring tools, of referrers without their API, of cosign's signatures.
_ABOUT = re.compile(r"(?:sha256-)?([a-f0-9]{64})(?:\.(?:sig|att|sbom))?")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of a repository."""

    repository: str
    name: str


@dataclass(frozen=True, slots=True)
class Line:
    """Releases of one thing. `repository` has them; `kept`: the versions that stay, newest first; `known`: all."""

    repository: str
    kept: tuple[str, ...]
    known: frozenset[str]

    def keeps(self, tag: str, version: Version) -> bool:
        """Whether the version `tag` stays, here and in the repositories that go with it."""
        if tag in self.kept or not self.kept:
            return True
        # Its release is not (yet) there: a push may bring it, unless it is older than all that stay.
        return tag not in self.known and version > _version(self.kept[-1])


@dataclass(frozen=True, slots=True)
class Retention:
    """What stays, by line: PLATFORM or a module's name."""

    alias: str
    lines: Mapping[str, Line]
    expected: frozenset[Tag]

    def line(self, repository: str) -> Line | None:
        """The line that decides about `repository`; None when none does, and all of it stays."""
        name = line_of(self.alias, repository)
        return None if name is None else self.lines.get(name)

    def keeps(self, repository: str, tag: str) -> bool:
        """Whether `tag` stays. One that no release decides about does, and one that is no version."""
        version, line = Version.of(tag), self.line(repository)
        if version is None or line is None or Tag(repository, tag) in self.expected:
            return True
        return line.keeps(tag, version)


def choose(
    alias: str,
    tags: Mapping[str, Collection[str]],
    *,
    keep_releases: int,
    expected: Iterable[Tag] = (),
    modules: Mapping[str, str] | None = None,
) -> Retention:
    """What stays of `tags` (by repository): the newest `keep_releases` versions of each line (0: all) and what is
    `expected`. Of the line of a module in `modules` also the version that runs, which is given there, and all newer
    ones: an update is not over when it is pushed.
    """
    wanted = frozenset(expected)
    pinned = {tag.name for tag in wanted if tag.repository == alias}
    lines = {PLATFORM: _line(alias, tags.get(alias, ()), keep_releases, lambda tag: tag in pinned)}
    for name, running in (modules or {}).items():
        version = Version.of(running)
        if version is None:  # any other tag, of a developer: no order says what came before it
            continue
        repository = f"{alias}/{_MODULES}/{name}"

        def is_in_use(tag: str, version: Version = version, repository: str = repository) -> bool:
            return _version(tag) >= version or Tag(repository, tag) in wanted

        lines[name] = _line(repository, tags.get(repository, ()), keep_releases, is_in_use)
    return Retention(alias, lines, wanted)


def _line(repository: str, tags: Iterable[str], keep_releases: int, is_in_use: Callable[[str], bool]) -> Line:
    versions = sorted((tag for tag in tags if Version.of(tag)), key=_version, reverse=True)
    newest = versions[:keep_releases] if keep_releases else versions
    kept = tuple(tag for tag in versions if tag in newest or is_in_use(tag))
    return Line(repository, kept, frozenset(versions))


def line_of(alias: str, repository: str) -> str | None:
    """The line that `repository` belongs to, None when it is elsewhere.

    >>> [line_of("a", one) for one in ("a", "a/install", "a/modules/x", "a/modules/x/release", "a/modules", "b")]
    ['', '', 'x', 'x', None, None]
    """
    rest = names.below(alias, repository)
    if rest is None:
        return None
    first, _, behind = rest.partition("/")
    return PLATFORM if first != _MODULES else behind.partition("/")[0] or None


def about(tag: str) -> str:
    """The digest that `tag` is another writing of, or says something about; "" when it is an ordinary tag."""
    match = _ABOUT.fullmatch(tag)
    return f"sha256:{match[1]}" if match else ""


def _version(tag: str) -> Version:
    version = Version.of(tag)
    assert version is not None  # noqa: S101 - callers have looked
    return version
