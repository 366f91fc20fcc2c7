"""The platform's step 032: deckhouse.toml and conf.d become config.toml, table by table.

containerd's own `imports` would not do: 1.x replaces the whole section of a plugin by that of the last file.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from typing import Any

BASE = "/etc/containerd/deckhouse.toml"
FOLDER = "/etc/containerd/conf.d"
TARGET = "/etc/containerd/config.toml"


def merge(texts: Iterable[str]) -> str:
    """One TOML text from several; later values win. Raises tomllib.TOMLDecodeError."""
    merged: dict[str, Any] = {}
    for text in texts:
        _into(merged, tomllib.loads(text))
    return "\n".join(_table(merged, ())) + "\n"


def _into(target: dict[str, Any], source: dict[str, Any]) -> None:
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _into(target[key], value)
        else:
            target[key] = value


def _table(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(json.dumps(part) for part in path)}]"] if path else []
    lines += [f"{json.dumps(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _table(value, (*path, key))
    return lines


def _value(value: Any) -> str:
    """Strings, numbers, booleans and lists of them look the same in JSON and in TOML."""
    return json.dumps(value)
