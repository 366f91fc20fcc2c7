"""Parts of a process that run for as long as it does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from registry_gateway import log

RESTART_SECONDS = 5.0  # until a part that ended by a defect is started again


def always(name: str, part: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Run `part`; a defect in it is logged and does not end it for good."""

    async def keep() -> None:
        while True:
            try:
                await part()
            except Exception as error:
                log.emit("error", "defect", part=name, error=log.where(error))
            await asyncio.sleep(RESTART_SECONDS)

    return asyncio.create_task(keep())
