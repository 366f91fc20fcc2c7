"""What a collection keeps in one store: the tags that `retention` chooses, and what releases that stay consist of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry_gateway import names
from registry_gateway.config import Image
from registry_gateway.store.errors import UnknownError
from registry_gateway.store.plan import Keep
from registry_gateway.store.store import Store
from registry_gateway.upkeep import image_list, retention
from registry_gateway.upkeep.image_list import ListError, NoListError
from registry_gateway.upkeep.retention import Line, Tag

# What no kept release needs stays for so long after its last use: pushing a release takes hours, and its images may
# come before the tag that needs them.
UNNEEDED_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Kept:
    """What to keep; `back`: why more stays than must, "" when it does not."""

    keep: Keep
    back: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What the kept releases of a line consist of. `whole`: nothing else of it is needed. `back`: why that is unknown
    though it should not be.
    """

    lists: Mapping[str, frozenset[str]]
    whole: bool
    back: str


class Keeping:
    """Finds what to keep. It remembers the lists it has read: they are of images by digest, and cannot change."""

    def __init__(self, store: Store, alias: str) -> None:
        self._store, self._alias = store, alias
        self._lists: dict[str, frozenset[str]] = {}  # by digest of the release's image

    async def find(
        self, *, keep_releases: int, expected: Sequence[Image], modules: Mapping[str, str], pinned: Sequence[Tag]
    ) -> Kept:
        """What stays when these images are expected, `modules` run (versions by name), and the newest `keep_releases`
        (0: all) and `pinned` are wanted. Raises StoreError.
        """
        digests = {image.reference for image in expected if names.is_digest(image.reference)}
        tags = {name: await self._tags(name) for name in await self._store.contents.repositories()}
        wanted = [Tag(self._alias, image.reference) for image in expected if image.reference not in digests]
        wanted += [Tag(name, tag) for name, here in tags.items() for tag, digest in here.items() if digest in digests]
        chosen = retention.choose(
            self._alias, tags, keep_releases=keep_releases, expected=[*wanted, *pinned], modules=modules
        )
        found = {line.repository: await self._read(line, tags) for line in chosen.lines.values()}

        def untagged(repository: str) -> bool:
            listed = found.get(repository)
            return chosen.line(repository) is None if listed is None else not listed.whole

        self._lists = {digest: one for listed in found.values() for digest, one in listed.lists.items()}
        keep = Keep(
            tag=chosen.keeps,
            digests=digests.union(*self._lists.values()),
            about=retention.about,
            untagged=untagged,
            grace=UNNEEDED_SECONDS,
        )
        return Kept(keep, next((listed.back for listed in found.values() if listed.back), ""))

    async def _read(self, line: Line, tags: Mapping[str, Mapping[str, str]]) -> Listed:
        """What the kept releases of `line` list; a module without images of its own has no list."""
        lists, whole, back = dict[str, frozenset[str]](), True, ""
        for tag in line.kept:
            digest = tags[line.repository][tag]
            try:
                known = self._lists.get(digest)
                lists[digest] = await image_list.read(self._store, line.repository, digest) if known is None else known
            except ListError as error:
                whole = False
                if line.repository == self._alias or not isinstance(error, NoListError):
                    back = back or (f"nothing untagged of {line.repository} is removed, since the images of "
                                    f"{line.repository}:{tag} are not known: {error}")  # fmt: skip
        return Listed(lists, whole, back)

    async def _tags(self, repository: str) -> dict[str, str]:
        """Tags and their digests."""
        found = {}
        for tag in await self._store.contents.tags(repository):
            try:
                found[tag], _ = await self._store.contents.tag(repository, tag)
            except UnknownError:
                continue  # deleted a moment ago
        return found
