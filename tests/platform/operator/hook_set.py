"""The hooks of a module, loaded, with what they watch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .binding_config import KubernetesBinding
from .contexts import Context
from .discovery import find_hooks, has_own_python
from .filters import Item
from .hook import Hook
from .module_files import ModuleFiles
from .monitor import Monitor
from .runtime import Runtime
from .sandbox import Sandbox


@dataclass(eq=False)
class LoadedHook:
    """A hook and its monitors; there are none before the kubernetes bindings are enabled or after the module is off."""

    hook: Hook
    monitors: list[Monitor] = field(default_factory=list)

    def snapshots(self) -> dict[str, list[Item]]:
        """Objects of every kubernetes binding, as they are now; keys are there even without monitors."""
        found: dict[str, list[Item]] = {binding.name: [] for binding in self.hook.config.kubernetes}
        for monitor in self.monitors:
            found[monitor.binding.name] = monitor.snapshot()
        return found

    def start_monitors(
        self, runtime: Runtime, emit: Callable[["LoadedHook", KubernetesBinding, Context], None]
    ) -> None:
        """Begin to watch. Raises what Monitor.start() raises; stop_monitors() cleans up then."""
        for binding in self.hook.config.kubernetes:

            def pass_on(context: Context, binding: KubernetesBinding = binding) -> None:
                emit(self, binding, context)

            shared: dict[str, Any] = {"cluster": runtime.cluster, "life": runtime.life, "log": runtime.log}
            monitor = Monitor(binding=binding, emit=pass_on, **shared)
            self.monitors.append(monitor)
            monitor.start()

    def stop_monitors(self) -> None:
        """Stop watching."""
        for monitor in self.monitors:
            monitor.stop()
        self.monitors = []


def load(module: ModuleFiles, sandbox: Sandbox, runtime: Runtime) -> list[LoadedHook]:
    """Find the hooks and ask each for its configuration. Raises HookError: one bad hook stops the whole module."""
    paths = find_hooks(module.folder, runtime.log.warning)
    if any(path.suffix == ".py" for path in paths) and not has_own_python(module.folder):
        runtime.log.warning("Module executes python hooks, but has no python virtual environment")
    return [
        LoadedHook(
            Hook(
                path=path,
                module_dir=module.folder,
                sandbox=sandbox,
                workdir=runtime.workdir,
                life=runtime.life,
                log=runtime.log,
            )
        )
        for path in paths
    ]


def in_order(hooks: Sequence[LoadedHook], binding: str) -> list[LoadedHook]:
    """Hooks with this life-cycle binding, by order number, then path."""
    chosen = [loaded for loaded in hooks if binding in loaded.hook.config.order]
    return sorted(chosen, key=lambda loaded: (loaded.hook.config.order[binding], loaded.hook.path))
