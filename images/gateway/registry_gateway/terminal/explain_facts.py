"""What `explain` tells of each source, and of each part of the image; the keys are in `explain`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from registry_gateway import names
from registry_gateway.check import manifest
from registry_gateway.check.manifest import Entry
from registry_gateway.check.walk import Part
from registry_gateway.sources.base import Query, Source, SourceError
from registry_gateway.sources.peer import PeerSource
from registry_gateway.sources.upstream import UpstreamSource
from registry_gateway.terminal.registries import identity


async def ask(source: Source, rest: str, reference: str) -> tuple[dict[str, Any], SourceError | None]:
    """What `source` answers, and the error with which the next one would be asked."""
    query = manifest.query(reference, rest=rest)
    content: manifest.Manifest | None = None
    refusal: SourceError | None = None  # there is no answer
    fault: SourceError | None = None  # there is one, with content that is of no use
    started = time.perf_counter()
    try:
        answer = await source.fetch(query)
    except SourceError as error:
        refusal, status = error, error.status
    else:
        status = answer.status
        try:
            content = await manifest.read(answer, reference)
        except SourceError as error:
            fault = error
        finally:
            await answer.close()
    trouble = refusal or fault
    return {
        **_who(source, query),
        "answered": refusal is None,
        "status": status,
        "digest": content.digest if content else "",
        "mediaType": content.media_type if content else "",
        "size": content.size if content else None,
        "seconds": round(time.perf_counter() - started, 3),
        "reason": trouble.reason.value if trouble else "",
        "message": trouble.message if trouble else "",
    }, refusal


def _who(source: Source, query: Query) -> dict[str, Any]:
    """Who that is, and as whom it was asked."""
    nobody = {"user": "", "login": "", "tokenServer": "", "scope": ""}
    if isinstance(source, PeerSource):
        return {"kind": "peer", "id": source.peer.name, "host": source.peer.host, "url": "", **nobody}
    if not isinstance(source, UpstreamSource):
        return {"kind": "store", "id": "", "host": "", "url": "", **nobody}
    name = names.join(source.upstream.path, query.rest)
    return {
        "kind": "registry",
        "id": source.upstream.id,
        "host": source.upstream.host,
        "url": str(source.url(name, query)) if name else "",
        **identity(source, name or ""),
    }


def parts(root: Part) -> Iterator[dict[str, Any]]:
    """All of an image, depth first."""
    yield _part(root, root.error, role="manifest")
    for entry, part in root.below:
        yield from _below(entry, part, depth=1)


def _below(entry: Entry, part: Part, *, depth: int) -> Iterator[dict[str, Any]]:
    yield _part(part, part.fault(entry), role=entry.role, platform=entry.platform, depth=depth, size=entry.size)
    for inner, deeper in part.below:
        yield from _below(inner, deeper, depth=depth + 1)


def _part(
    part: Part, error: SourceError | None, *, role: str, platform: str = "", depth: int = 0, size: int | None = None
) -> dict[str, Any]:
    return {
        "depth": depth,
        "role": role,
        "reference": part.reference,
        "source": "" if part.error else part.host,
        "platform": platform,
        "mediaType": part.media_type,
        "size": size if part.size is None else part.size,
        "reason": error.reason.value if error else "",
        "message": error.message if error else "",
    }
