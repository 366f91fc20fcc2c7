"""A machine: namespaces of its own, and processes in them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import plan
from .failure import ClusterError, tail
from .network import attach, detach
from .process import ENVIRONMENT, Daemon
from .site import Site

SCRIPT = Path(__file__).with_name("machine.sh")
UNUSABLE = (
    "/etc",
    "/opt",
    "/var",
    "/run",
    "/proc",
    "/sys",
)  # hidden in a machine, so its folder may not lie there
JOIN = 'for tasks in /sys/fs/cgroup/*/cgroup.procs; do echo 0 > "$tasks"; done; exec "$@"'


def require_visible(folder: Path) -> None:
    """Raises ClusterError when machines, which have their own /etc and so on, would not see this folder."""
    if any(folder.is_relative_to(top) for top in UNUSABLE):
        raise ClusterError(f"a cluster cannot be kept in {folder}: not below {', '.join(UNUSABLE)}")


class Machine:
    """One machine on the bridge. Paths of `binds` are its own folders; the rest of the file system is this host's,
    with changes below /etc, /opt and /var kept in the machine."""

    binds: Sequence[str] = ("/run",)
    path = ENVIRONMENT["PATH"]

    def __init__(self, site: Site, *, name: str, address: str) -> None:
        """Nothing exists yet."""
        self.site, self.name, self.address = site, name, address
        self.folder = (site.folder / "machines" / name).resolve()
        self.daemons: dict[str, Daemon] = {}
        self._holder: Daemon | None = None

    def host_path(self, path: str) -> Path:
        """Where a path below `binds` lies on this host."""
        return self.folder / "root" / path.lstrip("/")

    def seed(self, path: str, content: str, *, mode: int = 0o644) -> None:
        """Write a file before the machine runs; afterwards only below `binds`."""
        private = any(Path(path).is_relative_to(bind) for bind in self.binds)
        target = self.host_path(path) if private else self.folder / "upper" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        target.chmod(mode)

    @property
    def pid(self) -> int:
        """Its first process, as this host counts. Raises ClusterError when the machine is off."""
        try:
            return int((self.folder / "pid").read_text())
        except OSError as error:
            raise ClusterError(f"machine {self.name} is off") from error

    @property
    def running(self) -> bool:
        """Whether it is switched on."""
        return self._holder is not None and self._holder.alive

    def switch_on(self) -> None:
        """Make the namespaces and connect the machine to the bridge."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "binds").write_text("".join(f"{path}\n" for path in self.binds))
        (self.folder / "pid").unlink(missing_ok=True)
        argv = [str(SCRIPT), str(self.folder), self.name, plan.CGROUP_PREFIX + self.name]
        holder = self._holder = self.site.daemon(f"{self.name}-machine", argv)

        def up() -> bool:
            holder.require_alive()
            return (self.folder / "pid").exists()

        self.site.wait(f"machine {self.name}", up, within=20, every=0.02, detail=lambda: tail(holder.log))
        attach(self.name, self.pid, self.address)

    def switch_off(self) -> None:
        """Pull the plug: every process in it dies at once, and with the last one its mounts and interfaces go."""
        if self._holder:
            with_children = self._holder
            if (self.folder / "pid").exists() and with_children.alive:
                os.kill(self.pid, signal.SIGKILL)  # the first process of a pid namespace takes all others along
            with_children.stop()
        for daemon in self.daemons.values():
            daemon.stop(grace=0)
        self.daemons.clear()
        (self.folder / "pid").unlink(missing_ok=True)
        detach(self.name)

    @property
    def net_wrapper(self) -> list[str]:
        """What to put before a command so that it runs on this machine's network, with this host's files."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net"]

    @property
    def wrapper(self) -> list[str]:
        """What to put before a command so that it runs in the machine altogether, cgroups included."""
        return [*self.enter, "--", "/bin/sh", "-c", JOIN, "sh"]

    @property
    def enter(self) -> list[str]:
        """The same, its cgroups left alone: for a look around by hand."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--uts", "--cgroup"]

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        input: str | None = None,  # named as in subprocess.run
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine and wait for it. Environment: PATH, HOME, LANG and `env`; working directory /.

        Raises ClusterError when it takes longer than `timeout` seconds (the command and its children are then killed),
        and, with `check`, when it ends with another code than 0.
        """
        process = subprocess.Popen(
            [*self.wrapper, *argv],
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**ENVIRONMENT, "PATH": self.path, **(env or {})},
            start_new_session=True,
        )
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise ClusterError(f"{self.name}: {argv[0]} not done after {timeout:g} s\n{out}{err}") from error
        if check and process.returncode:
            raise ClusterError(f"{self.name}: {' '.join(argv)}: exit code {process.returncode}\n{out}{err}")
        return subprocess.CompletedProcess(list(argv), process.returncode, out, err)

    def start_daemon(self, name: str, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Daemon:
        """Run a program in the machine until `stop_daemon`, or until the machine is switched off."""
        environment = {"PATH": self.path, **(env or {})}
        daemon = self.site.daemon(f"{self.name}-{name}", [*self.wrapper, *argv], env=environment)
        self.daemons[name] = daemon
        return daemon

    def stop_daemon(self, name: str, *, grace: float = 5.0) -> None:
        """End one program, by SIGKILL when `grace` is 0; nothing happens when it does not run."""
        if daemon := self.daemons.pop(name, None):
            daemon.stop(grace=grace)
