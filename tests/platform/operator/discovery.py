"""Which files below hooks/ are hooks (hook contract, section 1)."""

import os
from collections.abc import Callable
from pathlib import Path

_SKIPPED_FOLDERS = {"lib", "venv"}
_SKIPPED_SUFFIXES = {".yaml", ".json", ".md", ".txt"}


def find_hooks(module_dir: Path, warn: Callable[[str], None]) -> list[Path]:
    """Executable files below hooks/, sorted by path. Calls warn() for each file that only lacks the exec bit."""
    found = []
    root = module_dir / "hooks"
    for folder, names, files in os.walk(root):
        names[:] = [n for n in names if n not in _SKIPPED_FOLDERS and not n.startswith(".")]
        for name in files:
            path = Path(folder) / name
            if name.startswith(".") or path.suffix in _SKIPPED_SUFFIXES or _dropped_on_unpacking(path, module_dir):
                continue
            # Unpacking masks modes with 0700, so only the owner's bit counts.
            if path.stat().st_mode & 0o100:
                found.append(path)
            else:
                warn(f"file {path.relative_to(module_dir)} has no executable permissions and is not a hook")
    return sorted(found)


def has_own_python(module_dir: Path) -> bool:
    """True when hooks/venv brings its interpreter as a regular executable (hook contract, section 3)."""
    python = module_dir / "hooks/venv/bin/python3"
    return python.is_file() and not python.is_symlink() and os.access(python, os.X_OK)


def _dropped_on_unpacking(path: Path, module_dir: Path) -> bool:
    """Absolute links, links out of the module and dangling ones do not survive the way into the cluster."""
    if not path.is_symlink():
        return False
    return path.readlink().is_absolute() or not path.exists() or not path.resolve().is_relative_to(module_dir.resolve())
