"""Asking a token server: by GET (distribution token specification), or by POST where it does not know GET ("oauth2").

GET comes first: servers that know only GET answer a POST with 401, which looks like refused credentials and counts as
a failed login.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from registry_gateway.config import Upstream
from registry_gateway.sources import verdict
from registry_gateway.sources.base import Reason, SourceError
from registry_gateway.sources.tokens import DEFAULT_LIFETIME, Token
from registry_gateway.sources.transport import Headers, Transport, authority, basic, discard

TOKEN_ANSWER_LIMIT = 256 * 1024  # bytes
CLIENT_ID = "registry-gateway"
_BODY_SECONDS = 15.0
_UNKNOWN_METHOD = frozenset((400, 404, 405))  # 401 and 403 are final: a second try could lock the account
_TOKEN = re.compile(r"[\x21-\x7e]+")  # what may stand in a header


class TokenEndpoint:
    """Fetches tokens with the credentials of `upstream`. `counted` hears the result of every request."""

    def __init__(self, upstream: Upstream, transport: Transport, counted: Callable[[str], None]) -> None:
        self._upstream, self._transport, self._counted = upstream, transport, counted
        self._takes_post: URL | None = None  # the realm where POST worked when GET did not

    async def fetch(self, realm: URL, service: str, scope: str) -> Token:
        """A token of `realm` for `scope` (one or several, separated by blanks). Raises SourceError."""
        if self._takes_post == realm:
            try:
                return await self._post(realm, service, scope)
            except SourceError as error:
                if error.status in _UNKNOWN_METHOD:  # now it is POST that is unknown: begin anew next time
                    self._takes_post = None
                raise
        try:
            return await self._get(realm, service, scope)
        except SourceError as error:
            if error.status not in _UNKNOWN_METHOD or not self._upstream.user:
                raise
            unknown = error
        try:
            token = await self._post(realm, service, scope)
        except SourceError as error:
            if error.reason in (Reason.UNAUTHORIZED, Reason.FORBIDDEN):
                raise
            raise unknown from None
        self._takes_post = realm
        return token

    async def _get(self, realm: URL, service: str, scope: str) -> Token:
        query = list(realm.query.items())
        if service:
            query.append(("service", service))
        query += [("scope", part) for part in scope.split()]
        credentials = basic(self._upstream.user, self._upstream.password)
        headers: Headers = [("Authorization", credentials)] if credentials else []
        return await self._token("GET", realm.with_query(query), headers)

    async def _post(self, realm: URL, service: str, scope: str) -> Token:
        form = {
            "grant_type": "password",
            "service": service,
            "scope": scope,
            "client_id": CLIENT_ID,
            "username": self._upstream.user,
            "password": self._upstream.password,
        }
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        return await self._token("POST", realm, headers, urlencode(form).encode())

    async def _token(self, method: str, url: URL, headers: Headers, body: bytes | None = None) -> Token:
        host = authority(url)
        try:
            response = await self._transport.send(method, url, headers, body)
        except SourceError:
            self._counted("unreachable")
            raise
        if response.status != 200:
            self._counted(str(response.status))
            await discard(response)
            error = verdict.of_status(response.status, host, what="a token")
            if error.reason is Reason.NOT_FOUND:  # the token server's absence is not the image's
                error.reason = Reason.UPSTREAM_ERROR
            raise error
        token = _read_token(await _read(response, host))
        if token is None:
            self._counted("garbage")
            raise SourceError(Reason.UPSTREAM_ERROR, f"{host} answered without a token", host=host, status=502)
        self._counted("ok")
        return token


async def _read(response: aiohttp.ClientResponse, host: str) -> bytes:
    content = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for piece in response.content.iter_any():
                content += piece
                if len(content) > TOKEN_ANSWER_LIMIT:
                    return b""
    except (aiohttp.ClientError, OSError) as error:
        raise verdict.of_exception(error, host, seconds=_BODY_SECONDS) from None
    finally:
        response.release()
    return bytes(content)


def _read_token(body: bytes) -> Token | None:
    """The token of an answer: `token`, or `access_token` of the OAuth2 form; None when there is none that is usable."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    value = document.get("token") or document.get("access_token")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return None
    lifetime = document.get("expires_in", DEFAULT_LIFETIME)
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float) or not lifetime >= 0:
        lifetime = DEFAULT_LIFETIME
    return Token(value, float(lifetime))
