"""The module as it is delivered: only what belongs into the bundle, as regular files (module layout §5)."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("crds", "docs", "hooks", "lib/python/dist", "node", "openapi", "templates")
FILES = (".helmignore", "Chart.yaml", "module.yaml")
_CACHES = shutil.ignore_patterns("__pycache__", ".*_cache")


def make(target: Path) -> Path:
    """Copy the bundle below `target`; returns it. Raises FileNotFoundError when lib/python/dist is not built."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, target / folder, ignore=_CACHES, symlinks=False)
    for name in FILES:
        shutil.copy2(ROOT / name, target / name)
    return target
