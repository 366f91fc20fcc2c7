"""The last switches: from what to what, when, how many seconds at each stage, and how it ended. Never a secret."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from .context import Context
from .settings import Settings
from .state import State

MAX_SWITCHES = 10
DONE, CHANGED_MIND = "Done", "ChangedMind"
FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_PARTS = {
    "scheme": "registry",
    "host": "registry",
    "path": "registry",
    "user": "credentials",
    "password": "credentials",
    "ca": "ca",
    "realms": "tokenRealms",
    "failover": "failover",
}
"""Field of the upstream → the word for it; a licence is a password."""


def record(before: Context, after: Context, *, stage: str, at_rest: bool) -> tuple[dict[str, Any], ...]:
    """The switches so far, newest first. They change with the settings in force and with the stage, never with time.

    :param before: inputs and the state that the evaluation began with
    :param after: the same inputs, and the state that it led to
    :param stage: the one that it led to
    :param at_rest: no stage is waited for
    """
    now, entries = before.inputs.now, list(before.state.history)
    changed = _known(before) and _leads(before.settings) != _leads(after.settings)
    if _running(entries) and (changed or at_rest or stage != before.state.stage):
        entries[0] = _spent(entries[0], before.state, now)
    if _running(entries) and changed:
        entries[0] = {**entries[0], "ended": now, "result": CHANGED_MIND}
    if changed:
        entries.insert(0, _begun(before, after))
    if _running(entries) and at_rest:
        entries[0] = {**entries[0], "ended": now, "result": DONE}
    return tuple(entries[:MAX_SWITCHES])


def restore(state: State, told: list[Any]) -> State:
    """The state with the history that `Registry/main` tells, when it has none: there is no Secret of it in Unmanaged.

    :param told: `status.history` of that object, if there is one; entries of another form are left out
    """
    entries = told[0] if told and isinstance(told[0], list) else []
    found = tuple(entry for entry in entries if _is_entry(entry))[:MAX_SWITCHES]
    return state if state.history else replace(state, history=found)


def _is_entry(entry: Any) -> bool:
    try:
        dt.datetime.strptime(entry["started"], FORMAT)
        return all(isinstance(s["name"], str) and isinstance(s["seconds"], int) for s in entry["stages"])
    except (KeyError, TypeError, ValueError):
        return False


def _leads(settings: Settings) -> Settings:
    """What a switch is about: not in which waves nodes follow."""
    return replace(settings, waves=())


def _known(before: Context) -> bool:
    """Whether it is known what was there before: not when the address is in use and the state is lost."""
    return before.state.settings is not None or not (before.state.gateway or before.facts.in_use)


def _running(entries: list[dict[str, Any]]) -> bool:
    return bool(entries) and "ended" not in entries[0]


def _begun(before: Context, after: Context) -> dict[str, Any]:
    return {
        "from": {"mode": before.settings.mode, "place": before.place},
        "to": {"mode": after.settings.mode, "place": after.place},
        "changed": _changed(before.settings, after.settings),
        "started": before.inputs.now,
        "stages": [],
    }


def _changed(old: Settings, new: Settings) -> list[str]:
    """What differs, in words: names only."""
    one, other = (settings.upstream.to_dict() if settings.upstream else {} for settings in (old, new))
    parts = [word for field, word in _PARTS.items() if (one.get(field) or "") != (other.get(field) or "")]
    pairs = {"mode": (old.mode, new.mode), "checkMode": (old.check_mode, new.check_mode)}
    rest = [name for name, (was, is_) in pairs.items() if was != is_]
    return list(dict.fromkeys([*rest, *parts, *(["storage"] if old.store != new.store else [])]))


def _spent(entry: dict[str, Any], state: State, now: str) -> dict[str, Any]:
    """The entry with the time since the last change of stage, or since it began, added to the stage of `state`."""
    if not state.stage:
        return entry
    seconds = _seconds(max(state.since, entry["started"]), now)
    known = {spent["name"]: spent["seconds"] for spent in entry["stages"]}
    known[state.stage] = known.get(state.stage, 0) + seconds
    return {**entry, "stages": [{"name": name, "seconds": spent} for name, spent in known.items()]}


def _seconds(start: str, end: str) -> int:
    return max(0, int((dt.datetime.strptime(end, FORMAT) - dt.datetime.strptime(start, FORMAT)).total_seconds()))
