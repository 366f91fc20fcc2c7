"""The mounted configuration, read at one moment and checked whole."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from registry_gateway import config, tls
from registry_gateway.certificate import not_after

FILES = ("config.json", "tls.crt", "tls.key", "ca.crt", "client-ca.crt")
OPTIONAL = frozenset(("ca.crt", "client-ca.crt"))


@dataclass(frozen=True, slots=True)
class Mounted:
    """What is in force: the configuration, the TLS context to serve with and when its certificate ends (Unix
    seconds).

    With peers: `peer_context` is what to ask them with, `peer_authorities` (DER) are who issues their certificates.
    """

    config: config.Config
    context: ssl.SSLContext = field(repr=False)
    context_id: bytes = field(repr=False)  # equal when the context would be made of the same files
    not_after: float
    peer_context: ssl.SSLContext | None = field(default=None, repr=False)
    peer_authorities: tuple[bytes, ...] = field(default=(), repr=False)


def read(folder: Path) -> dict[str, bytes]:
    """The files of `folder`, all of one generation.

    A mounted Secret is a set of links through `..data`, which is swapped as a whole: it is followed once, not per
    file. Raises config.ConfigError when a required file is missing or unreadable.
    """
    data = folder / "..data"
    source = data.resolve() if data.is_symlink() else folder
    content: dict[str, bytes] = {}
    for name in FILES:
        try:
            content[name] = (source / name).read_bytes()
        except FileNotFoundError:
            if name not in OPTIONAL:
                raise config.ConfigError(f"{name}: is missing") from None
            content[name] = b""
        except OSError as error:
            raise config.ConfigError(f"{name}: cannot be read ({error.strerror})") from None
    return content


def check(files: dict[str, bytes]) -> Mounted:
    """What `files` say. Raises config.ConfigError with the reason; every file is checked before anything is put in
    force.
    """
    parsed = config.parse(files["config.json"])
    if not config.is_ca(files["ca.crt"].decode(errors="replace")):
        raise config.ConfigError("ca.crt: holds no certificate in PEM")
    chain, key = files["tls.crt"], files["tls.key"]
    peer_ca = files["ca.crt"] if parsed.peers else b""
    if parsed.peers and not peer_ca.strip():
        raise config.ConfigError("ca.crt: is missing, and there are peers")
    try:
        context = tls.server_context(chain=chain, key=key, client_ca=files["client-ca.crt"], peer_ca=peer_ca)
        peer_context = tls.peer_context(chain=chain, key=key, ca=peer_ca) if parsed.peers else None
    except tls.TlsError as error:
        raise config.ConfigError(str(error)) from None
    try:
        end = not_after(chain)
    except ValueError:
        raise config.ConfigError("tls.crt: cannot be read as a certificate") from None
    return Mounted(
        parsed,
        context,
        _digest(chain, key, files["client-ca.crt"], peer_ca),
        end,
        peer_context,
        config.authorities(peer_ca.decode(errors="replace")),
    )


def _digest(*contents: bytes) -> bytes:
    whole = hashlib.sha256()
    for content in contents:
        whole.update(hashlib.sha256(content).digest())
    return whole.digest()
