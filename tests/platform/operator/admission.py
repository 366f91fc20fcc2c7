"""What the platform's ModuleConfig webhook decides (platform contracts, section 10)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .conversions import ConversionError, Conversions

ALLOW_DISABLING = "modules.deckhouse.io/allow-disabling"

Check = Callable[[Mapping[str, Any], Mapping[str, Any] | None], list[str]]
"""Problems of settings, given the new ones and the old ones (None: there were none)."""


@dataclass
class Verdict:
    """The answer to an admission request."""

    allowed: bool
    message: str = ""
    warnings: list[str] = field(default_factory=list)


def review(
    new: Mapping[str, Any] | None,
    old: Mapping[str, Any] | None,
    *,
    check: Check,
    conversions: Conversions,
    disable_confirmation: str,
) -> Verdict:
    """Judge a create (old None), update, or delete (new None) of the module's ModuleConfig."""
    if disable_confirmation and _enabled(old) and not _enabled(new):
        annotated: Mapping[str, Any] = (new or old or {})["metadata"].get("annotations") or {}
        if annotated.get(ALLOW_DISABLING) != "true":
            return Verdict(False, f"{disable_confirmation}: set annotation {ALLOW_DISABLING}=true to confirm")
    if new is None:
        return Verdict(True)
    spec = new.get("spec") or {}
    settings, version = spec.get("settings"), spec.get("version")
    if not settings:
        return Verdict(True, warnings=["spec.version has no effect without spec.settings"] if version else [])
    if not isinstance(version, int):
        return Verdict(False, "spec.version is required when spec.settings are given")
    if spec.get("enabled") is False:
        return Verdict(True)
    try:
        converted = conversions.convert(settings, version)
    except ConversionError as error:
        return Verdict(False, f"spec.settings: {error}")
    found = check(converted, _old_settings(old, conversions))
    if found:
        return Verdict(False, f"spec.settings are not valid (version {version}): " + "; ".join(found))
    outdated = [f"spec.version {version} is outdated, the newest is {conversions.newest}"]
    return Verdict(True, warnings=outdated if version < conversions.newest else [])


def _enabled(config: Mapping[str, Any] | None) -> bool:
    return bool(config and (config.get("spec") or {}).get("enabled"))


def _old_settings(old: Mapping[str, Any] | None, conversions: Conversions) -> Mapping[str, Any] | None:
    spec = (old or {}).get("spec") or {}
    if not spec.get("settings") or spec.get("version") is None:
        return None
    try:
        return conversions.convert(spec["settings"], spec["version"])
    except ConversionError:
        return None  # it slipped in before the webhook stood: nothing to compare with
