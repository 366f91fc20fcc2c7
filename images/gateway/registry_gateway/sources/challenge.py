"""WWW-Authenticate headers (RFC 9110 §11.6.1), read defensively: they come from outside and decide where passwords
go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

HEADER_LIMIT = 8192  # characters of all headers together; beyond it nothing is read

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the RFC's word for a bare word, not a secret
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))')
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+|(?=,)|$)")
_GAP = re.compile(r"[ \t,]*")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge: the scheme and the parameters' names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge of `headers`, in order; reading stops at what is no challenge. Never raises."""
    text = ", ".join(headers)
    if len(text) > HEADER_LIMIT:
        return ()
    challenges: list[Challenge] = []
    position = _skip(text, 0)
    while position < len(text):
        scheme = _SCHEME.match(text, position)
        if scheme is None:
            break
        position = scheme.end()
        parameters, position = _parameters(text, position)
        challenges.append(Challenge(scheme[1].lower(), parameters))
    return tuple(challenges)


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: Bearer with a realm before Basic; None when there is neither."""
    known = [challenge for challenge in challenges if challenge.scheme in ("bearer", "basic")]
    for challenge in known:
        if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
            return challenge
    return next((challenge for challenge in known if challenge.scheme == "basic"), None)


def _parameters(text: str, position: int) -> tuple[dict[str, str], int]:
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(text, _skip(text, position)):
        name, quoted, bare = match.groups()
        # The first wins: a second realm behind it must not change where a password goes.
        parameters.setdefault(name.lower(), bare if quoted is None else _ESCAPE.sub(r"\1", quoted))
        position = match.end()
    return parameters, _skip(text, position)


def _skip(text: str, position: int) -> int:
    gap = _GAP.match(text, position)
    return gap.end() if gap else position
