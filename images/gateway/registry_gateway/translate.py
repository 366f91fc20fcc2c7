"""From what sources say to what clients are told (reference: OCI distribution spec 1.1, "Error Codes")."""

from __future__ import annotations

from registry_gateway.oci import Code, OciError
from registry_gateway.sources.base import Reason, SourceError
from registry_gateway.sources.ordered import NoAnswerError
from registry_gateway.target import Kind

RETRY_SECONDS = "5"  # what a client should wait when the cause may pass by itself

_UNKNOWN = {Kind.MANIFEST: Code.MANIFEST_UNKNOWN, Kind.BLOB: Code.BLOB_UNKNOWN}


def failure(error: NoAnswerError, kind: Kind) -> OciError:
    """The answer when no source had one: status and code of the best error, the messages of all."""
    if not error.errors:
        return OciError(503, Code.UNAVAILABLE, "no registry is configured yet", retry_after=RETRY_SECONDS)
    best = error.best
    status, code = _status(best, kind)
    retry_after = best.retry_after or (RETRY_SECONDS if status in (429, 502, 503, 504) else "")
    others = [(_status(other, kind)[1], other.message) for other in error.errors if other is not best]
    return OciError(
        status,
        code,
        best.message,
        retry_after=retry_after,
        also=others,
        challenge=status == 401,
        content_range=best.content_range if status == 416 else "",
    )


def _status(error: SourceError, kind: Kind) -> tuple[int, Code]:
    if error.status == 416:
        return 416, Code.RANGE_INVALID
    if error.status == 429:
        return 429, Code.TOOMANYREQUESTS
    match error.reason:
        case Reason.NOT_FOUND:
            return 404, _UNKNOWN.get(kind, Code.NAME_UNKNOWN)
        case Reason.UNAUTHORIZED:
            return 401, Code.UNAUTHORIZED
        case Reason.FORBIDDEN:
            return 403, Code.DENIED
        case Reason.UNREACHABLE:
            return 504 if error.late else 503, Code.UNAVAILABLE
        case _:
            return 502, Code.UNAVAILABLE
