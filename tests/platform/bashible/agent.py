"""bashible on one node: runs its bundle when that changed or failed, and its timers all the time."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from . import containerd_config
from .bundle import BUNDLE, Bundle

HERE = Path(__file__).parent
FOLDER = "/var/lib/bashible"
STEPS = f"{FOLDER}/bundle_steps"
RESTART = f"{FOLDER}/flags/containerd-need-restart"
DONE = f"{FOLDER}/configuration_checksum"
CONFIGURE_CONTAINERD = "032_configure_containerd"  # the platform's own step, by its name
FILE_EVERY = 10  # looks at the bundle between two looks at DONE
# The platform's late step about its own registry configuration, as it is on nodes without that module's Secret.
ANNOTATE = """
if [ -e /etc/kubernetes/kubelet.conf ] && command -v kubectl >/dev/null; then
  bb-kubectl annotate --overwrite node "$(bb-d8-node-name)" registry.deckhouse.io/version=unknown
fi
"""
STEP_TIMEOUT = 600.0  # seconds; on a real node a step has no limit at all


class NodeLike(Protocol):
    """What a node must be able to do."""

    @property
    def name(self) -> str:
        """Of the Node object."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on the node; with `check` a failure raises."""


N = TypeVar("N", bound=NodeLike)


class Agent(Generic[N]):
    """Two threads for one node: its steps, and its timers.

    As on the platform, a file on the node tells that the last run ended well; who removes it asks for a run.
    """

    def __init__(self, node: N, *, interval: float, restart: Callable[[N], None], say: Callable[[str], None]) -> None:
        """`interval`: seconds between two looks at the bundle, and before a failed run is repeated.

        Set `bundle` before `start`: a node is run once even when it has no steps, for the platform's own.
        """
        self.node, self.interval, self.restart, self.say = node, interval, restart, say
        self.bundle = Bundle({})
        self.error = ""
        self.runs = 0  # ended well
        self._done = ""  # checksum of the last bundle that ended well
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._steps, self._timers)]

    def start(self) -> None:
        """Begin; the node need not be up yet."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End after what is running now."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _steps(self) -> None:
        looks = 0
        while not self._stop.wait(self.interval):
            bundle, looks = self.bundle, looks + 1
            if bundle.checksum == self._done and (looks % FILE_EVERY or not self._is_asked_for()):
                continue
            try:
                self.node.run(["rm", "-f", DONE])
                self.run(bundle)
                self._write(DONE, f"{bundle.checksum}\n")
                self._done, self.error = bundle.checksum, ""
                self.runs += 1
            except Exception as error:  # a node may be off or half gone: that is a failed run, as in real life
                if str(error) != self.error:
                    self.say(f"bashible: {self.node.name}: {error}")
                self.error = str(error)

    def _is_asked_for(self) -> bool:
        """Whether the node is up and has no file of a good run."""
        try:
            return self.node.run(["sh", "-c", f"[ -e {DONE} ] || echo gone"], check=False).stdout == "gone\n"
        except Exception:  # the node is off: nobody asks
            return False

    def _timers(self) -> None:
        while not self._stop.wait(1.0):
            try:
                self.node.run(["systemctl", "run-timers"], timeout=STEP_TIMEOUT, check=False)
            except Exception:  # as above; the next second is another try
                continue

    def run(self, bundle: Bundle) -> None:
        """Every step in order. Raises RuntimeError with the step's last words at the first that fails."""
        self._install(bundle)
        names = sorted({*bundle.steps, CONFIGURE_CONTAINERD})
        for name in names:
            if name == CONFIGURE_CONTAINERD:
                self._configure_containerd()
            else:
                self._step(name, f"{STEPS}/{name}")
        self._restart_containerd()
        self._write(f"{FOLDER}/annotate", ANNOTATE)
        self._step("the platform's annotation", f"{FOLDER}/annotate")

    def _install(self, bundle: Bundle) -> None:
        self._write("/opt/deckhouse/bin/systemctl", (HERE / "systemctl").read_text(), mode="0755")
        self._write(f"{FOLDER}/bb.sh", (HERE / "bb.sh").read_text())
        self._write(f"{FOLDER}/discovered-node-name", f"{self.node.name}\n")
        self.node.run(["rm", "-rf", STEPS])
        for name, text in bundle.steps.items():
            self._write(f"{STEPS}/{name}", text, mode="0700")

    def _step(self, name: str, path: str) -> None:
        command = f"source {FOLDER}/bb.sh; source {path}"
        argv = ["bash", "-eEo", "pipefail", "-c", command]
        done = self.node.run(argv, env={"BB_BUNDLE": BUNDLE}, timeout=STEP_TIMEOUT, check=False)
        for line in done.stdout.splitlines():
            if line.startswith(("WARNING ", "ERROR ")):
                self.say(f"bashible: {self.node.name}: {name}: {line}")
        if done.returncode:
            words = (done.stdout + done.stderr)[-1000:]
            raise RuntimeError(f"step {name} ended with code {done.returncode}\n{words}")

    def _configure_containerd(self) -> None:
        """On nodes whose containerd the platform configures (those with a deckhouse.toml)."""
        if self.node.run(["test", "-e", containerd_config.BASE], check=False).returncode:
            return
        files = self.node.run(["sh", "-c", f"ls {containerd_config.FOLDER}/*.toml"], check=False).stdout.split()
        texts = [self.node.run(["cat", path]).stdout for path in (containerd_config.BASE, *files)]
        merged = containerd_config.merge(texts)
        if self.node.run(["cat", containerd_config.TARGET], check=False).stdout != merged:
            self._write(containerd_config.TARGET, merged)
            self._write(RESTART, "")

    def _restart_containerd(self) -> None:
        if self.node.run(["test", "-e", RESTART], check=False).returncode:
            return
        self.node.run(["containerd", "config", "dump"])  # the platform does not restart into a broken configuration
        self.say(f"bashible: {self.node.name}: restarting containerd")
        self.restart(self.node)
        self.node.run(["rm", "-f", RESTART])

    def _write(self, path: str, text: str, *, mode: str = "0644") -> None:
        self.node.run(["install", "-D", "-m", mode, "/dev/stdin", path], input=text)
