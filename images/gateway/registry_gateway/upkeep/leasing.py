"""Images that the settings keep (`local.keep`): a lease of each, renewed before every look at what may go.

A lease that is not renewed ends by itself, so what is taken out of the settings goes at the next collection but one.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry_gateway import names
from registry_gateway.config_store import KeptImage
from registry_gateway.store.errors import InvalidNameError, UnknownError
from registry_gateway.store.store import Store
from registry_gateway.upkeep.retention import Tag

OWNER = "settings"


class Leasing:
    """Leases `images` of `store`, repositories below `alias`, for `seconds` at a time."""

    def __init__(self, store: Store, alias: str, images: Sequence[KeptImage], *, seconds: int) -> None:
        self._store, self._seconds = store, seconds
        self._images = [(names.join(alias, one.repository) or alias, one.reference) for one in images]

    @property
    def tags(self) -> tuple[Tag, ...]:
        """Those of the images that are named by a tag: of a release all that it lists stays, too."""
        return tuple(Tag(*image) for image in self._images if not names.is_digest(image[1]))

    async def renew(self) -> tuple[str, ...]:
        """Take the leases once more; returns the images that are not here, as people write them. Raises StoreError."""
        digests, absent = [], list[str]()
        for repository, reference in self._images:
            try:
                found = await self._store.contents.has_manifest(repository, reference)
                digests.append(found.digest)
            except (UnknownError, InvalidNameError):
                absent.append(f"{repository}{'@' if names.is_digest(reference) else ':'}{reference}")
        if digests:
            await self._store.leases.take(OWNER, digests, seconds=self._seconds)
        return tuple(absent)
