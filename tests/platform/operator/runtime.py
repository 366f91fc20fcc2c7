"""What one life of the operator shares between its parts: connections, queues, metrics, and how a hook is run."""

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import effects
from .cluster import Cluster
from .contexts import Context, Snapshots
from .filters import Item
from .hook import Hook, HookError
from .kube_ops import OperationError
from .life import Life
from .log import Log
from .metrics import MetricError, Metrics
from .patches import PatchError
from .queues import Queue
from .schedule import Scheduler
from .values import Values, ValuesError

MAIN = "main"

OnHook = Callable[[str, tuple[str, ...], int], None]
"""Called with the hook's name, the names of the bindings (or groups) it ran for, and the number of the run."""

RUN_ERRORS = (HookError, OperationError, MetricError, PatchError, ValuesError)
"""What a run of a hook may fail with, whatever the reason."""


@dataclass(frozen=True)
class HookRun:
    """One run of a hook, for tests: its number, contexts as it read them, whether it and its effects succeeded."""

    number: int
    hook: str
    contexts: Sequence[Mapping[str, Any]]
    error: str


@dataclass(kw_only=True)
class Runtime:
    """Everything here dies with `life`."""

    life: Life
    log: Log
    cluster: Cluster
    metrics: Metrics
    values: Values
    scheduler: Scheduler
    workdir: Path
    module_name: str
    time_scale: float
    save_settings: Callable[[dict[str, Any]], None]
    on_hook_exited: OnHook | None = None
    on_hook_finished: OnHook | None = None
    runs: list[HookRun] = field(default_factory=list)
    _queues: dict[str, Queue] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def queue(self, name: str) -> Queue:
        """The queue of this name; started when it is asked for first."""
        with self._lock:
            if name not in self._queues:
                self._queues[name] = Queue(name, life=self.life, log=self.log, time_scale=self.time_scale)
            return self._queues[name]

    def queues(self) -> list[Queue]:
        """All queues there are."""
        with self._lock:
            return list(self._queues.values())

    def run_hook(self, hook: Hook, contexts: Sequence[Context], snapshots: Callable[[], Snapshots]) -> bool:
        """Run a hook once and carry out what it asks for. True when values changed. Raises one of RUN_ERRORS."""
        self.life.check()
        current: dict[str, list[Item]] = {name: list(items) for name, items in snapshots().items()}
        rendered = [context.render(current) for context in contexts]
        bindings = tuple(dict.fromkeys(str(context["binding"]) for context in rendered))
        number = next(self._numbers)
        error = ""
        try:
            output = hook.run(rendered, self.values.effective(), self.values.config_values())
            self._tell(self.on_hook_exited, hook, bindings, number)
            return effects.apply(
                output,
                hook=hook.name,
                module=self.module_name,
                metrics=self.metrics,
                cluster=self.cluster,
                values=self.values,
                save_settings=self.save_settings,
                life=self.life,
            )
        except RUN_ERRORS as failure:
            error = str(failure)
            raise
        finally:
            if not self.life.ended:
                self.runs.append(HookRun(number, hook.name, rendered, error))
                self.log.info("hook finished", hook=hook.name, bindings=bindings, run=number, error=error)
                self._tell(self.on_hook_finished, hook, bindings, number)

    def count_error(self, hook: Hook, binding: str, queue: str, *, allowed: bool) -> None:
        """Count a failed run in the operator's own metric."""
        name = "deckhouse_module_hook_allowed_errors_total" if allowed else "deckhouse_module_hook_run_errors_total"
        self.metrics.increment(name, module=self.module_name, hook=hook.name, binding=binding, queue=queue)

    def _tell(self, callback: OnHook | None, hook: Hook, bindings: tuple[str, ...], number: int) -> None:
        if callback:
            callback(hook.name, bindings, number)
            self.life.check()
