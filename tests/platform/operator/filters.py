"""jqFilter of a binding, by the real jq, and the checksum that decides whether an object has changed.

The platform runs gojq. A filter may not rest on what differs there: gojq sorts keys (no `keys_unsorted`), its regular
expressions are RE2 (no look-around, no back references), integers are exact at any size, `input_line_number` is absent.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jq


@dataclass(frozen=True)
class Item:
    """An object as a binding sees it. `view` is what a snapshot holds: `{object?, filterResult?}`."""

    namespace: str
    name: str
    view: dict[str, Any]
    checksum: str


def checksum(value: Any) -> str:
    """SHA-256 (hex) of a JSON value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def item_maker(*, jq_filter: str, keep_full_object: bool) -> Callable[[dict[str, Any]], Item]:
    """A function from object to Item. The function raises ValueError when the filter fails on an object."""
    program = jq.compile(jq_filter) if jq_filter else None

    def make(obj: dict[str, Any]) -> Item:
        view: dict[str, Any] = {"object": obj} if keep_full_object else {}
        compared: Any = obj
        if program is not None:
            results = program.input_value(obj).all()
            # No result is null, several results are a list.
            compared = results[0] if len(results) == 1 else results or None
            view["filterResult"] = compared
        meta = obj["metadata"]
        return Item(meta.get("namespace", ""), meta["name"], view, checksum(compared))

    return make
