"""The module operator of the test platform: stands in for addon-operator and Deckhouse's ModuleConfig."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import definitions, module_files
from .cluster import Cluster
from .converge import Converger
from .conversions import Conversions
from .helm import Helm
from .life import Life
from .log import Log
from .metrics import Metrics
from .module import Module
from .module_config import Identity
from .runtime import HookRun, OnHook, Runtime
from .sandbox import Sandbox, platform_python_lib
from .schedule import Scheduler
from .values import Values
from .webhook import Webhook

_HELM = Path(__file__).parents[3] / "tools/bin/helm"


class Operator:
    """One life of the operator for one module. After stop() or kill() make a new one: that is a restart."""

    def __init__(
        self,
        *,
        kubeconfig: Path,
        module_dir: Path,
        injected: Mapping[str, Any] | None = None,
        webhook_address: str = "127.0.0.1",
        helm: Path = _HELM,
        time_scale: float = 1.0,
        environment: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        on_log: Callable[[str], None] | None = None,
        on_hook_finished: OnHook | None = None,
        on_hook_exited: OnHook | None = None,
    ) -> None:
        """Nothing runs before start().

        injected: values section `registry` of a downloaded module. webhook_address: an IP the API server reaches.
        time_scale: multiplies retry delays. on_hook_exited: called when a hook's process ended well and before its
        effects; on_hook_finished: after them. Both run in the thread of the queue and may call kill().
        """
        self.files = module_files.read(module_dir)
        self.log = Log(path=log_path, callback=on_log)
        self.metrics = Metrics()
        self._life = Life()
        self._workdir = Path(tempfile.mkdtemp(prefix="operator-"))
        self.cluster = Cluster(kubeconfig, gate=self._life.check)
        self._values = Values(module_dir=self.files.folder, module_name=self.files.name, injected=injected)
        self._runtime = Runtime(
            life=self._life,
            log=self.log,
            cluster=self.cluster,
            metrics=self.metrics,
            values=self._values,
            scheduler=Scheduler(self._life),
            workdir=self._workdir,
            module_name=self.files.name,
            time_scale=time_scale,
            save_settings=lambda settings: self._converger.save_settings(settings),
            on_hook_exited=on_hook_exited,
            on_hook_finished=on_hook_finished,
        )
        self._helm = Helm(
            binary=helm,
            kubeconfig=kubeconfig.resolve(),
            module=self.files,
            cluster=self.cluster,
            workdir=self._workdir,
            life=self._life,
            log=self.log,
        )
        self._webhook_address, self._environment = webhook_address, environment
        self._converger = Converger(
            runtime=self._runtime,
            conversions=Conversions(self.files.folder),
            name=self.files.name,
            disable_confirmation=self.files.disable_confirmation,
        )
        self._webhook: Webhook | None = None
        self._module: Module | None = None
        self._converged_once = threading.Event()
        self._begun: Identity = None
        self._carried_out: Identity = None

    def start(self) -> None:
        """Install the platform's CRDs, serve the webhook, follow the ModuleConfig. Returns at once after that."""
        sandbox = Sandbox(
            module_dir=self.files.folder,
            folder_name=self.files.folder_name,
            workdir=self._workdir,
            python_lib=platform_python_lib(),
            environment=self._environment,
        )
        if not sandbox.isolated:
            self.log.warning("not root: hooks run as plain processes, with /etc and network")
        self._module = Module(
            files=self.files,
            runtime=self._runtime,
            helm=self._helm,
            sandbox=sandbox,
            is_wanted=lambda: self._converger.enabled,
            on_begin=self._on_begin,
            on_success=self._on_success,
        )
        definitions.install(definitions.PLATFORM_CRDS, cluster=self.cluster, life=self._life)
        self._webhook = Webhook(address=self._webhook_address, judge=self._converger.judge, log=self.log)
        self._webhook.register(self.cluster, self._life)
        self._converger.start(self._module)

    def set_global(self, values: Mapping[str, Any]) -> None:
        """Replace the values section `global`; a change makes the module run."""
        if self._values.set_global(values) and self._module and self._converger.enabled:
            self._module.request_run("global values changed")

    @property
    def ended(self) -> bool:
        """True after stop() or kill()."""
        return self._life.ended

    def values(self) -> dict[str, Any]:
        """The values as hooks see them now, a copy."""
        return self._values.effective()

    def queue_errors(self) -> dict[str, str]:
        """Queue name → why its head failed last."""
        return {queue.name: queue.error() for queue in self._runtime.queues() if queue.error()}

    def hook_runs(self) -> list[HookRun]:
        """Every finished run of a hook in this life, oldest first."""
        return list(self._runtime.runs)

    def helm_revision(self) -> int:
        """Number of the newest revision of the module's release; 0 when there is none."""
        return self._helm.revision()

    def wait_converged(self, timeout: float) -> None:
        """Wait until the ModuleConfig in the cluster is carried out and no queue has work.

        Raises TimeoutError with what the queues hold, or Killed when this life ends meanwhile.
        """
        deadline = time.monotonic() + timeout
        while not self._is_converged():
            if time.monotonic() > deadline:
                waiting = {queue.name: [task.title for task in queue.tasks()] for queue in self._runtime.queues()}
                raise TimeoutError(f"not converged after {timeout} s; queues {waiting}; errors {self.queue_errors()}")
            self._life.sleep(0.02)

    def wait_carried_out(self, timeout: float) -> None:
        """Wait until a whole run of the module has been made with the ModuleConfig in the cluster; more may follow.

        Raises TimeoutError with why queues are stuck, or Killed when this life ends meanwhile.
        """
        deadline = time.monotonic() + timeout
        while not (self._converger.is_up_to_date() and self._carried_out == self._converger.seen):
            if time.monotonic() > deadline:
                raise TimeoutError(f"ModuleConfig not carried out after {timeout} s; errors {self.queue_errors()}")
            self._life.sleep(0.02)

    def _is_converged(self) -> bool:
        # First what is wanted, then the queues: a change that is seen has its task queued already.
        if not self._converged_once.is_set() or not self._converger.is_up_to_date():
            return False
        return not any(queue.tasks() for queue in self._runtime.queues())

    def stop(self) -> None:
        """End in good order: the webhook is taken back. Objects and the Helm release stay."""
        if self._webhook and not self._life.ended:
            self._webhook.unregister(self.cluster)
        self.kill()

    def kill(self) -> None:
        """End at once, as a lost pod does: children are killed, no effect follows, memory is lost. For any thread."""
        self._life.end()
        for queue in self._runtime.queues():
            if queue.thread is not threading.current_thread():
                queue.thread.join(10)
        if self._webhook:
            self._webhook.close()
        self.cluster.close()
        self.log.close()
        shutil.rmtree(self._workdir, ignore_errors=True)

    def _on_begin(self) -> None:
        self._begun = self._converger.seen

    def _on_success(self) -> None:
        self._carried_out = self._begun
        self._converged_once.set()
        self._runtime.scheduler.open()
