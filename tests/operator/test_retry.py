"""Failures, retries, merging and rate limits of queued runs (hook contract, sections 7 and 12, rows 3, 5 and 10)."""

import threading
import time
from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.objects import config_map, namespace, watch
from tests.operator.waiting import Start, wait_for
from tests.platform.operator.life import Life
from tests.platform.operator.log import Log
from tests.platform.operator.queues import Queue, Task, retry_delay
from tests.platform.operator.ratelimit import RateLimit


@pytest.fixture
def place(api: ApiServer, demo: Demo) -> str:
    """A namespace."""
    name = f"watched-{demo.name}"
    api.create(namespace(name))
    return name


def test_retry_delay_grows_from_5_to_32_seconds_by_the_seventh() -> None:
    delays = [retry_delay(failures) for failures in range(1, 9)]
    assert delays[0] == 5
    for delay, base in zip(delays[1:], (6, 7, 9, 13, 21, 32, 32), strict=True):
        assert base <= delay <= min(base + 1, 32)


def test_failing_hook_shows_its_stderr_and_recovers_when_the_cause_is_gone(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    body = """
    print("looking", file=sys.stderr)
    if values[key]["color"] == "Red":
        write("METRICS_PATH", {"name": "never", "action": "set", "value": 1})
        patch("add", f"/{key}/internal/count", 1)
        sys.exit("the color is wrong")
    """
    demo.hook("picky.py", {"beforeHelm": 1}, body)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: len(operator.hook_runs()) >= 3)
    assert operator.queue_errors() == {"main": "hooks/picky.py: exit status 1: looking\nthe color is wrong"}
    errors = operator.metrics.value("deckhouse_module_hook_run_errors_total", hook="hooks/picky.py")
    assert errors is not None
    assert errors >= 2
    # Nothing a failed run wrote is read.
    assert operator.metrics.value("never") is None
    assert operator.values()[demo.key]["internal"] == {}
    api.merge(demo.config(color="Blue"))
    operator.wait_converged(60)
    assert operator.queue_errors() == {}
    assert operator.helm_revision() == 1


def test_settings_are_carried_out_by_a_run_that_began_with_them_whatever_else_waits(
    api: ApiServer, demo: Demo, start: Start, place: str
) -> None:
    binding = watch(place, queue="/stuck", executeHookOnSynchronization=False)
    demo.hook("stuck.py", {"kubernetes": [binding]}, "sys.exit(3)")
    demo.hook("seen.py", {"beforeHelm": 1}, """patch("add", f"/{key}/internal/seen", [values[key]["color"]])""")
    api.create(demo.config(color="Red"))
    operator = start()
    operator.wait_carried_out(60)
    api.create(config_map(place, "one"))
    wait_for(lambda: operator.queue_errors())
    api.merge(demo.config(color="Blue"))
    operator.wait_carried_out(60)
    assert operator.values()[demo.key]["internal"]["seen"] == ["Blue"]
    with pytest.raises(TimeoutError, match="exit status 3"):
        operator.wait_converged(0.2)


def test_failing_hook_holds_up_its_queue_and_no_other(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    def binding(name: str, queue: str) -> dict[str, Any]:
        names = {"matchNames": [name]}
        return watch(place, nameSelector=names, queue=queue, executeHookOnSynchronization=False)

    demo.hook("stuck.py", {"kubernetes": [binding("one", "/stuck")]}, "sys.exit(3)")
    demo.hook("behind.py", {"kubernetes": [binding("two", "/stuck")]})
    demo.hook("beside.py", {"kubernetes": [binding("two", "/beside")]})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    api.create(config_map(place, "one"))
    wait_for(lambda: operator.queue_errors())
    api.create(config_map(place, "two"))
    wait_for(lambda: operator.hook_runs()[-1].hook == "hooks/beside.py")
    wait_for(lambda: operator.hook_runs()[-1].hook == "hooks/stuck.py")
    assert {run.hook for run in operator.hook_runs()} == {"hooks/stuck.py", "hooks/beside.py"}
    assert operator.queue_errors() == {"/stuck": "hooks/stuck.py: exit status 3: "}


def test_allowed_failure_is_counted_and_left_behind(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    demo.hook("careless.py", {"kubernetes": [watch(place, allowFailure=True)]}, "sys.exit(1)")
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert operator.metrics.value("deckhouse_module_hook_allowed_errors_total", hook="hooks/careless.py") == 1
    assert operator.helm_revision() == 1


def test_queued_runs_of_a_hook_are_merged_into_one_process(
    api: ApiServer, demo: Demo, start: Start, place: str
) -> None:
    # It fails until all events are queued behind the first one.
    body = """
    if values["global"].get("closed") and contexts[0].get("watchEvent"):
        sys.exit("closed")
    patch("add", f"/{key}/internal/count", len(contexts))
    """
    demo.hook("merged.py", {"kubernetes": [watch(place, queue="/merged")]}, body)
    api.create(demo.config())
    operator = start()
    operator.set_global({"closed": True})
    operator.wait_converged(60)
    for number in range(5):
        api.create(config_map(place, f"map-{number}"))
    wait_for(lambda: operator.hook_runs()[-1].error and len(operator.hook_runs()[-1].contexts) == 5)
    operator.set_global({})
    wait_for(lambda: operator.values()[demo.key]["internal"].get("count") == 5)
    last = operator.hook_runs()[-1]
    assert sorted(context["filterResult"]["name"] for context in last.contexts) == [f"map-{n}" for n in range(5)]


def test_merging_stops_at_a_task_of_another_kind() -> None:
    life = Life()
    queue = Queue("q", life=life, log=Log(), time_scale=0.0)
    filled = threading.Event()
    taken: list[str] = []

    def first() -> None:
        filled.wait(5)
        taken.extend(task.title for task in queue.take_following(tasks[0], lambda task: task.title.startswith("a")))

    done: list[str] = []
    tasks = [Task("a1", first), *(Task(name, lambda: done.append("")) for name in ("a2", "a3", "b1", "a4"))]
    for task in tasks:
        queue.append(task)
    filled.set()
    wait_for(lambda: not queue.tasks())
    life.end()
    assert taken == ["a2", "a3"]
    assert len(done) == 2


def test_rate_limit_lets_the_burst_through_and_then_waits(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    settings = {"executionMinInterval": "1500ms", "executionBurst": 2}
    binding = watch(place, executeHookOnSynchronization=False, queue="/limited")
    demo.hook("limited.py", {"kubernetes": [binding], "settings": settings})
    api.create(demo.config())
    times: list[float] = []
    operator = start(on_hook_finished=lambda *_: times.append(time.monotonic()))
    operator.wait_converged(60)
    began = time.monotonic()
    api.create(config_map(place, "first"))
    wait_for(lambda: len(times) == 1)
    api.create(config_map(place, "second"))
    wait_for(lambda: len(times) == 2)
    api.create(config_map(place, "third"))
    api.create(config_map(place, "fourth"))
    wait_for(lambda: sum(len(run.contexts) for run in operator.hook_runs()) == 4)
    # Two at once; what comes while the third waits is merged into it.
    assert [len(run.contexts) for run in operator.hook_runs()] == [1, 1, 2]
    assert times[2] - began >= 1.5


def test_rate_limit_refills_one_token_per_interval() -> None:
    limit = RateLimit(interval=1000, burst=2)
    waits = [limit.reserve() for _ in range(4)]
    assert waits[:2] == [0.0, 0.0]
    assert 999 < waits[2] <= 1000
    assert 1999 < waits[3] <= 2000
    assert RateLimit(interval=0, burst=0).reserve() == 0.0


def test_failing_object_operation_keeps_the_values_patch_from_being_saved(
    api: ApiServer, demo: Demo, start: Start, place: str
) -> None:
    body = f"""
    target = {{"apiVersion": "v1", "kind": "ConfigMap", "namespace": "{place}", "name": "wanted"}}
    write("METRICS_PATH", {{"name": "tried", "action": "add", "value": 1}})
    write("KUBERNETES_PATCH_PATH", {{"operation": "MergePatch", **target, "mergePatch": {{"data": {{"x": "1"}}}}}})
    patch("add", f"/{{key}}/internal/count", 1)
    """
    demo.hook("patcher.py", {"onStartup": 1}, body)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors())
    assert operator.queue_errors() == {"main": 'MergePatch ConfigMap/wanted: configmaps "wanted" not found'}
    assert operator.values()[demo.key]["internal"] == {}
    assert operator.metrics.value("tried") is not None
    api.create(config_map(place, "wanted"))
    operator.wait_converged(60)
    assert operator.values()[demo.key]["internal"] == {"count": 1}


def test_result_files_that_cannot_be_read_fail_the_run(api: ApiServer, demo: Demo, start: Start) -> None:
    body = """
    with open(os.environ["VALUES_JSON_PATCH_PATH"], "w", encoding="utf-8") as file:
        file.write('{"op": "add"')
    """
    demo.hook("broken.py", {"onStartup": 1}, body)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors())
    assert "VALUES_JSON_PATCH_PATH: neither JSON nor YAML" in operator.queue_errors()["main"]
