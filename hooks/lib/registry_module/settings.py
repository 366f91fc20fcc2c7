"""Settings of the ModuleConfig, checked wholly again behind the schema: nothing wrong may reach a node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import names, wave_settings
from .store_settings import COPY, StoreSettings, parse_cache, parse_copy
from .upstream import Upstream
from .upstream_settings import FieldError, parse_upstream

CHECK_DEFAULT = "Default"
CHECK_RELAX = "Relax"
INVALID = "SettingsInvalid"


@dataclass(frozen=True)
class Settings:
    """What the administrator wants, normalized.

    `upstream`: the real registry of Direct and Proxy. `store`: that of Proxy and Local; what Local copies from is its
    `fill`, which serves nobody. `waves`: shares of the nodes that get a new route one after another, in percent.
    """

    mode: str
    upstream: Upstream | None = None
    check_mode: str = CHECK_DEFAULT
    store: StoreSettings | None = None
    waves: tuple[int, ...] = wave_settings.DEFAULT

    def to_dict(self) -> dict[str, Any]:
        """Plain data. What states of older versions did not have has no key unless it is set."""
        upstream = self.upstream.to_dict() if self.upstream else {}
        data = {"mode": self.mode, "upstream": upstream, "checkMode": self.check_mode}
        store = {"store": self.store.to_dict()} if self.store else {}
        waves = {"waves": list(self.waves)} if self.waves != wave_settings.DEFAULT else {}
        return {**data, **store, **waves}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Settings:
        upstream = Upstream.from_dict(data["upstream"]) if data.get("upstream") else None
        store = StoreSettings.from_dict(data["store"]) if data.get("store") else None
        waves = tuple(int(share) for share in data.get("waves", wave_settings.DEFAULT))
        return Settings(str(data["mode"]), upstream, str(data.get("checkMode", CHECK_DEFAULT)), store, waves)


@dataclass(frozen=True)
class Verdict:
    """The parsed settings, or every reason against them."""

    settings: Settings | None
    reason: str = ""
    errors: tuple[FieldError, ...] = ()


def parse(values: dict[str, Any]) -> Verdict:
    """Judge the settings part of the module's values; all errors at once. Never raises, whatever the input."""
    mode = values.get("mode", names.UNMANAGED)
    if mode not in names.MODES:
        return _refused(FieldError("mode", "must be one of " + ", ".join(names.MODES)))
    errors: list[FieldError] = []
    waves = wave_settings.parse(values.get("nodes"), errors)
    if mode == names.UNMANAGED:
        return _refused(*errors) if errors else Verdict(Settings(names.UNMANAGED, waves=waves))
    at = mode.lower()
    section = values.get(at, {} if mode == names.LOCAL else None)
    if not isinstance(section, dict):
        return _refused(FieldError(at, f"is required in mode {mode}"))
    upstream = None if mode == names.LOCAL else parse_upstream(section, at, errors)
    store = None
    if mode == names.PROXY:
        store = parse_cache(section, values.get("storage"), errors)
    elif mode == names.LOCAL:
        store = parse_copy(section, values.get("storage"), errors)
    check_mode = section.get("checkMode", CHECK_DEFAULT)
    if check_mode not in (CHECK_DEFAULT, CHECK_RELAX):
        errors.append(FieldError(at + ".checkMode", "must be Default or Relax"))
    if errors:
        return _refused(*errors)
    return Verdict(Settings(mode, upstream, str(check_mode), store, waves))


def fitting(verdict: Verdict, present: StoreSettings | None) -> Verdict:
    """`verdict`, refused when it would put a copy's gateways onto empty folders, one after another and all of them.

    :param present: the store that gateways have
    """
    wanted = verdict.settings.store if verdict.settings else None
    if wanted is None or present is None or not wanted.role == present.role == COPY or wanted.path == present.path:
        return verdict
    message = (
        f"cannot change while mode is Local, every gateway would begin with an empty folder; keep {present.path} and "
        "mount the other disk there, or go by way of another mode"
    )
    return _refused(FieldError("storage.path", message))


def _refused(*errors: FieldError) -> Verdict:
    return Verdict(None, INVALID, errors)
