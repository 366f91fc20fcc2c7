"""Who is asking: a node or another replica by its certificate, a user, the holder of an upstream's credentials, or
nobody.

A client's certificate is one that OpenSSL has already verified in the handshake (chain to the cluster's client CA or to
the module's CA) and that is for clients (`certificate`); here its issuer, its subject and its dates are judged. The
issuer decides which it can be: the module's CA issues for peers only, the cluster's never for them. Dates are judged
here, per request, and not by OpenSSL, for two reasons: an expired certificate does not fail the handshake, so its owner
can still log in with a password; and a connection kept open loses its right when its certificate expires.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from registry_gateway.config import Config
from registry_gateway.config_store import Role

NODE_GROUP = "system:nodes"  # Kubernetes, "Using Node Authorization": the group and the user name of kubelets
NODE_PREFIX = "system:node:"
PEER_GROUP = "registry.deckhouse.io:peers"  # organization of the certificate that all replicas serve and ask with
CREDENTIALS_LIMIT = 8192  # bytes of a decoded user:password
PROVED_LIMIT = 256  # headers remembered; one is right in very few spellings, so there are hardly more than logins
_KEY = secrets.token_bytes(32)  # of this process: hashes that are remembered mean nothing outside of it


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, as logs name it (`node:<name>`, `peer`, `user:<name>`, `upstream:<user>`, `anonymous`), and whether it
    may push. `peer`: it is another replica of the gateway.
    """

    label: str
    may_push: bool = False
    peer: bool = False


PEER = Identity("peer", may_push=True, peer=True)
ANONYMOUS = Identity("anonymous")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A client's certificate, verified: `seen` is what `ssl.SSLSocket.getpeercert()` says of it, `of_module` whether
    the module's CA issued it.
    """

    seen: Mapping[str, Any]
    of_module: bool = False


@dataclass(frozen=True, slots=True)
class _Login:
    name: bytes  # SHA-256 of the user name, so that comparing takes the same time for any length
    password: bytes  # SHA-256 of the password
    identity: Identity


class Gatekeeper:
    """The rules of one configuration. Logins that proved right under `former` count on if they are still valid.

    `peer_authorities` (DER) are the CAs that issue for peers; without peers there are none.
    """

    def __init__(
        self, config: Config, former: Gatekeeper | None = None, *, peer_authorities: tuple[bytes, ...] = ()
    ) -> None:
        self._nodes = config.clients.nodes
        self.peer_authorities = peer_authorities
        self._logins = tuple(_logins(config))
        self._proved: dict[bytes, _Login] = {}  # by keyed hash of the header; oldest first
        if former is not None:
            self._proved = {header: login for header, login in former._proved.items() if login in self._logins}
        # While modes are switched a copy has routes, of which pull secrets from before still know no login.
        is_alone = config.store is not None and config.store.role is Role.COPY and not config.routes
        self.anonymous = ANONYMOUS if config.clients.anonymous and not is_alone else None

    def known(self, *, certificate: Certificate | None, authorization: str, now: float) -> Identity | None:
        """The identity of a caller who need not be believed: a node, a peer, or who proved right before with this very
        header.

        `now` is Unix time in seconds. A valid certificate wins over any Authorization header: nodes send pull secrets
        along, old ones too.
        """
        if certificate and certificate.of_module:
            if is_peer(certificate.seen, now=now):
                return PEER
        elif self._nodes and certificate and (node := node_name(certificate.seen, now=now)):
            return Identity(f"node:{node}")
        found = self._proved.get(_keyed(authorization)) if authorization else None
        return found.identity if found else None

    def welcome(self) -> tuple[str, ...]:
        """Everybody who may ask, named as in logs; `node:*` stands for every node."""
        labels = ["node:*"] if self._nodes else []
        labels += [login.identity.label for login in self._logins]
        labels += [self.anonymous.label] if self.anonymous else []
        return tuple(dict.fromkeys(labels))

    def pushers(self) -> tuple[str, ...]:
        """Those of them who may push where pushing is possible."""
        return tuple(dict.fromkeys(login.identity.label for login in self._logins if login.identity.may_push))

    def login(self, authorization: str) -> Identity | None:
        """The identity that the header proves, or None. To be asked only of who has attempts left."""
        pair = parse_basic(authorization)
        if pair is None:
            return None
        name, password = (hashlib.sha256(part).digest() for part in pair)
        found: _Login | None = None
        for login in self._logins:  # all of them, always: the time must not tell which one was near
            same = hmac.compare_digest(login.name, name) & hmac.compare_digest(login.password, password)
            if same and found is None:
                found = login
        if found is None:
            return None
        if len(self._proved) >= PROVED_LIMIT:
            del self._proved[next(iter(self._proved))]
        self._proved[_keyed(authorization)] = found
        return found.identity


def node_name(certificate: Mapping[str, Any], *, now: float) -> str:
    """The node a certificate belongs to, or "" when it is no node's or not valid at `now`."""
    common_names = _subject(certificate, "commonName")
    if NODE_GROUP not in _subject(certificate, "organizationName") or not _is_valid(certificate, now):
        return ""
    if len(common_names) != 1 or not common_names[0].startswith(NODE_PREFIX):
        return ""
    return common_names[0][len(NODE_PREFIX) :]


def is_peer(certificate: Mapping[str, Any], *, now: float) -> bool:
    """Whether a certificate, which must be one of the module's CA, is a peer's and valid at `now`."""
    return PEER_GROUP in _subject(certificate, "organizationName") and _is_valid(certificate, now)


def parse_basic(authorization: str) -> tuple[bytes, bytes] | None:
    """User and password of a Basic Authorization header (RFC 7617), or None."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > CREDENTIALS_LIMIT * 4 // 3:
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon and user else None


def _subject(certificate: Mapping[str, Any], wanted: str) -> list[str]:
    return [value for relative in certificate.get("subject", ()) for key, value in relative if key == wanted]


def _is_valid(certificate: Mapping[str, Any], now: float) -> bool:
    try:
        begin = ssl.cert_time_to_seconds(certificate["notBefore"])
        end = ssl.cert_time_to_seconds(certificate["notAfter"])
    except (KeyError, ValueError):
        return False
    return begin <= now <= end


def _keyed(authorization: str) -> bytes:
    return hashlib.blake2b(authorization.encode(errors="surrogatepass"), key=_KEY, digest_size=32).digest()


def _logins(config: Config) -> Iterable[_Login]:
    for user in config.clients.users:
        name = hashlib.sha256(user.name.encode()).digest()
        yield _Login(name, user.sha256, Identity(f"user:{user.name}", may_push=user.rights == "push"))
    for route in config.routes:
        if route.user and route.password:
            name, password = (hashlib.sha256(text.encode()).digest() for text in (route.user, route.password))
            yield _Login(name, password, Identity(f"upstream:{route.user}"))
