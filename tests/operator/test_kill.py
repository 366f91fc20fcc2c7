"""Death at any moment, and the next life (used by the platform's tests to kill the operator after every hook run)."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.waiting import Start, wait_for
from tests.platform.operator import Killed, Operator
from tests.platform.operator.life import Life

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Chart.Name }}
  namespace: {{ .Release.Namespace }}
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: never, image: registry.example.com/never}]
"""


def _killer(lives: list[Operator], position: int) -> Any:
    def kill(_hook: str, _bindings: tuple[str, ...], number: int) -> None:
        if number == position:
            lives[-1].kill()

    return kill


def _three_hooks(demo: Demo) -> None:
    demo.hook("a.py", {"onStartup": 1}, 'patch("add", f"/{key}/internal/count", 1)')
    add = 'patch("add", f"/{key}/internal/seen", [str(values[key]["internal"]["count"])])'
    demo.hook("b.py", {"beforeHelm": 1}, add)
    demo.hook("c.py", {"afterHelm": 1}, 'patch("add", f"/{key}/internal/labels", {"done": "yes"})')


@pytest.mark.parametrize(("callback", "positions"), [("on_hook_finished", (1, 2, 3, 4, 5)), ("on_hook_exited", (2, 3))])
def test_killed_after_each_hook_run_it_reaches_the_same_end(
    api: ApiServer, demo: Demo, start: Start, callback: str, positions: tuple[int, ...]
) -> None:
    _three_hooks(demo)
    api.create(demo.config())
    lives: list[Operator] = []

    def begin(position: int) -> Operator:
        # start() runs hooks in other threads before it returns, so the killer must know the operator by then.
        return start(on_made=lives.append, **{callback: _killer(lives, position)})

    for position in positions:
        begin(position)
        wait_for(lambda: lives[-1].ended, what=f"the kill at run {position}")
    last = begin(0)
    last.wait_converged(60)
    assert last.values()[demo.key]["internal"] == {"count": 1, "seen": ["1"], "labels": {"done": "yes"}}
    found = api.get("v1", "ConfigMap", demo.namespace, demo.name)
    assert found is not None
    assert found["data"]["seen"] == "1"


def test_kill_between_a_run_and_its_effects_leaves_no_effect(api: ApiServer, demo: Demo, start: Start) -> None:
    body = """
    labels = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"made-by-{key}".lower()}}
    write("KUBERNETES_PATCH_PATH", {"operation": "Create", "object": labels})
    """
    demo.hook("maker.py", {"onStartup": 1}, body)
    api.create(demo.config())
    lives: list[Operator] = []
    start(on_made=lives.append, on_hook_exited=_killer(lives, 1))
    wait_for(lambda: lives[-1].ended)
    assert api.get("v1", "Namespace", "", f"made-by-{demo.key}".lower()) is None
    with pytest.raises(Killed):
        lives[-1].wait_converged(1)


@pytest.mark.parametrize("released_before", [False, True])
def test_killed_in_the_middle_of_helm_the_next_life_goes_on(
    api: ApiServer, demo: Demo, start: Start, released_before: bool
) -> None:
    api.create(demo.config())
    if released_before:
        first = start()
        first.wait_converged(60)
        first.kill()
    job = demo.text("templates/job.yaml", JOB)
    second = start()
    # No controller runs the Job, so Helm waits for it.
    wait_for(lambda: api.get("batch/v1", "Job", demo.namespace, demo.name))
    second.kill()
    job.unlink()
    lines: list[str] = []
    third = start(on_log=lines.append)
    third.wait_converged(60)
    assert any("helm release is pending" in line for line in lines)
    assert api.get("v1", "ConfigMap", demo.namespace, demo.name) is not None


def test_nothing_of_a_killed_life_is_left(api: ApiServer, demo: Demo, start: Start) -> None:
    before = set(threading.enumerate())
    _three_hooks(demo)
    demo.hook("d.py", {"kubernetes": [{"name": "n", "kind": "Node", "queue": "/n"}]}, "import time; time.sleep(60)")
    api.create(demo.config())
    operator = start()
    wait_for(lambda: _children("d.py"), what="the sleeping hook")
    operator.kill()
    wait_for(lambda: not _children("d.py"), what="the end of the sleeping hook")
    wait_for(lambda: set(threading.enumerate()) <= before, what="the end of every thread")
    assert not [line for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines() if demo.name in line]


def _children(script: str) -> list[int]:
    """Processes that run a script of this name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended meanwhile
        if any(word.endswith(b"/" + script.encode()) for word in words[1:]):
            found.append(int(path.parent.name))
    return found


def test_end_of_life_kills_children_and_unwinds_who_waits_for_them(tmp_path: Path) -> None:
    life, told = Life(), tmp_path / "pid"
    outcome: list[str] = []

    def run() -> None:
        try:
            life.run(["sh", "-c", f"echo $$ > {told}.new; mv {told}.new {told}; sleep 60"])
        except Killed:
            outcome.append("killed")

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(told.exists)
    life.end()
    thread.join(5)
    assert outcome == ["killed"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text(encoding="utf-8")), 0)
    with pytest.raises(Killed):
        life.run(["true"])
