"""Names of uploads as clients get them: `<replica>.<upload>`, or `<upload>` where replicas have no names.

Clients take them as they are (distribution spec, "Pushing blobs": the `Location`). The replica's name says whose disk
has what was sent so far.
"""

from __future__ import annotations

import re

_SESSION = re.compile(r"(?:([a-z0-9][a-z0-9.-]{0,252})\.)?([0-9a-f]{32})")  # a node's name is a DNS subdomain


def session_of(replica: str, upload: str) -> str:
    """The session of an upload of the store at the replica `replica` ("": it has no name)."""
    return f"{replica}.{upload}" if replica else upload


def owner_of(session: str) -> str:
    """The replica that has the upload; "" when the session names none, or is none."""
    return _part(session, 1)


def upload_of(session: str) -> str:
    """The upload's id at its replica; "" when this is no session."""
    return _part(session, 2)


def _part(session: str, number: int) -> str:
    match = _SESSION.fullmatch(session)
    return (match[number] or "") if match else ""
