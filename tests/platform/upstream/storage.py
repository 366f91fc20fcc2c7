"""The registry's own storage on disk: filled once per catalogue and machine, and where a manifest can be hidden."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.platform.images import catalogue as images
from tests.platform.images.catalogue import Catalogue
from tests.support.distribution import BINARY, distribution
from tools.oci.cache import cached, key_of

_REPOSITORIES = "docker/registry/v2/repositories"


def seed(catalogue: Catalogue, *, path: str, data: Path) -> bool:
    """Link a storage that holds the catalogue below `path` into `data`, unless there is one; True when it was linked.

    A registry writes new files and renames them, so that linked ones are never changed (its driver `filesystem`).
    """
    if data.exists():
        return False
    key = key_of(path, *(f"{image}" for image in catalogue.images), str(BINARY.resolve()))

    def fill(folder: Path) -> None:
        with distribution(folder) as registry:
            images.push(catalogue.layout, catalogue.images, address=registry.address, path=path)

    filled = cached("images/storage", key, fill) / "data"
    try:
        shutil.copytree(filled, data, copy_function=os.link)
    except shutil.Error:  # the cache is on another file system
        shutil.rmtree(data)
        shutil.copytree(filled, data)
    return True


def revision(data: Path, repository: str, digest: str) -> Path:
    """What makes a manifest known in a repository; without it the registry answers 404, by tag too."""
    algorithm, _, value = digest.partition(":")
    return data / _REPOSITORIES / repository / "_manifests" / "revisions" / algorithm / value
