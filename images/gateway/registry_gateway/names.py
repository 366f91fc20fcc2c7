"""Names of repositories, tags and digests, and the alias between the cluster's name and the registry's own.

The grammar is that of the OCI distribution spec 1.1 ("Pulling manifests") and of the image spec ("Digests").
"""

from __future__ import annotations

import re

NAME_LIMIT = 255  # characters of a whole repository name; the spec's clients limit host and name together to it

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]{1,256})")
_HEX_LENGTH = {"sha256": 64, "sha512": 128}  # registered algorithms have a fixed form
_HEX = re.compile(r"[a-f0-9]+")
# Base paths come from the administrator, whose registry may be laxer than the spec: any case, any dots inside.
_BASE_SEGMENT = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


def is_name(text: str) -> bool:
    """Whether `text` is a repository name: no dot segments, no empty segments, no encoding."""
    return len(text) <= NAME_LIMIT and _NAME.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Whether `text` is a tag."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether `text` is a digest; of the registered algorithms also whether it has the right length."""
    match = _DIGEST.fullmatch(text)
    if match is None:
        return False
    length = _HEX_LENGTH.get(match[1])
    return length is None or (len(match[2]) == length and _HEX.fullmatch(match[2]) is not None)


def is_reference(text: str) -> bool:
    """Whether `text` may follow `/manifests/`."""
    return is_tag(text) or is_digest(text)


def is_base_path(text: str) -> bool:
    """Whether `text` is a base path at a registry: empty, or segments without leading or trailing slash."""
    return text == "" or (
        len(text) <= NAME_LIMIT and all(_BASE_SEGMENT.fullmatch(segment) for segment in text.split("/"))
    )


def below(base: str, name: str) -> str | None:
    """What is left of `name` below `base`, on whole segments: "" for the base itself, None when it is elsewhere.

    >>> below("system/deckhouse", "system/deckhouse/modules/x"), below("system/deckhouse", "system/deckhouses")
    ('modules/x', None)
    """
    if base == "":
        return name
    if name == base:
        return ""
    return name[len(base) + 1 :] if name.startswith(base + "/") else None


def join(base: str, rest: str) -> str | None:
    """`rest` below `base`; None when that is no repository (both empty) or too long a name."""
    name = f"{base}/{rest}" if base and rest else base or rest
    return name if name and len(name) <= NAME_LIMIT else None
