"""From what the store says to what clients are told (distribution spec 1.1, "Error Codes")."""

from __future__ import annotations

from registry_gateway.oci import Code, OciError
from registry_gateway.store import errors
from registry_gateway.target import Kind

RETRY_SECONDS = "1"  # until a broken request to the same upload is noticed, or the store is open

_UNKNOWN = {Kind.MANIFEST: Code.MANIFEST_UNKNOWN, Kind.BLOB: Code.BLOB_UNKNOWN}
_ANSWERS: tuple[tuple[type[errors.StoreError], int, Code], ...] = (
    (errors.InvalidNameError, 400, Code.DIGEST_INVALID),  # names are checked before; it is the algorithm
    (errors.DigestMismatchError, 400, Code.DIGEST_INVALID),
    (errors.ManifestInvalidError, 400, Code.MANIFEST_INVALID),
    (errors.ContentMissingError, 400, Code.MANIFEST_BLOB_UNKNOWN),
    (errors.TooLargeError, 413, Code.SIZE_INVALID),
    (errors.UploadUnknownError, 404, Code.BLOB_UPLOAD_UNKNOWN),
    # Clients repeat 503 at once and several times, which is of no use on a full disk; 507 they show to people.
    (errors.NoSpaceError, 507, Code.UNAVAILABLE),
)


def refusal(error: errors.StoreError, kind: Kind) -> OciError:
    """The answer to a request for `kind` that the store refused."""
    for one, status, code in _ANSWERS:
        if isinstance(error, one):
            return OciError(status, code, error.message)
    if isinstance(error, errors.UnknownError):
        return OciError(404, _UNKNOWN.get(kind, Code.NAME_UNKNOWN), error.message)
    if isinstance(error, errors.UploadBusyError):
        return OciError(503, Code.BLOB_UPLOAD_INVALID, error.message, retry_after=RETRY_SECONDS)
    return OciError(503, Code.UNAVAILABLE, error.message)
