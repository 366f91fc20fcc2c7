"""Stand-in for the platform's module operator: shell-operator, addon-operator and the ModuleConfig part of Deckhouse.

ModuleConfig → converge → module → hook_set → hook_task → runtime → hook (in its sandbox) → effects → values → helm.
Each file is one idea; the rules come from the hook contract, platform contracts and module layout references.
"""

from .life import Killed
from .operator import Operator
from .runtime import HookRun
from .schema import validate_settings

__all__ = ["HookRun", "Killed", "Operator", "validate_settings"]
