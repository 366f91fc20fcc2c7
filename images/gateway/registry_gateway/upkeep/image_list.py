"""The images that a release consists of, from `images_digests.json` in the layers of its own image, which is stored.

Deckhouse has the file at `deckhouse/modules/images_digests.json`, a module's bundle at its root: JSON, nested, with
digests as values.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack

from registry_gateway import names
from registry_gateway.oci import INDEX_TYPES
from registry_gateway.store.contents import Manifest
from registry_gateway.store.errors import StoreError, UnknownError
from registry_gateway.store.store import Store
from registry_gateway.upkeep import layers

_OF_BUNDLE = "images_digests.json"
_OF_PLATFORM = f"modules/{_OF_BUNDLE}"
_PLATFORMS_LIMIT = 32  # manifests of an index that are looked at


class ListError(Exception):
    """The list of a release cannot be read; the text says why."""


class NoListError(ListError):
    """The release is whole and has none."""


async def read(store: Store, repository: str, reference: str) -> frozenset[str]:
    """The digests that the image `reference` lists, of all its platforms. Raises ListError."""
    try:
        found = [await _of_one(store, repository, one) for one in await _platforms(store, repository, reference)]
    except UnknownError:
        raise ListError("not all of it is in the store") from None
    except StoreError as error:
        raise ListError(error.message) from None
    if not any(found):
        raise NoListError("it has no images_digests.json with digests in it")
    return frozenset().union(*found)


async def _platforms(store: Store, repository: str, reference: str) -> list[Manifest]:
    manifest = await store.contents.manifest(repository, reference)
    if manifest.media_type not in INDEX_TYPES:
        return [manifest]
    children = json.loads(manifest.content).get("manifests", [])[:_PLATFORMS_LIMIT]
    return [await store.contents.manifest(repository, child["digest"]) for child in children]


async def _of_one(store: Store, repository: str, manifest: Manifest) -> frozenset[str]:
    entries = json.loads(manifest.content).get("layers", [])
    with ExitStack() as opened:
        descriptors = []
        for entry in entries:
            async with await store.contents.blob(repository, entry["digest"]) as blob:
                # The thread's own: it may still read when this task has been cancelled.
                descriptors.append(os.dup(blob.fileno()))
                opened.callback(os.close, descriptors[-1])
        reading = asyncio.get_running_loop().run_in_executor(None, _read, descriptors)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])
            raise


def _read(descriptors: list[int]) -> frozenset[str]:
    try:
        found = layers.files(descriptors, _is_list)
        return frozenset(digest for body in found.values() for digest in _digests(json.loads(body)))
    except layers.LayerError as error:
        raise ListError(str(error)) from None
    except (ValueError, RecursionError):
        raise ListError("its images_digests.json is no JSON") from None
    except OSError:
        raise ListError("its layers cannot be read from the disk") from None


def _is_list(path: str) -> bool:
    return path in (_OF_BUNDLE, _OF_PLATFORM) or path.endswith(f"/{_OF_PLATFORM}")


def _digests(document: object) -> Iterator[str]:
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and names.is_digest(one):
            yield one
