"""The environment of a hook process: chroot, read-only trees, no /etc, no network (hook contract, sections 2 and 3)."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[2]
_TMP_INSIDE = Path("/tmp")
_PYTHON_LIB_INSIDE = Path("/deckhouse/python_lib")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a program of the module runs: the command before it, its environment and how paths look to it."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str
    module: Path
    scratch: Path


class Sandbox:
    """Makes a Place for each run. Without root it is a plain subprocess: `isolated` is False."""

    def __init__(
        self,
        *,
        module_dir: Path,
        folder_name: str,
        workdir: Path,
        python_lib: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` adds to the fixed variables of the operator's container, which every hook inherits."""
        self.isolated = os.geteuid() == 0
        self._module_dir = module_dir.resolve()
        self._module_inside = Path("/deckhouse/modules") / folder_name if self.isolated else self._module_dir
        self._python_lib = python_lib.resolve()
        self._root = workdir.resolve() / "root"
        self._root.mkdir(parents=True, exist_ok=True)
        self._environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": str(_PYTHON_LIB_INSIDE if self.isolated else self._python_lib),
            "PYTHONDONTWRITEBYTECODE": "1",  # read-only there anyway; keeps the tree clean without root
            "LANG": "C.UTF-8",
            "SHELL_CHROOT_DIR": str(self._root) if self.isolated else "",
            **(environment or {}),
        }

    def place(self, scratch: Path) -> Place:
        """The place of one run whose only writable folder is `scratch`."""
        if not self.isolated:
            return Place(
                command=(), environment=self._environment, cwd="/", module=self._module_dir, scratch=scratch.resolve()
            )
        enter: Sequence[str | Path] = (
            *("unshare", "--mount", "--net", "--propagation", "private", "--"),
            *("/bin/sh", _HERE / "enter.sh"),
            *(self._root, scratch.resolve(), self._python_lib, self._module_dir, self._module_inside),
        )
        return Place(
            command=tuple(map(str, enter)),
            environment=self._environment,
            cwd="/",
            module=self._module_inside,
            scratch=_TMP_INSIDE,
        )


def platform_python_lib() -> Path:
    """The folder that stands for /deckhouse/python_lib, made (once, then cached) by tools/python-dist."""
    made = subprocess.run(
        [_REPOSITORY / "tools/python-dist", "platform"], check=True, text=True, stdout=subprocess.PIPE
    )
    return Path(made.stdout.splitlines()[-1])
