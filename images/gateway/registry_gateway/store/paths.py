"""Where things are below the data directory, and which names may become paths.

blobs/<algorithm>/<hex>                      content, read-only, always whole and verified
repositories/<name, "/" as "+">/             an OCI image layout (image spec, "image-layout.md"):
    oci-layout, index.json, blobs -> ../../blobs
incoming/                                    files being written; what nobody has locked is rubbish
claims/<algorithm>-<hex>                     who fetches that content now, and into which file
quarantine/<algorithm>-<hex>                 content that was not what its digest says
index.sqlite, -wal, -shm                     names, links, uploads, leases, last use
rebuild                                      exists when the index has to be built again
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from registry_gateway import names
from registry_gateway.store import durable
from registry_gateway.store.errors import InvalidNameError

ALGORITHMS = ("sha256", "sha512")
_SLASH = "+"  # not in the grammar of names, so that flat folders and names are one to one


@dataclass(frozen=True, slots=True)
class Paths:
    """The paths of the store below `root`."""

    root: Path

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def repositories(self) -> Path:
        return self.root / "repositories"

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def claims(self) -> Path:
        return self.root / "claims"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def index(self) -> Path:
        return self.root / "index.sqlite"

    @property
    def rebuild_wanted(self) -> Path:
        return self.root / "rebuild"

    def blob(self, digest: str) -> Path:
        """Where the content of `digest` is or would be. Raises InvalidNameError."""
        algorithm, value = split(digest)
        return self.blobs / algorithm / value

    def claim(self, digest: str) -> Path:
        """The file that says who fetches `digest`. Raises InvalidNameError."""
        return self.claims / "-".join(split(digest))

    def quarantined(self, digest: str) -> Path:
        """Where wrong content of `digest` goes. Raises InvalidNameError."""
        return self.quarantine / "-".join(split(digest))

    def repository(self, name: str) -> Path:
        """The layout of the repository `name`. Raises InvalidNameError."""
        if not names.is_name(name):
            raise InvalidNameError("this is no repository name of the OCI distribution spec")
        return self.repositories / name.replace("/", _SLASH)

    def prepare(self) -> None:
        """Make the folders, durably. Raises OSError."""
        for algorithm in ALGORITHMS:
            durable.make_folder(self.blobs / algorithm)
        for folder in (self.repositories, self.incoming, self.claims, self.quarantine):
            durable.make_folder(folder)

    @property
    def writable(self) -> bool:
        """Whether the data directory's mount, owner and mode allow writing."""
        return os.access(self.root, os.W_OK)


def split(digest: str) -> tuple[str, str]:
    """Algorithm and hex value. Raises InvalidNameError unless the store can verify such digests."""
    algorithm, _, value = digest.partition(":")
    if algorithm not in ALGORITHMS or not names.is_digest(digest):
        raise InvalidNameError(f"only digests of {' and '.join(ALGORITHMS)} can be stored")
    return algorithm, value


def repository_of(folder: str) -> str:
    """The name of the repository whose layout is in `folder`; "" when it is none of the store's."""
    name = folder.replace(_SLASH, "/")
    return name if names.is_name(name) else ""
