"""What went wrong at a registry, said so that an administrator knows what to do.

Messages name the host, the status and the remedy. They are made from known facts only, never from an exception's text
or an answer's body: those may hold signed addresses or credentials.
"""

from __future__ import annotations

import errno
import ssl

import aiohttp

from registry_gateway.sources.base import Reason, SourceError

_TRUST = "set its certificate authority in `ca`"
_PLAIN = "it does not speak TLS on this port; set `scheme: HTTP` or the right port"
_OLD = "it speaks only TLS versions older than 1.2"
_TLS_REMEDIES = {  # reasons of OpenSSL
    "WRONG_VERSION_NUMBER": _PLAIN,
    "HTTP_REQUEST": _PLAIN,
    "RECORD_LAYER_FAILURE": _PLAIN,
    "UNSUPPORTED_PROTOCOL": _OLD,
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD,
}
_VERIFY_REMEDIES = {  # X509_V_ERR_* of OpenSSL
    10: "its certificate has expired",
    9: "its certificate is not valid yet",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
    18: f"its certificate is self-signed; {_TRUST}",
    19: f"its certificate authority is not trusted; {_TRUST}",
    20: f"its certificate authority is not trusted; {_TRUST}",
    21: f"its certificate authority is not trusted; {_TRUST}",
}


def of_exception(error: BaseException, host: str, *, seconds: float) -> SourceError:
    """The verdict on a request that got no answer; `seconds` is the deadline it had."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return _tls(error.certificate_error, host)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return _tls(error.os_error, host)
    if isinstance(error, ssl.SSLError):
        return _tls(error, host)
    if isinstance(error, TimeoutError):
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return _unreachable(host, "did not accept a connection in time; check host, port and firewall")
        late = _unreachable(host, f"did not answer within {seconds:g} s; check the registry's load and the network")
        late.late = True
        return late
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _unreachable(host, "has no usable address; check the name and the nodes' resolver")
    if isinstance(error, aiohttp.ClientConnectorError):
        return _unreachable(host, f"cannot be reached ({_os_reason(error.os_error)}); check host, port and firewall")
    if isinstance(error, aiohttp.ClientResponseError):
        return SourceError(Reason.NOT_A_REGISTRY, f"{host} does not speak HTTP; check `scheme` and the port", host=host)
    return _unreachable(host, "closed the connection before it answered")


def of_status(status: int, host: str, *, what: str, retry_after: str = "", content_range: str = "") -> SourceError:
    """The verdict on an answer other than success; `what` says what was asked for."""
    reason, remedy = _BY_STATUS.get(status, (Reason.UPSTREAM_ERROR, "see the registry's own log"))
    return SourceError(
        reason,
        f"{host} answered {status} for {what}; {remedy}",
        host=host,
        status=status,
        retry_after=retry_after,
        content_range=content_range,
    )


def of_storage(status: int, host: str, storage: str) -> SourceError:
    """The verdict on a storage server that the registry pointed to."""
    return SourceError(
        Reason.UPSTREAM_ERROR,
        f"{host} pointed to {storage}, which answered {status}; see the registry's own log",
        host=host,
        status=502,
        redirected=True,
    )


def not_a_registry(host: str, what: str) -> SourceError:
    """The verdict on an answer that no registry gives."""
    return SourceError(
        Reason.NOT_A_REGISTRY, f"{host} is not a registry ({what}); check host, port and path", host=host
    )


_BY_STATUS = {
    401: (Reason.UNAUTHORIZED, "it refused the credentials: check user and password"),
    403: (Reason.FORBIDDEN, "the user may not read this: check the user's rights and the path"),
    404: (Reason.NOT_FOUND, "it is not there: check the path, or copy the image there"),
    400: (Reason.UPSTREAM_ERROR, "it did not understand the request: check `scheme` and the port"),
    429: (Reason.UPSTREAM_ERROR, "it limits the rate of requests: use an account with a higher limit"),
}


def _unreachable(host: str, what: str) -> SourceError:
    return SourceError(Reason.UNREACHABLE, f"{host} {what}", host=host)


def _tls(error: BaseException, host: str) -> SourceError:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = _VERIFY_REMEDIES.get(error.verify_code, f"its certificate cannot be verified (code {error.verify_code})")
    elif isinstance(error, ssl.CertificateError):
        what = "its certificate is for another name"
    else:
        reason = getattr(error, "reason", None) or ""
        what = _TLS_REMEDIES.get(reason, f"the TLS handshake failed ({reason or 'no reason given'})")
    return SourceError(Reason.TLS_FAILED, f"{host}: {what}", host=host)


def _os_reason(error: OSError) -> str:
    if error.errno is None:
        return "no usable address"
    return {
        errno.ECONNREFUSED: "connection refused",
        errno.ECONNRESET: "connection reset",
        errno.EHOSTUNREACH: "no route to host",
        errno.ENETUNREACH: "network unreachable",
        errno.ETIMEDOUT: "timed out",
    }.get(error.errno, errno.errorcode.get(error.errno, "network error"))
