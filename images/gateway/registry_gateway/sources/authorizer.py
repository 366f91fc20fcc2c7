"""Credentials for one upstream: Basic or Bearer, as it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from yarl import URL

from registry_gateway.config import Upstream
from registry_gateway.sources import challenge as challenges
from registry_gateway.sources import realm as realms
from registry_gateway.sources.base import Reason, SourceError, ignore
from registry_gateway.sources.token_endpoint import TokenEndpoint
from registry_gateway.sources.tokens import Token, TokenCache
from registry_gateway.sources.transport import Transport, authority, basic


@dataclass(frozen=True, slots=True)
class Login:
    """How the upstream has wanted to be asked so far: `way` is basic, token, or "" for neither.

    `server` is the host[:port] of the token server, `scope` what is asked of it.
    """

    way: str = ""
    server: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class _Bearer:
    realm: URL
    service: str


class Authorizer:
    """Knows how the upstream wants to be asked. It learns that from the first 401, not from the settings."""

    def __init__(self, upstream: Upstream, transport: Transport, *, counted: Callable[[str], None] = ignore) -> None:
        self._upstream, self._transport = upstream, transport
        self._endpoint = TokenEndpoint(upstream, transport, counted)
        self._basic = basic(upstream.user, upstream.password)
        self._uses_basic = False
        self._bearer: _Bearer | None = None
        self._tokens = TokenCache(self._fetch)
        self._scopes: dict[str, str] = {}  # scopes that the upstream words differently from us

    async def header(self, scope: str) -> str:
        """The Authorization header to begin with; "" when none is known to be wanted. Raises SourceError."""
        if self._bearer:
            return "Bearer " + await self._tokens.get(scope)
        return self._basic if self._uses_basic else ""

    def login(self, scope: str) -> Login:
        """What `header` does for `scope`, for people."""
        if self._bearer:
            return Login("token", authority(self._bearer.realm), self._scopes.get(scope, scope))
        return Login("basic" if self._uses_basic else "")

    async def answer(self, headers: Iterable[str], *, scope: str, sent: str) -> str:
        """The header to try once more after a 401 with these WWW-Authenticate `headers`, or "" when there is no
        other.

        Raises SourceError when a token cannot be had.
        """
        chosen = challenges.choose(self._usable(challenges.parse(headers)))
        if chosen is None:
            return ""
        if chosen.scheme == "basic":
            self._bearer, self._uses_basic = None, bool(self._basic)
            return self._basic if self._basic != sent else ""
        self._learn(chosen, scope)
        self._tokens.reject(scope, sent.removeprefix("Bearer "))
        return "Bearer " + await self._tokens.get(scope)

    def _usable(self, found: Iterable[challenges.Challenge]) -> Iterable[challenges.Challenge]:
        """Leaves out realms that may not have the credentials, if there is another way; raises if there is none."""
        foreign, others = "", 0
        for challenge in found:
            if challenge.scheme == "bearer":
                realm = _url(challenge.parameters.get("realm", ""))
                trusted = realms.is_trusted(realm, upstream=self._transport.base, listed=self._upstream.realms)
                if not realm.absolute or (self._basic and not trusted):
                    foreign = authority(realm) or "what is no address"
                    continue
            others += 1
            yield challenge
        if foreign and not others:
            raise SourceError(
                Reason.UNAUTHORIZED,
                f"{self._upstream.host} sends for tokens to {foreign}, outside its own domain or without TLS; "
                "the credentials are not given there; if it may have them, list it in `realms` (https only)",
                host=self._upstream.host,
                status=401,
            )

    def _learn(self, chosen: challenges.Challenge, scope: str) -> None:
        bearer = _Bearer(_url(chosen.parameters["realm"]), chosen.parameters.get("service", ""))
        if self._bearer is not None and bearer != self._bearer:
            self._tokens = TokenCache(self._fetch)
        self._bearer, self._uses_basic = bearer, False
        wanted = chosen.parameters.get("scope", "")
        if wanted and wanted != scope and len(self._scopes) < 1024:
            self._scopes[scope] = wanted

    async def _fetch(self, scope: str) -> Token:
        assert self._bearer is not None  # noqa: S101 - tokens are asked for only after a Bearer challenge
        wanted = self._scopes.get(scope, scope)
        return await self._endpoint.fetch(self._bearer.realm, self._bearer.service, wanted)


def _url(text: str) -> URL:
    try:
        url = URL(text)
        return url if url.absolute and url.raw_host else URL()
    except ValueError:
        return URL()
