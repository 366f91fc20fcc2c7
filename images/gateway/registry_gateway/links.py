"""What in an answer names the repository: the `Link` to the next page, and the name in a list of tags."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from registry_gateway.oci import Code, OciError

QUERY_LIMIT = 2048  # characters; page tokens of registries are some hundred
LINK_LIMIT = 8192

_QUERY = re.compile(r"[A-Za-z0-9._~!$'()*+,;=:@/?%&-]*")  # RFC 3986, "query"
_LINK = re.compile(r'<([^<>]*)>((?:[ \t]*;[ \t]*[a-z*-]+[ \t]*=[ \t]*(?:"[^"]*"|[^\s";,]+))*)', re.IGNORECASE)
_NEXT = re.compile(r';[ \t]*rel[ \t]*=[ \t]*"?next"?[ \t]*(?:;|$)', re.IGNORECASE)


def parameters(raw: str) -> str:
    """The query to pass on with a list request: all of it but `ns`, which is containerd's word to mirrors.

    The spec has `n`, `last` and `artifactType`; a `Link` to the next page may carry any other, and clients follow it
    as it is. Raises OciError for what is no query.
    """
    if len(raw) > QUERY_LIMIT or not _QUERY.fullmatch(raw):
        raise OciError(400, Code.UNSUPPORTED, "not a query string")
    return "&".join(part for part in raw.split("&") if part and part.partition("=")[0] != "ns")


def next_page(link: str, *, ours: str) -> str:
    """The `Link` header for the client, or "" when `link` leads to no next page.

    `ours` is the path of the same list at the gateway. Only the query of the upstream's link is kept: its host and
    path are the upstream's business, and the next page of a list is at the same path.
    """
    if len(link) > LINK_LIMIT:
        return ""
    for target, attributes in _LINK.findall(link):
        if not _NEXT.search(attributes):
            continue
        try:
            parts = urlsplit(target)
        except ValueError:
            continue
        tail = ours.rsplit("/", 2)[1:]
        if parts.path and parts.path.rstrip("/").rsplit("/", 2)[1:] != tail:
            continue
        if parts.query and len(parts.query) <= QUERY_LIMIT and _QUERY.fullmatch(parts.query):
            return f'<{ours}?{parts.query}>; rel="next"'
    return ""


def rename_tags(body: bytes, *, name: str) -> bytes | None:
    """A list of tags with `name` as the repository's name; None when `body` is no such list."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    document["name"] = name
    return json.dumps(document, separators=(",", ":")).encode()
