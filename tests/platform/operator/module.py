"""The life of the module: start, runs, removal (hook contract, section 6)."""

import enum
from collections.abc import Callable
from typing import Any

from . import definitions, hook_set
from .binding_config import Binding, KubernetesBinding
from .contexts import Context
from .helm import Helm
from .hook import Hook
from .hook_set import LoadedHook
from .hook_task import HookRequest, HookTask
from .module_files import ModuleFiles
from .queues import Repeat, Task
from .runtime import MAIN, RUN_ERRORS, Runtime
from .sandbox import Sandbox


class Phase(enum.Enum):
    """How far the module has come; a failed step is tried again, earlier ones are not repeated."""

    OFF = enum.auto()
    STARTED = enum.auto()
    SYNCHRONIZING = enum.auto()
    READY = enum.auto()


class ModuleTask(Task):
    """A run or the removal of the module, in the main queue."""


class Module:
    """Acts only inside tasks of the main queue; the queue makes its steps sequential."""

    def __init__(
        self,
        *,
        files: ModuleFiles,
        runtime: Runtime,
        helm: Helm,
        sandbox: Sandbox,
        is_wanted: Callable[[], bool],
        on_begin: Callable[[], None],
        on_success: Callable[[], None],
    ) -> None:
        """`is_wanted`: is the module switched on? `on_begin` is called before the hooks of each run and each removal,
        `on_success` when all of it is done.
        """
        self.files = files
        self.phase = Phase.OFF
        self.maintenance = False
        self._runtime, self._helm, self._sandbox = runtime, helm, sandbox
        self._is_wanted, self._on_begin, self._on_success = is_wanted, on_begin, on_success
        self._hooks: list[LoadedHook] = []
        self._awaited: list[HookTask] = []

    def run_task(self, reason: str) -> ModuleTask:
        """A task that starts the module if need be and runs it."""
        return ModuleTask(f"ModuleRun: {reason}", self._run)

    def delete_task(self) -> ModuleTask:
        """A task that removes the module."""
        return ModuleTask("ModuleDelete", self._delete)

    def request_run(self, reason: str) -> None:
        """Queue a run unless one is waiting already; the one at work does not count."""
        queue = self._runtime.queue(MAIN)
        if not any(isinstance(task, ModuleTask) for task in queue.tasks()[1:]):
            queue.append(self.run_task(reason))

    def _run(self) -> Repeat | None:
        if self.phase is Phase.OFF:
            self._start()
        if self.phase is Phase.STARTED:
            first = self._enable_kubernetes()
            if first:
                return Repeat(first)
        if self.phase is Phase.SYNCHRONIZING:
            if not all(task.done for task in self._awaited):
                return Repeat()
            self._awaited = []
            self._enable_schedules()
            self.phase = Phase.READY
        self._on_begin()
        self._release()
        self._on_success()
        return None

    def _start(self) -> None:
        self._runtime.values.load()
        if (self.files.folder / "enabled").exists():
            # Deprecated on the platform; what it would decide is left to the ModuleConfig here.
            self._runtime.log.warning("the script enabled is not run by this operator")
        definitions.install(self.files.folder / "crds", cluster=self._runtime.cluster, life=self._runtime.life)
        self._hooks = hook_set.load(self.files, self._sandbox, self._runtime)
        self._life_cycle("onStartup")
        self.phase = Phase.STARTED

    def _enable_kubernetes(self) -> list[Task]:
        """Start watching; returns the Synchronization tasks of the main queue, the others are in their queues."""
        try:
            for loaded in self._hooks:
                loaded.start_monitors(self._runtime, self._on_event)
        except Exception:
            for loaded in self._hooks:
                loaded.stop_monitors()
            raise
        self.phase = Phase.SYNCHRONIZING
        in_main: list[Task] = []
        for loaded in self._hooks:
            for monitor in loaded.monitors:
                binding = monitor.binding
                context = Context(
                    binding=binding.name,
                    type="Synchronization",
                    group=binding.group,
                    include=binding.include_snapshots,
                )
                request = HookRequest(loaded=loaded, binding=binding, context=context, monitor=monitor)
                task = self._task(request)
                if request.waited_for:
                    self._awaited.append(task)
                if binding.queue == MAIN:
                    in_main.append(task)
                else:
                    self._runtime.queue(binding.queue).append(task)
        return in_main

    def _enable_schedules(self) -> None:
        for loaded in self._hooks:
            for index, schedule in enumerate(loaded.hook.config.schedules):
                context = Context(
                    binding=schedule.name, type="Schedule", group=schedule.group, include=schedule.include_snapshots
                )

                def fire(loaded: LoadedHook = loaded, binding: Binding = schedule, context: Context = context) -> None:
                    self._enqueue(HookRequest(loaded=loaded, binding=binding, context=context))

                self._runtime.scheduler.add((loaded.hook.name, index), schedule.crontab, fire)

    def _on_event(self, loaded: LoadedHook, binding: KubernetesBinding, context: Context) -> None:
        self._enqueue(HookRequest(loaded=loaded, binding=binding, context=context))

    def _enqueue(self, request: HookRequest) -> None:
        self._runtime.queue(request.binding.queue).append(self._task(request))

    def _task(self, request: HookRequest) -> HookTask:
        return HookTask(request, runtime=self._runtime, is_current=self._is_current, values_changed=self.request_run)

    def _is_current(self, hook: Hook) -> bool:
        """Queued runs of a module that is off, or on its way there, are dropped."""
        return self._is_wanted() and any(loaded.hook is hook for loaded in self._hooks)

    def _release(self) -> None:
        """One run: beforeHelm, Helm, afterHelm; once more when afterHelm changed values."""
        self._life_cycle("beforeHelm")
        values = self._runtime.values
        if self.files.has_chart:
            self._helm.upgrade(values.for_helm(), keep_existing=self.maintenance)
        if self._life_cycle("afterHelm"):
            self.request_run("afterHelm hooks changed values")

    def _life_cycle(self, binding: str) -> bool:
        """Run the hooks of a life-cycle binding; True when they changed values."""
        changed = False
        # onStartup knows no snapshots: nothing is watched yet.
        context = Context(binding=binding, include=() if binding == "onStartup" else None)
        for loaded in hook_set.in_order(self._hooks, binding):
            try:
                changed = self._runtime.run_hook(loaded.hook, [context], loaded.snapshots) or changed
            except RUN_ERRORS:
                self._runtime.count_error(loaded.hook, binding, MAIN, allowed=False)
                raise
        return changed

    def _delete(self) -> None:
        self._on_begin()
        if self.phase is Phase.OFF:
            # Switched off before this life of the operator: its hooks are needed for the removal only.
            if not self._helm.revision():
                self._on_success()
                return
            self._hooks = hook_set.load(self.files, self._sandbox, self._runtime)
        self._runtime.scheduler.clear()
        for loaded in self._hooks:
            loaded.stop_monitors()
        self._life_cycle("beforeDeleteHelm")
        self._helm.uninstall()
        self._life_cycle("afterDeleteHelm")
        self._hooks, self._awaited = [], []
        self._runtime.values.forget_patches()
        self.phase = Phase.OFF
        self._on_success()

    def describe(self) -> dict[str, Any]:
        """Phase and hooks, for people."""
        return {"phase": self.phase.name, "hooks": [loaded.hook.name for loaded in self._hooks]}
