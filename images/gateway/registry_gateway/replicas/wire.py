"""What replicas say to each other, as JSON. A peer is trusted, but not to be of the same version: all is checked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from registry_gateway import names
from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.store.stamps import Stamped

PREFIX = "/v2/_replicas/"  # no repository's name begins with an underscore
STATE, SUMMARY, NAMES, CHANGES = (PREFIX + word for word in ("state", "summary", "names/", "changes"))
LIMIT = 8 * 1024 * 1024  # bytes of one document; a page of names has less than 1 MiB
PAGE = 2000  # names
_MEDIA_TYPES = (*MANIFEST_TYPES, *INDEX_TYPES)


class WireError(Exception):
    """A document that is not as it should be."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of a repository that the sender has changed."""

    repository: str
    names: tuple[Stamped, ...]


def render_names(found: Iterable[Stamped]) -> list[list[str | int]]:
    """Names as they are sent."""
    return [[one.key, one.stamp, one.value] for one in found]


def render_changes(repository: str, changed: Iterable[Stamped]) -> bytes:
    """The body of a request that tells of changes."""
    return json.dumps({"repository": repository, "names": render_names(changed)}).encode()


def read_changes(body: bytes) -> Changes:
    """What such a body says. Raises WireError."""
    document = _object(body)
    repository = document.get("repository")
    if not isinstance(repository, str) or not names.is_name(repository):
        raise WireError("repository: must be a repository's name")
    return Changes(repository, tuple(_names(document)))


def read_names(body: bytes) -> list[Stamped]:
    """A page of names. Raises WireError."""
    return _names(_object(body))


def read_summary(body: bytes) -> dict[str, str]:
    """Hashes by repository. Raises WireError."""
    found = _object(body).get("repositories")
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise WireError("repositories: must be an object of strings")
    if not all(names.is_name(name) for name in found):
        raise WireError("repositories: must have names of repositories")
    return found


def render_taken(taken: bool) -> bytes:
    """The answer to changes: whether all of them are on disk now."""
    return json.dumps({"taken": taken}).encode()


def read_taken(body: bytes) -> bool:
    """What such an answer says. Raises WireError."""
    return _object(body).get("taken") is True


def _object(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise WireError("must be JSON") from None
    if not isinstance(document, dict):
        raise WireError("must be an object")
    return document


def _names(document: dict[str, object]) -> list[Stamped]:
    entries = document.get("names")
    if not isinstance(entries, list):
        raise WireError("names: must be a list")
    return [_name(entry, f"names[{number}]") for number, entry in enumerate(entries)]


def _name(entry: object, path: str) -> Stamped:
    match entry:
        case [str(key), int(stamp), str(value)] if names.is_reference(key) and 0 <= stamp < 2**63:
            found = Stamped(key, stamp, value)
        case _:
            raise WireError(f"{path}: must be a tag or digest, a time and a value")
    if value and not (names.is_digest(value) if found.is_tag else value in _MEDIA_TYPES):
        raise WireError(f"{path}: must be a tag with a digest, or a digest with a media type")
    return found
