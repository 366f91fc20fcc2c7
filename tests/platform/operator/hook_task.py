"""A queued run of a hook for events, schedules or Synchronization (hook contract, sections 5, 7 and 12, row 3)."""

from collections.abc import Callable
from dataclasses import dataclass

from .binding_config import Binding, KubernetesBinding
from .contexts import Context, compact
from .hook import Hook
from .hook_set import LoadedHook
from .monitor import Monitor
from .queues import Queue, Task
from .runtime import RUN_ERRORS, Runtime


@dataclass(eq=False, kw_only=True)
class HookRequest:
    """Why a hook has to run. `monitor` is set for Synchronization: its events are let through afterwards."""

    loaded: LoadedHook
    binding: Binding
    context: Context
    monitor: Monitor | None = None

    @property
    def silent(self) -> bool:
        """True for a Synchronization the hook does not want to see."""
        is_kubernetes = isinstance(self.binding, KubernetesBinding)
        return self.monitor is not None and is_kubernetes and not self._on_synchronization

    @property
    def _on_synchronization(self) -> bool:
        return isinstance(self.binding, KubernetesBinding) and self.binding.on_synchronization

    @property
    def waited_for(self) -> bool:
        """True when the module waits for this Synchronization."""
        if self.monitor is None or not isinstance(self.binding, KubernetesBinding):
            return False
        return self.binding.wait_for_synchronization

    def joins(self, first: "HookRequest") -> bool:
        """True when both can be one run: the same hook, and alike as to Synchronization."""
        alike = (self.silent, self.waited_for) == (first.silent, first.waited_for)
        return self.loaded is first.loaded and (self.monitor is None or first.monitor is None or alike)


class HookTask(Task):
    """Runs the hook for its own request and for those of the same hook right behind it in the queue."""

    def __init__(
        self,
        request: HookRequest,
        *,
        runtime: Runtime,
        is_current: Callable[[Hook], bool],
        values_changed: Callable[[str], None],
    ) -> None:
        super().__init__(title=f"{request.loaded.hook.name} ({request.context.binding})", run=self._run)
        self.requests = [request]
        self.done = False
        self._runtime, self._is_current, self._values_changed = runtime, is_current, values_changed
        self._absorbed: list[HookTask] = []

    @property
    def _first(self) -> HookRequest:
        return self.requests[0]

    def _run(self) -> None:
        hook = self._first.loaded.hook
        if not self._is_current(hook):
            self._finish()
            return
        if not self._first.silent:
            # The wait comes before the merge, so that what arrives meanwhile is part of this run.
            self._runtime.life.sleep(hook.limit.reserve())
            self._merge(self._runtime.queue(self._first.binding.queue))
            self._execute(hook)
        self._finish()

    def _merge(self, queue: Queue) -> None:
        def accept(task: Task) -> bool:
            return isinstance(task, HookTask) and task.requests[0].joins(self._first)

        for task in queue.take_following(self, accept):
            if isinstance(task, HookTask):
                self.requests += task.requests
                self._absorbed.append(task)

    def _execute(self, hook: Hook) -> None:
        contexts = compact([request.context for request in self.requests])
        first = self._first
        try:
            changed = self._runtime.run_hook(hook, contexts, first.loaded.snapshots)
        except RUN_ERRORS as error:
            allowed = first.binding.allow_failure
            self._runtime.count_error(hook, first.binding.name, first.binding.queue, allowed=allowed)
            if not allowed:
                raise
            self._runtime.log.warning("hook failed, which is allowed", hook=hook.name, error=str(error))
            return
        if changed and first.monitor is None:  # after Synchronization the module runs anyway
            self._values_changed(f"{hook.name} changed values")

    def _finish(self) -> None:
        for task in (self, *self._absorbed):
            task.done = True
        for request in self.requests:
            if request.monitor:
                request.monitor.unlock()
