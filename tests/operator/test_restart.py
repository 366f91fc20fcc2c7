"""Restarts, removal, and changes that arrive while something is stuck (hook contract, sections 6 and 12)."""

from typing import Any

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.objects import config_map, namespace, watch
from tests.operator.waiting import Start, ran, wait_for


def test_restart_without_a_change_makes_no_new_revision(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook("find.py", {"beforeHelm": 1}, 'patch("add", f"/{key}/internal/seen", ["x"])')
    api.create(demo.config())
    first = start()
    first.wait_converged(60)
    assert first.helm_revision() == 1
    first.kill()
    second = start()
    second.wait_converged(60)
    assert second.helm_revision() == 1
    assert ran(second) == [("find.py", "beforeHelm")]


def test_deleted_object_comes_back_with_the_next_start_only(api: ApiServer, demo: Demo, start: Start) -> None:
    api.create(demo.config())
    first = start()
    first.wait_converged(60)
    api.delete("v1", "ConfigMap", demo.namespace, demo.name)
    first.wait_converged(60)
    assert api.get("v1", "ConfigMap", demo.namespace, demo.name) is None
    first.kill()
    second = start()
    second.wait_converged(60)
    assert api.get("v1", "ConfigMap", demo.namespace, demo.name) is not None
    assert second.helm_revision() == 2


def test_module_switched_off_while_the_operator_was_away_is_removed(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook("bye.py", {"afterDeleteHelm": 1})
    api.create(demo.config())
    first = start()
    first.wait_converged(60)
    first.stop()
    api.merge(demo.config(enabled=False))
    second = start()
    second.wait_converged(60)
    assert ran(second) == [("bye.py", "afterDeleteHelm")]
    assert api.get("v1", "ConfigMap", demo.namespace, demo.name) is None


def test_maintenance_leaves_an_existing_release_alone(api: ApiServer, demo: Demo, start: Start) -> None:
    api.create(demo.config(color="Red"))
    operator = start()
    operator.wait_converged(60)
    held: dict[str, Any] = demo.config(color="Blue")
    held["spec"]["maintenance"] = "NoResourceReconciliation"
    api.merge(held)
    operator.wait_converged(60)
    assert operator.values()[demo.key]["color"] == "Blue"
    assert operator.helm_revision() == 1


def test_hook_stuck_in_main_sees_the_settings_that_free_it(api: ApiServer, demo: Demo, start: Start) -> None:
    place = f"watched-{demo.name}"
    api.create(namespace(place))
    demo.hook("picky.py", {"kubernetes": [watch(place)]}, 'values[key]["color"] == "Red" and sys.exit("red")')
    api.create(demo.config())
    operator = start(time_scale=20.0)  # the retry would come after 100 s; the change does not wait for it
    wait_for(lambda: operator.queue_errors())
    api.merge(demo.config(color="Blue"))
    operator.wait_converged(60)
    assert [bool(run.error) for run in operator.hook_runs()] == [True, False]


def test_module_is_removed_past_a_hook_stuck_in_main_and_starts_afresh(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    place = f"watched-{demo.name}"
    api.create(namespace(place))
    body = """
    patch("add", f"/{key}/internal/count", values[key]["internal"].get("count", 0) + 1)
    contexts[0].get("watchEvent") and sys.exit("events are too much")
    """
    demo.hook("touchy.py", {"kubernetes": [watch(place)]}, body)
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert operator.values()[demo.key]["internal"] == {"count": 1}
    api.create(config_map(place, "one"))
    wait_for(lambda: operator.queue_errors())
    api.merge(demo.config(enabled=False))
    operator.wait_converged(60)
    assert operator.helm_revision() == 0
    assert operator.values()[demo.key]["internal"] == {}
    api.merge(demo.config())
    operator.wait_converged(60)
    assert operator.helm_revision() == 1
    assert operator.values()[demo.key]["internal"] == {"count": 1}
