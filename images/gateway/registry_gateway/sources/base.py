"""What a source is: it takes a query and gives an answer, or a failure that says whose fault it was and what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from registry_gateway.target import Kind


class Reason(StrEnum):
    """Why a source could not answer; the words of RegistryReplica (docs/internal/ARCHITECTURE.md)."""

    UNREACHABLE = "Unreachable"
    TLS_FAILED = "TLSFailed"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    NOT_A_REGISTRY = "NotARegistry"
    UPSTREAM_ERROR = "UpstreamError"


class SourceError(Exception):
    """A source's refusal. `status` is the HTTP status it answered with, 0 when it gave none; the message has no
    secret.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        host: str = "",
        status: int = 0,
        retry_after: str = "",
        content_range: str = "",
        redirected: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason, self.message, self.host, self.status = reason, message, host, status
        self.retry_after, self.content_range = retry_after, content_range
        self.redirected = redirected  # the status came from a storage server that the source pointed to
        self.late = late  # it took the request and did not answer in time


@dataclass(frozen=True, slots=True)
class Query:
    """A request for content. `rest` is the repository below the base ("" = the base itself), of which each source has
    its own; `headers` are the client's that concern content, repeated ones kept apart; `parameters` is a raw query
    string.
    """

    kind: Kind
    rest: str
    reference: str = ""
    method: str = "GET"
    headers: Sequence[tuple[str, str]] = ()
    parameters: str = ""


def ignore(*_: object) -> None:
    """A listener for whom nothing matters."""


async def _nothing() -> None:
    return None


async def _empty() -> AsyncIterator[bytes]:
    return
    yield b""


@dataclass(slots=True)
class Answer:
    """A success: 200, 206 or 304. The body raises BodyError when it ends early; `close` must be called, body read or
    not.

    `name` is the repository's name at the source, for rewriting what mentions it. `length` is None for a chunked
    body. `arrived` says that the body, of that length, is here as a whole: reading it waits for nothing.
    """

    status: int
    headers: Mapping[str, str]
    source: str
    name: str = ""
    length: int | None = None
    arrived: bool = False
    body: AsyncIterator[bytes | bytearray] = field(default_factory=_empty)
    close: Callable[[], Awaitable[None]] = _nothing


class BodyError(Exception):
    """A body ended before its end. What the client has so far must not look complete."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Source(Protocol):
    """Something that answers queries. `label` names it in logs and metrics; `ailing` is "ask others first"."""

    @property
    def label(self) -> str: ...

    @property
    def ailing(self) -> bool: ...

    async def fetch(self, query: Query) -> Answer:
        """Answer `query`. Raises SourceError."""
        ...
