"""The store of this process, which may be let go of and opened again (see `stores`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from registry_gateway.store.errors import StoreError
from registry_gateway.store.store import Store
from registry_gateway.stores import Keeper

Hold = Callable[[], AbstractContextManager[Store]]  # gives the store for the time of a context; raises StoreError


def holding(keeper: Keeper) -> Hold:
    """The store that `keeper` has open."""

    @contextmanager
    def hold() -> Iterator[Store]:
        opened = keeper.opened
        if opened is None:
            raise StoreError(keeper.error or "the store is being opened")
        try:
            with opened.held() as store:
                yield store
        except StoreError as error:
            keeper.met(error)
            raise

    return hold
