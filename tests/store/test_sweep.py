"""Files that nothing else removes: of writers that died, of commits that did not end, of damage long ago."""

from __future__ import annotations

import time

from registry_gateway.store import sweep
from tests.store.site import NAME, Site, digest

RIGHT = b"right"


def leave(site: Site) -> None:
    (site.folder / "incoming" / "dead").write_bytes(b"half")
    (site.folder / "claims" / "dead").write_bytes(b"")
    site.file(digest(b"orphan")).write_bytes(b"orphan")
    (site.folder / "quarantine" / "sha256-1").write_bytes(b"wrong")


def left(site: Site) -> int:
    return len(site.leftovers()) + len(site.on_disk()) + len(list((site.folder / "quarantine").iterdir()))


async def test_what_nobody_needs_goes_beside_those_who_write(site: Site) -> None:
    await site.push_image(RIGHT, tag="v1")
    held = site.on_disk()
    upload = await site.store.uploads.start(NAME)
    claim = await site.store.fetches.claim(NAME, digest(b"fetched"))
    assert claim is not None
    async with claim:
        await claim.begin(7)
        site.clock.seconds = time.time()
        before = left(site)
        leave(site)
        assert await site.store.upkeep.clean() == 1, "only the file in place without a row: the rest is young"
        assert left(site) == before + 3
        site.clock.pass_(sweep.YOUNG_SECONDS + 1)
        assert await site.store.upkeep.clean() == 2
        site.clock.pass_(sweep.QUARANTINED_SECONDS)
        assert await site.store.upkeep.clean() == 1
        assert left(site) == before
        await claim.write(b"fetched")
        await claim.commit()
    assert await site.store.uploads.offset(NAME, upload) == 0
    assert site.on_disk() == held | {digest(b"fetched")}
