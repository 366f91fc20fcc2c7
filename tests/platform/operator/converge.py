"""Follows the ModuleConfig of the module and turns what it wants into tasks of the main queue."""

import threading
from collections.abc import Mapping
from typing import Any

from . import admission, module_config
from .conversions import ConversionError, Conversions
from .informer import Informer
from .module import Module, ModuleTask
from .module_config import API_VERSION, Identity, ModuleConfigs, Wanted
from .queues import Task
from .runtime import MAIN, Runtime
from .values import ValuesError


class ConvergeTask(Task):
    """Compares what the ModuleConfig wants with what is."""


class Converger:
    """Knows what is wanted. start() may be called once, when there is a module to act on."""

    def __init__(self, *, runtime: Runtime, conversions: Conversions, name: str, disable_confirmation: str) -> None:
        self._runtime, self._conversions, self._name = runtime, conversions, name
        self._disable_confirmation = disable_confirmation
        self._lock = threading.Lock()
        self._wanted = Wanted()
        self._settings_error = ""
        self._seen: Identity = None
        self._module: Module
        self._configs: ModuleConfigs

    @property
    def enabled(self) -> bool:
        """True when the ModuleConfig, as last seen, switches the module on."""
        return self._wanted.enabled

    @property
    def seen(self) -> Identity:
        """The edition of the ModuleConfig that is in force."""
        with self._lock:
            return self._seen

    def start(self, module: Module) -> None:
        """Read the ModuleConfig, queue the first converge, follow changes."""
        self._module = module
        self._configs = ModuleConfigs(self._runtime.cluster, self._name)
        informer = Informer(
            cluster=self._runtime.cluster,
            resource=self._runtime.cluster.resource(API_VERSION, "ModuleConfig"),
            params={"fieldSelector": f"metadata.name={self._name}"},
            on_change=lambda kind, obj: self._changed(None if kind == "Deleted" else obj),
            life=self._runtime.life,
            log=self._runtime.log,
        )
        found = informer.list()
        with self._lock:
            self._accept(found[0] if found else None)
            self._queue_converge("start")
        informer.start()

    def is_up_to_date(self) -> bool:
        """True when the ModuleConfig in the cluster is the one that was seen last."""
        with self._lock:
            return self._seen == module_config.identity(self._configs.get())

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Write a hook's config-values patch into the ModuleConfig."""
        self._configs.save_settings(settings, self._conversions.newest)

    def judge(self, name: str, new: dict[str, Any] | None, old: dict[str, Any] | None) -> admission.Verdict:
        """Answer the webhook; ModuleConfigs of other modules are not ours to judge."""
        if name != self._name:
            return admission.Verdict(True)
        return admission.review(
            new,
            old,
            check=self._runtime.values.settings_problems,
            conversions=self._conversions,
            disable_confirmation=self._disable_confirmation,
        )

    def _changed(self, config: dict[str, Any] | None) -> None:
        queue = self._runtime.queue(MAIN)
        with self._lock:
            before = self._wanted
            self._accept(config)
            if self._wanted == before:
                return
            # What waits was meant for the old settings; a head stuck in its retries must not hold the new ones up.
            queue.remove(lambda task: isinstance(task, ModuleTask | ConvergeTask))
            self._queue_converge("ModuleConfig changed")
            queue.hurry()

    def _accept(self, config: dict[str, Any] | None) -> None:
        """Take over what is wanted. Settings come into force here and not in the task: a hook stuck at the head of the
        main queue must see what may free it. Wrong ones do not; the last valid ones stay.
        """
        self._wanted, self._seen = module_config.wanted(config), module_config.identity(config)
        self._settings_error = ""
        if not self._wanted.enabled:
            return
        try:
            self._runtime.values.set_settings(self._wanted.converted(self._conversions))
        except (ValuesError, ConversionError) as error:
            self._settings_error = f"settings are not valid, the last valid ones stay in force: {error}"

    def _queue_converge(self, reason: str) -> None:
        self._runtime.queue(MAIN).append(ConvergeTask(f"Converge: {reason}", self._converge))

    def _converge(self) -> None:
        with self._lock:
            wanted, error = self._wanted, self._settings_error
        self._configs.set_status(version=wanted.version or self._conversions.newest, message=error)
        if error:
            raise ValuesError(error)
        self._module.maintenance = wanted.maintenance
        task = self._module.run_task("converge") if wanted.enabled else self._module.delete_task()
        self._runtime.queue(MAIN).append(task)
