"""The values of a module: user settings, defaults, what the platform injects, and the patches of hooks in memory."""

import copy
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from . import patches
from .filters import checksum
from .schema import apply_defaults, load_schema, problems, required_for_helm, values_key


class ValuesError(Exception):
    """Values do not satisfy the module's schema; the message names fields, never values."""


class Values:
    """Thread-safe. Schema files are read anew by load()."""

    def __init__(self, *, module_dir: Path, module_name: str, injected: Mapping[str, Any] | None) -> None:
        """`injected` is the section `registry` that the platform adds for a downloaded module."""
        self.key = values_key(module_name)
        self._module_dir = module_dir
        self._injected = copy.deepcopy(dict(injected)) if injected is not None else None
        self._lock = threading.RLock()
        self._global: dict[str, Any] = {}
        self._settings: dict[str, Any] | None = None
        self._patches: list[patches.Operation] = []
        self._cached: tuple[bytes, str] | None = None
        self.load()

    def load(self) -> None:
        """Read the schemas and the static values of the module."""
        static = self._module_dir / "values.yaml"
        content = yaml.safe_load(static.read_text(encoding="utf-8")) if static.exists() else None
        with self._lock:
            self._config_schema = load_schema(self._module_dir, "config-values.yaml")
            self._schema = load_schema(self._module_dir, "values.yaml")
            self._static: dict[str, Any] = (content or {}).get(self.key) or {}
            self._cached = None

    def set_global(self, values: Mapping[str, Any]) -> bool:
        """Replace the global section; True when it differs from what was there."""
        with self._lock:
            changed = self._global != values
            self._global = copy.deepcopy(dict(values))
            self._cached = None
            return changed

    def set_settings(self, settings: Mapping[str, Any] | None) -> None:
        """Replace the user's settings. Raises ValuesError and keeps the old ones when they are not valid."""
        with self._lock:
            found = self.settings_problems(settings)
            if found:
                raise ValuesError("; ".join(found))
            self._settings = copy.deepcopy(dict(settings)) if settings is not None else None
            self._cached = None

    def settings_problems(self, settings: Mapping[str, Any] | None, old: Mapping[str, Any] | None = None) -> list[str]:
        """What is wrong with settings, after defaults."""
        effective = copy.deepcopy(dict(settings or {}))
        apply_defaults(effective, self._config_schema)
        return problems(self._config_schema, effective, self.key, dict(old) if old is not None else None)

    def forget_patches(self) -> None:
        """Drop what hooks have computed: the module is off, or the operator starts."""
        with self._lock:
            self._patches, self._cached = [], None

    def effective(self) -> dict[str, Any]:
        """`{"global": …, "<key>": …}` as hooks and templates see it."""
        return dict(json.loads(self._computed()[0]))

    def config_values(self) -> dict[str, Any]:
        """The user's settings only; null when there are none (hook contract, section 12, row 7)."""
        with self._lock:
            return {"global": None, self.key: copy.deepcopy(self._settings)}

    def checksum(self) -> str:
        """Changes whenever effective() does."""
        return self._computed()[1]

    def apply(self, operations: Sequence[patches.Operation]) -> None:
        """Apply a hook's patch. Raises PatchError or ValuesError and changes nothing then."""
        if not operations:
            return
        patches.check(operations, self.key)
        with self._lock:
            patched = patches.apply_strict(self.effective(), operations)
            found = problems(self._schema, patched.get(self.key), self.key)
            if found:
                raise ValuesError("; ".join(found))
            self._patches = patches.compact([*self._patches, *operations])
            self._cached = None

    def patched_settings(self, operations: Sequence[patches.Operation]) -> dict[str, Any]:
        """The user's settings after a config-values patch. Raises PatchError or ValuesError."""
        patches.check(operations, self.key)
        with self._lock:
            patched = patches.apply_strict({self.key: self._settings or {}}, operations)
        settings = dict(patched.get(self.key) or {})
        found = self.settings_problems(settings)
        if found:
            raise ValuesError("; ".join(found))
        return settings

    def for_helm(self) -> dict[str, Any]:
        """effective(), checked with `x-required-for-helm`. Raises ValuesError."""
        values = self.effective()
        found = problems(required_for_helm(self._schema), values[self.key], self.key)
        if found:
            raise ValuesError("; ".join(found))
        return values

    def _computed(self) -> tuple[bytes, str]:
        """effective() as JSON, and its checksum; asked for several times in each run of a hook."""
        with self._lock:
            if self._cached is None:
                values = patches.replay(self._base(), self._patches)
                self._cached = json.dumps(values).encode(), checksum(values)
            return self._cached

    def _base(self) -> dict[str, Any]:
        section = _merged(copy.deepcopy(self._static), self._settings or {})
        if self._injected is not None:
            section = _merged({"registry": copy.deepcopy(self._injected)}, section)
        apply_defaults(section, self._config_schema)
        apply_defaults(section, self._schema)
        return {"global": copy.deepcopy(self._global), self.key: section}


def _merged(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        old = base.get(key)
        base[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else copy.deepcopy(value)
    return base
