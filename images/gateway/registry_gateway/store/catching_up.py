"""Layouts that are behind the index, written again: their writer died in between, or the disk did not take them.

The index is what is asked, so a layout that cannot be written keeps nobody from reading, nor from what makes room.
"""

from __future__ import annotations

from registry_gateway.store import layout
from registry_gateway.store.errors import DamagedError, StoreError, translated
from registry_gateway.store.home import Home


def catch_up(home: Home) -> dict[str, StoreError]:
    """Write what is behind; returns the repositories whose layouts stay so, and why. Blocks. Raises sqlite3.Error, and
    DamagedError where that is met.
    """
    failed: dict[str, StoreError] = {}
    for name in layout.unpublished(home.database):
        try:
            with translated():
                home.publish(name)
        except DamagedError:
            raise
        except StoreError as error:
            failed[name] = error
    return failed
