"""What the platform's python_lib does for module hooks: the packages a module ships come last on sys.path.

The module is the first directory above the script that has module.yaml or Chart.yaml (hook contract, section 3).
"""

import sys
from pathlib import Path


def _append_module_packages(script: str) -> None:
    for folder in Path(script).absolute().parents:
        if any((folder / name).exists() for name in ("module.yaml", "Chart.yaml")):
            sys.path.append(str(folder / "lib/python/dist"))
            return


if getattr(sys, "argv", None) and sys.argv[0]:
    _append_module_packages(sys.argv[0])
