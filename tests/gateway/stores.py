"""A store of the test's own beside a registry of the test's own, and images as releases of the platform are."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from registry_gateway.config import Check, Image
from registry_gateway.store.store import Store
from tests.store.site import NAME, Clock, Site

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # quick to sync; nothing here makes a power cut
LIST = "deckhouse/modules/images_digests.json"


@asynccontextmanager
async def stored() -> AsyncIterator[Site]:
    """An open store with helpers around it, and a clock that the test moves."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        clock = Clock()
        async with await Store.open(Path(name), now=clock, nice=1) as store:
            yield Site(Path(name), store, clock)


def expected(*references: str) -> Check:
    """The check of the own store, by which these images must be there."""
    images = tuple(Image(f"image-{number:03}", reference) for number, reference in enumerate(references))
    return Check("c1", None, images)


def layer(files: Mapping[str, bytes], *, packed: bool = True) -> bytes:
    """A layer with `files`; a name that ends with a slash is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0) if packed else buffer.getvalue()


def listing(digests: Sequence[str]) -> bytes:
    """`images_digests.json` as Deckhouse has it: images by module."""
    return json.dumps({"common": {f"image{number}": digest for number, digest in enumerate(digests)}}).encode()


async def release(site: Site, tag: str, images: Sequence[str], *, name: str = NAME) -> str:
    """Push the image of a release that consists of `images`; returns its digest."""
    return await site.push_image(layer({LIST: listing(images)}), tag=tag, name=name)
