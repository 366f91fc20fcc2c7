"""Bearer tokens, each kept until shortly before it expires and fetched once, however many requests need it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from registry_gateway.sources.base import Reason, SourceError

DEFAULT_LIFETIME = 60.0  # seconds, when the server names none (distribution token specification, "expires_in")
LONGEST_LIFETIME = 3600.0  # seconds; a server's promise beyond it is not relied on
MARGIN = 10.0  # seconds before the end at which a token counts as expired: clocks differ, requests take time
REFUSAL_MEMORY = 5.0  # seconds a refusal of the credentials is repeated without asking: servers lock accounts
CAPACITY = 1024  # scopes; the oldest is forgotten first


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its lifetime in seconds, counted from the request for it: the server's clock is not relied on."""

    value: str = field(repr=False)
    lifetime: float = DEFAULT_LIFETIME


Value = TypeVar("Value")
Fetch = Callable[[str], Awaitable[Token]]


class TokenCache:
    """Tokens by scope. `fetch` gets one from the server and raises SourceError when it cannot."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch, self._clock = fetch, clock
        self._tokens: dict[str, tuple[str, float]] = {}  # scope → token, when it counts as expired
        self._refusals: dict[str, tuple[SourceError, float]] = {}
        self._running: dict[str, asyncio.Task[str]] = {}

    async def get(self, scope: str) -> str:
        """A token for `scope`. Raises SourceError."""
        now = self._clock()
        if scope in self._tokens:
            token, expires = self._tokens[scope]
            if now < expires:
                return token
        if scope in self._refusals:
            refusal, until = self._refusals[scope]
            if now < until:
                raise refusal
        running = self._running.get(scope)
        if running is None:
            running = asyncio.create_task(self._renew(scope))
            self._running[scope] = running
            running.add_done_callback(lambda task: self._finished(scope, task))
        # Shielded: a client that goes away must not take the token from the others that wait for it.
        return await asyncio.shield(running)

    def reject(self, scope: str, token: str) -> None:
        """Forget `token`, which the registry did not take; a newer one in its place stays."""
        if scope in self._tokens and self._tokens[scope][0] == token:
            del self._tokens[scope]

    async def _renew(self, scope: str) -> str:
        asked = self._clock()
        try:
            token = await self._fetch(scope)
        except SourceError as error:
            if error.reason in (Reason.UNAUTHORIZED, Reason.FORBIDDEN):
                _keep(self._refusals, scope, (error, self._clock() + REFUSAL_MEMORY))
            raise
        self._refusals.pop(scope, None)
        _keep(self._tokens, scope, (token.value, asked + min(token.lifetime, LONGEST_LIFETIME) - MARGIN))
        return token.value

    def _finished(self, scope: str, task: asyncio.Task[str]) -> None:
        self._running.pop(scope, None)
        if not task.cancelled():
            task.exception()  # seen, even if everyone who waited is gone


def _keep(store: dict[str, Value], scope: str, value: Value) -> None:
    store.pop(scope, None)
    store[scope] = value
    if len(store) > CAPACITY:
        del store[next(iter(store))]
