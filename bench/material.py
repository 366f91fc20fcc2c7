"""What servers of the bench are started with: certificates of one authority, and random content under its digest."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bench.running import Tls
from tests.support.certs import issue, make_ca

ALIAS, PATH = "system/deckhouse", "deckhouse/ee"  # of repositories: for clients, and at the registry behind
_PIECE = 1024 * 1024


def certificates(folder: Path) -> Tls:
    """A pair for every server on loopback."""
    authority = make_ca("bench")
    certificate, key = issue(authority, names=["localhost"], ips=["127.0.0.1"]).write(folder, "tls")
    ca = folder / "ca.crt"
    ca.write_text(authority.cert)
    return Tls(certificate, key, ca)


def content(root: Path, kind: str, size: int) -> str:
    """Put `size` random bytes into the tree of the registry behind; their digest. `kind` is blobs or manifests."""
    folder = root / "v2" / PATH / kind
    folder.mkdir(parents=True, exist_ok=True)
    written, digest = folder / "new", hashlib.sha256()
    with written.open("wb") as file:
        for start in range(0, size, _PIECE):
            piece = os.urandom(min(_PIECE, size - start))
            digest.update(piece)
            file.write(piece)
    reference = f"sha256:{digest.hexdigest()}"
    written.rename(folder / reference)
    return reference


def path(kind: str, digest: str, *, repository: str = ALIAS) -> str:
    """What a client asks for."""
    return f"/v2/{repository}/{kind}/{digest}"
