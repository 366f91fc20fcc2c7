"""Secrets in rendered manifests, masked: a review is pasted into chats and tickets."""

from __future__ import annotations

import copy
from typing import Any


def masked(item: dict[str, Any]) -> dict[str, Any]:
    """The object with each value of a Secret's data replaced by its length.

    No fingerprint: a short password could be tried against it.
    """
    if item["kind"] != "Secret":
        return item
    result = copy.deepcopy(item)
    for section in ("data", "stringData"):
        for key, value in (result.get(section) or {}).items():
            result[section][key] = f"<masked: {len(str(value))} characters>"
    return result
