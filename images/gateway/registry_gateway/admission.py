"""Who is let in, and how much at a time. Refusals are counted here; the rules are in `access`, `attempts`, `limits`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from registry_gateway import metrics
from registry_gateway.access import Certificate, Gatekeeper, Identity
from registry_gateway.attempts import Attempts
from registry_gateway.certificate import is_for_clients, is_issued_by
from registry_gateway.limits import LIMITS, Limits, Quota
from registry_gateway.oci import Code, OciError

# Bodies up to this length never wait for their client: they fit into the buffers of its connection (`connections`).
PASSES_AT_ONCE = 64 * 1024
RETRY_STREAM_SECONDS = "5"


class Admission:
    """The door of one worker."""

    def __init__(self, limits: Limits = LIMITS, attempts: Attempts | None = None) -> None:
        self._attempts = attempts or Attempts()
        self._streams = Quota(total=limits.streams, per_client=limits.streams_per_client)

    def identify(self, request: web.BaseRequest, gatekeeper: Gatekeeper) -> Identity:
        """Who asks. Raises OciError: 401 when it must log in, 429 when it has failed to do so too often.

        Over the limit nothing is verified: the answer to a right guess is that to a wrong one. Whoever needs no
        guess, by certificate or because the same header was right before, is not held up by a neighbour's failures.
        """
        authorization = request.headers.get("Authorization", "")
        certificate = _certificate(request, gatekeeper.peer_authorities)
        identity = gatekeeper.known(certificate=certificate, authorization=authorization, now=time.time())
        if identity is None and authorization:
            identity = self._login(request.remote or "", authorization, gatekeeper)
        identity = identity or gatekeeper.anonymous
        if identity is None:
            raise OciError(401, Code.UNAUTHORIZED, "log in, or present a node's certificate", challenge=True)
        return identity

    @contextmanager
    def stream(self, request: web.BaseRequest, length: int | None, identity: Identity) -> Iterator[None]:
        """Hold a place while a body of `length` bytes (None: unknown) passes. Raises OciError when there is none.

        Replicas need none: what they may fetch at a time is limited where they ask, and refused they would go to the
        upstream instead.
        """
        if request.method == "HEAD" or identity.peer or (length is not None and length <= PASSES_AT_ONCE):
            yield
            return
        client = request.remote or ""
        if limit := self._streams.take(client):
            metrics.refused_streams.labels(limit).inc()
            # 503: containerd goes on to the next gateway. A 429 would make it repeat the request here, five times.
            message = "this gateway has as much to do as it can" + (" to your address" if limit == "client" else "")
            raise OciError(503, Code.UNAVAILABLE, message, retry_after=RETRY_STREAM_SECONDS)
        try:
            yield
        finally:
            self._streams.give_back(client)

    def _login(self, client: str, authorization: str, gatekeeper: Gatekeeper) -> Identity | None:
        seconds = self._attempts.wait(client)
        if seconds > 0 and gatekeeper.anonymous:
            return None
        if seconds > 0:
            metrics.refused_logins.labels("limited").inc()
            raise OciError(
                429,
                Code.TOOMANYREQUESTS,
                "too many failed logins from your address",
                retry_after=str(math.ceil(seconds)),
            )
        identity = gatekeeper.login(authorization)
        if identity is None:
            metrics.refused_logins.labels("wrong").inc()
            self._attempts.failed(client)
        return identity


def _certificate(request: web.BaseRequest, peer_authorities: tuple[bytes, ...]) -> Certificate | None:
    """The client's certificate, verified by OpenSSL, if it is one for clients."""
    transport = request.transport
    seen = transport.get_extra_info("peercert") if transport is not None else None
    if not seen or transport is None:
        return None
    content = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if not is_for_clients(content):
        return None
    return Certificate(seen, of_module=is_issued_by(peer_authorities, content))
