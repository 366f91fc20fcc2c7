"""This replica's store and the other replicas, as seen by a command that runs beside the processes that serve."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from registry_gateway.config import Config, ConfigError
from registry_gateway.mount import Mounted
from registry_gateway.sources.peer import Peers, PeerSource
from registry_gateway.sources.transport import Deadlines
from registry_gateway.store.errors import StoreError
from registry_gateway.store.store import Store
from registry_gateway.stores import Keeper, Opened


@asynccontextmanager
async def own_store(config: Config, data: Path) -> AsyncIterator[Keeper]:
    """A keeper of the store in `data`, opened for reading only: nothing counts as used, nothing is repaired. It has
    none when `config` wants none, or for the reason in `error`.
    """
    keeper = Keeper(None)
    if config.store is not None:
        try:
            keeper.opened = Opened(await _open(data), 0)
        except StoreError as error:
            keeper.error = error.message
    try:
        yield keeper
    finally:
        if keeper.opened is not None:
            await keeper.opened.close()


async def _open(data: Path) -> Store:
    if not data.is_dir():  # noqa: ASYNC240 - nobody waits for this loop
        raise StoreError(f"{data} is no directory; name the one that the gateway has by --data")
    return await Store.open(data, read_only=True)


@asynccontextmanager
async def others(mounted: Mounted, name: str, deadlines: Deadlines) -> AsyncIterator[Sequence[PeerSource]]:
    """The other replicas, asked with the mounted certificate; `name` is this one's. Raises ConfigError without it."""
    config, peers = mounted.config, Peers(name, deadlines=deadlines)
    if config.peers and not name:
        raise ConfigError("peers: name this replica by --name, to tell it from the others")
    try:
        yield await peers.use(
            config.peers, alias=config.alias, context=mounted.peer_context, context_id=mounted.context_id
        )
    finally:
        await peers.close()
