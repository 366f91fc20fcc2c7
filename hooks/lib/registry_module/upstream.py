"""A real registry behind the virtual address, and the rules for each of its fields."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Any, Callable

from . import fingerprint

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")
_SEGMENT = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*\Z")  # OCI distribution-spec 1.1, "Pulling manifests": <name>
_PEM_BEGIN = "-----BEGIN CERTIFICATE-----"
_PEM_END = "-----END CERTIFICATE-----"
_PEM = re.compile(re.escape(_PEM_BEGIN) + r"\s+([A-Za-z0-9+/=\s]+?)\s+" + re.escape(_PEM_END))
_MAX_PATH = 200
_MAX_TEXT = 4096
_TEXTS = ("scheme", "host", "path", "user", "password", "ca")


@dataclass(frozen=True)
class Upstream:
    """One registry and how to reach it. `path` has no outer slashes; `ca` is PEM or empty.

    `realms`: hosts (with or without port) of token servers elsewhere that may get the credentials.
    `failover`: further addresses of the same content, in the order to ask; they have neither realms nor failovers.
    """

    scheme: str
    host: str
    path: str
    user: str = ""
    password: str = ""
    ca: str = ""
    realms: tuple[str, ...] = ()
    failover: tuple[Upstream, ...] = ()

    @property
    def base(self) -> str:
        """`host/path`, as in image references."""
        return self.host + "/" + self.path

    def route(self) -> Upstream:
        """The part that nodes may know: the address itself, without credentials."""
        return Upstream(scheme=self.scheme, host=self.host, path=self.path, ca=self.ca)

    def addresses(self) -> tuple[Upstream, ...]:
        """The address itself and then its failovers, each by itself; all with the same token servers."""
        return tuple(replace(address, realms=self.realms, failover=()) for address in (self, *self.failover))

    def to_dict(self) -> dict[str, Any]:
        """Plain data. Empty lists are left out: fingerprints and states from before they existed stay the same."""
        data: dict[str, Any] = {field: getattr(self, field) for field in _TEXTS}
        if self.realms:
            data["realms"] = list(self.realms)
        if self.failover:
            data["failover"] = [address.to_dict() for address in self.failover]
        return data

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Upstream:
        return Upstream(
            **{field: str(data.get(field, "")) for field in _TEXTS},
            realms=tuple(str(realm) for realm in data.get("realms") or ()),
            failover=tuple(Upstream.from_dict(address) for address in data.get("failover") or ()),
        )

    def identity(self, salt: str) -> str:
        return fingerprint.keyed(salt, self.to_dict())


def _printable(text: str) -> bool:
    return all(character.isprintable() for character in text)


def host_error(host: str) -> str:
    """Why `host[:port]` cannot be dialled, or "". DNS names (RFC 1123), IPv4 and [IPv6]."""
    if not _printable(host) or not host.isascii():
        return "has control or non-ASCII characters"
    if "://" in host:
        return "must not carry a scheme; use `scheme`"
    if "@" in host:
        return "must not carry credentials; use `user` and `password`"
    if "/" in host:
        return "must not carry a path; use `path`"
    name, separator, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not separator:
        name = host
    elif not port.isdigit() or len(port) > 5 or not 1 <= int(port) <= 65535:
        return "port must be a number from 1 to 65535"
    if name.startswith("[") and name.endswith("]"):
        return "" if _is_address(name[1:-1], ipaddress.IPv6Address) else "is no IPv6 address"
    if not name or len(name) > 253:
        return "must be a host name of 1 to 253 characters"
    if re.fullmatch(r"[0-9.]+", name):
        return "" if _is_address(name, ipaddress.IPv4Address) else "is no IPv4 address"
    if not all(_LABEL.match(label) for label in name.split(".")):
        return "is no host name or address"
    return ""


def _is_address(text: str, kind: Callable[[str], Any]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def path_error(path: str) -> str:
    """Why `path` (outer slashes allowed) is no repository prefix, or ""."""
    if not _printable(path):
        return "has control characters"
    inner = path.strip("/")
    if not inner:
        return "must name at least one segment, for example /deckhouse/ee"
    if len(inner) > _MAX_PATH:
        return f"is longer than {_MAX_PATH} characters"
    for segment in inner.split("/"):
        if segment in (".", ".."):
            return "must not have `.` or `..` segments"
        if not segment:
            return "must not have empty segments"
        if not _SEGMENT.match(segment):
            return (
                "has a segment that no registry accepts as a repository name: use lower-case letters, digits, and . _ -"
            )
    return ""


def credential_error(text: str) -> str:
    """Why a user name or password cannot be sent by HTTP Basic (RFC 7617), or ""."""
    if not _printable(text):
        return "has control characters"
    if len(text) > _MAX_TEXT:
        return f"is longer than {_MAX_TEXT} characters"
    return ""


def ca_error(pem: str) -> str:
    """Why `pem` is no bundle of certificates, or "". The DER structure itself is looked at by the gateway too."""
    if pem.count(_PEM_BEGIN) == 0:
        return f"holds no PEM certificate (a block that begins with {_PEM_BEGIN})"
    blocks = _PEM.findall(pem)
    if len(blocks) != pem.count(_PEM_BEGIN) or len(blocks) != pem.count(_PEM_END):
        return "has a certificate block that does not end or is not base64"
    for number, block in enumerate(blocks, 1):
        try:
            der = base64.b64decode("".join(block.split()), validate=True)
        except (binascii.Error, ValueError):
            return f"certificate {number} is not base64"
        if not _is_der_sequence(der):
            return f"certificate {number} is not a DER certificate"
    return ""


def _is_der_sequence(der: bytes) -> bool:
    """Whether `der` is one complete ASN.1 SEQUENCE (X.690 §8.1): tag 0x30 and a length that fits exactly."""
    if len(der) < 64 or der[0] != 0x30:
        return False
    if der[1] < 0x80:
        return len(der) == 2 + der[1]
    size = der[1] & 0x7F
    return 1 <= size <= 4 and len(der) == 2 + size + int.from_bytes(der[2 : 2 + size], "big")


def normalize_ca(pem: str) -> str:
    """Only the certificate blocks, one newline each: comments and spaces never reach a node."""
    return "".join(_pem_block("".join(block.split())) for block in _PEM.findall(pem))


def _pem_block(text: str) -> str:
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]  # RFC 7468: 64 characters a line
    return "\n".join([_PEM_BEGIN, *lines, _PEM_END, ""])
