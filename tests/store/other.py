"""Another process that works on the same store, run by test_fetches.py.

    python -m tests.store.other follow|fetch FOLDER DIGEST TOTAL

`follow` prints "first" when it has a piece and "whole" or "failed" with the number of bytes at the end. `fetch` claims
the digest, writes half of the total in zeros, prints "half" and waits to be killed.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from registry_gateway.store.errors import FetchFailedError
from registry_gateway.store.store import Store
from tests.store.site import NAME


async def follow(store: Store, wanted: str) -> None:
    growing = None
    while growing is None:
        growing = await store.fetches.follow(wanted)
        await asyncio.sleep(0.01)
    found, length = hashlib.sha256(), 0
    try:
        async for piece in growing.pieces():
            if not length:
                print("first", flush=True)
            found.update(piece)
            length += len(piece)
    except FetchFailedError:
        print("failed", length, flush=True)
        return
    print("whole" if f"sha256:{found.hexdigest()}" == wanted else "wrong", length, flush=True)


async def fetch(store: Store, wanted: str, total: int) -> None:
    claim = await store.fetches.claim(NAME, wanted)
    assert claim is not None
    await claim.begin(total)
    await claim.write(bytes(total // 2))
    print("half", flush=True)
    await asyncio.Event().wait()


async def main(command: str, folder: str, wanted: str, total: str) -> None:
    async with await Store.open(Path(folder)) as store:
        print("open", flush=True)
        await (follow(store, wanted) if command == "follow" else fetch(store, wanted, int(total)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
