"""One manifest, read and understood: what it is, and which parts it names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from registry_gateway import names
from registry_gateway.oci import INDEX_TYPES, MANIFEST_TYPES
from registry_gateway.sources.base import Answer, BodyError, Query, Reason, SourceError
from registry_gateway.target import Kind

MANIFEST_LIMIT = 4 * 1024 * 1024  # bytes; registries take no larger ones (distribution spec 1.1, "Pushing manifests")
PARTS_LIMIT = 1000  # of one manifest; runtimes take 127 layers, the largest indices have tens of platforms
# What runtimes take (image spec, "Registered Algorithms", and SHA-384 of containerd). Since what a digest names is
# verified, no manifest can lead back to itself.
ALGORITHMS = ("sha256", "sha384", "sha512")
WORD_LIMIT = 128  # characters of a media type or a word of a platform
_ACCEPT = tuple(("Accept", media_type) for media_type in (*INDEX_TYPES, *MANIFEST_TYPES))
_ELSEWHERE = ("nondistributable", "foreign")  # layers that registries need not have (image spec, "layer.md")
_AGAIN = "copy the image there again"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a manifest says of one part: `role` is manifest, config or layer; `size` in bytes, None when not told."""

    role: str
    digest: str
    size: int | None
    platform: str  # of a manifest in an index: os/architecture[/variant]

    @property
    def kind(self) -> Kind:
        """How it is asked for."""
        return Kind.MANIFEST if self.role == "manifest" else Kind.BLOB


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as found: its digest and size are those of the bytes that came."""

    media_type: str
    digest: str
    size: int
    is_index: bool
    entries: tuple[Entry, ...]


def query(reference: str, *, rest: str = "") -> Query:
    """What asks for it: `rest` is the repository below the base."""
    return Query(Kind.MANIFEST, rest, reference, headers=_ACCEPT)


async def read(answer: Answer, reference: str) -> Manifest:
    """The manifest in `answer`. Raises SourceError: cut off, too large, other content than its digest, malformed."""
    host, content = answer.source, bytearray()
    try:
        async for piece in answer.body:
            content += piece
            if len(content) > MANIFEST_LIMIT:
                raise wrong(host, reference, f"is a manifest above {MANIFEST_LIMIT} bytes", "no registry takes such")
    except BodyError:
        message = f"{host} did not send {reference} to its end; check the network"
        raise SourceError(Reason.UNREACHABLE, message, host=host) from None
    for digest in (reference, answer.headers.get("Docker-Content-Digest", "")):
        if _is_verifiable(digest) and digest != _digest(digest.partition(":")[0], content):
            raise wrong(host, reference, "has other content than its digest says")
    document = _document(content, host, reference)
    media_type = _word(document.get("mediaType")) or _word(
        answer.headers.get("Content-Type", "").partition(";")[0].strip()
    )
    is_index = media_type in INDEX_TYPES or "manifests" in document
    return Manifest(
        media_type=media_type,
        digest=reference if _is_verifiable(reference) else _digest("sha256", content),
        size=len(content),
        is_index=is_index,
        entries=_entries(document, is_index, host, reference),
    )


def wrong(host: str, reference: str, what: str, remedy: str = _AGAIN) -> SourceError:
    """The verdict on content that came but is not what it should be."""
    return SourceError(Reason.UPSTREAM_ERROR, f"at {host}, {reference} {what}; {remedy}", host=host)


def _document(content: bytearray, host: str, reference: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise wrong(host, reference, "is no manifest")
    return document


def _entries(document: dict[str, Any], is_index: bool, host: str, reference: str) -> tuple[Entry, ...]:
    if is_index:
        groups = {"manifest": document.get("manifests")}
    elif isinstance(document.get("config"), dict):
        groups = {"config": [document["config"]], "layer": document.get("layers", [])}
    else:
        raise wrong(host, reference, "is no image manifest that a current runtime understands")
    entries: list[Entry] = []
    for role, group in groups.items():
        if not isinstance(group, list) or not all(isinstance(value, dict) for value in group):
            raise wrong(host, reference, "is a malformed manifest")
        entries += _group(role, group, host, reference)
    if len(entries) > PARTS_LIMIT:
        raise wrong(host, reference, f"is a manifest of more than {PARTS_LIMIT} parts", "no runtime takes such")
    return tuple(entries)


def _group(role: str, group: list[dict[str, Any]], host: str, reference: str) -> Iterator[Entry]:
    for value in group:
        if _is_elsewhere(value):
            continue
        digest, size = value.get("digest"), value.get("size")
        if not isinstance(digest, str) or not _is_verifiable(digest):
            raise wrong(host, reference, "is a malformed manifest: it names a part without a digest that runtimes know")
        yield Entry(role, digest, size if isinstance(size, int) else None, _platform(value.get("platform")))


def _platform(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    words = [_word(value.get(key)) for key in ("os", "architecture", "variant")]
    return "/".join(word for word in words if word)


def _word(value: object) -> str:
    """`value` if it may be shown at a terminal as it stands."""
    fits = isinstance(value, str) and len(value) <= WORD_LIMIT and value.isascii() and value.isprintable()
    return str(value) if fits else ""


def _is_elsewhere(value: dict[str, Any]) -> bool:
    media_type = value.get("mediaType")
    return isinstance(media_type, str) and any(word in media_type for word in _ELSEWHERE)


def _is_verifiable(digest: str) -> bool:
    return names.is_digest(digest) and digest.partition(":")[0] in ALGORITHMS


def _digest(algorithm: str, content: bytearray) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
