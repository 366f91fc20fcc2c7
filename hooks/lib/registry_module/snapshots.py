"""Reading what the operator hands to a hook: snapshots and values, defensively."""

from __future__ import annotations

from typing import Any, Mapping

MODULE = "registry"
OWNER_LABEL = "registry.deckhouse.io/owner"
"""Marks our own objects; the platform's embedded module uses the same names without it."""
OWNER = "registry-module"


def results(snapshots: Mapping[str, Any], binding: str) -> list[Any]:
    """Filter results of a binding, without the empty ones."""
    items = snapshots.get(binding) or []
    return [item["filterResult"] for item in items if isinstance(item, dict) and item.get("filterResult") is not None]


def internal(values: dict[str, Any]) -> dict[str, Any]:
    """`values.registry.internal`, created when a schema without defaults left it out."""
    section: dict[str, Any] = values.setdefault(MODULE, {}).setdefault("internal", {})
    return section


def settings_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The user's part of the module's values: without results of hooks and without what the platform injects."""
    return {key: value for key, value in (values.get(MODULE) or {}).items() if key not in ("internal", "registry")}
