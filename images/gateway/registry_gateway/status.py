"""`status` of a RegistryReplica, as docs/internal/ARCHITECTURE.md has it ("RegistryReplica status")."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

_MOVING = ("bytes", "blobs", "free")  # of `store`
_MOVING_PARTS = {"fill": "bytes", "scrub": "checked"}


def build(
    *,
    version: str,
    error: str,
    not_after: float | None,
    upstreams: Sequence[Mapping[str, Any]],
    check: Mapping[str, Any] | None,
    store: Mapping[str, Any] | None = None,
    now: float,
) -> dict[str, Any]:
    """The whole status; `not_after` and `now` are Unix seconds. Fields without a value are null, so that a merge
    patch takes an old one away.
    """
    return {
        "configVersion": version,
        "configError": error,
        "certificateNotAfter": None if not_after is None else rfc3339(not_after),
        "upstreams": list(upstreams),
        "check": None if check is None else dict(check),
        "store": None if store is None else dict(store),
        "heartbeat": rfc3339(now),
    }


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two statuses differ at most by what moves all the time: it is written with the heartbeat."""
    return _settled(one) == _settled(other)


def _settled(status: Mapping[str, Any]) -> dict[str, Any]:
    settled = {**status, "heartbeat": ""}
    if status["store"] is not None:
        settled["store"] = store = {key: value for key, value in status["store"].items() if key not in _MOVING}
        for part, moving in _MOVING_PARTS.items():
            if store[part] is not None:
                store[part] = {**store[part], moving: None}
    return settled


def rfc3339(seconds: float) -> str:
    """Unix seconds as Kubernetes writes times."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
