"""Schedules of a module (hook contract, sections 5 and 12, row 4)."""

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.objects import config_map, namespace, watch
from tests.operator.waiting import Start, ran, wait_for

EVERY_SECOND = {"name": "tick", "crontab": "* * * * * *", "queue": "/ticks"}


def test_schedule_is_silent_until_the_first_converge_and_then_fires(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook("ticking.py", {"schedule": [EVERY_SECOND]})
    body = 'values["global"].get("open") or sys.exit("closed")'
    demo.hook("gate.py", {"afterHelm": 1}, body)
    api.create(demo.config())
    operator = start()
    # More than a whole second passes in retries (0.1 s, 0.13 s, … 0.43 s).
    wait_for(lambda: len(operator.hook_runs()) >= 7)
    assert ("ticking.py", "tick") not in ran(operator)
    operator.set_global({"open": True})
    wait_for(lambda: ("ticking.py", "tick") in ran(operator))
    ticks = [run.contexts[0] for run in operator.hook_runs() if run.hook == "hooks/ticking.py"]
    assert ticks[0] == {"binding": "tick", "type": "Schedule"}


def test_schedule_gets_snapshots_only_when_it_includes_them(api: ApiServer, demo: Demo, start: Start) -> None:
    place = f"watched-{demo.name}"
    api.create(namespace(place))
    api.create(config_map(place, "one"))
    quiet = watch(place, executeHookOnSynchronization=False, executeHookOnEvent=[])
    demo.hook("with.py", {"kubernetes": [quiet], "schedule": [{**EVERY_SECOND, "includeSnapshotsFrom": ["maps"]}]})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    wait_for(lambda: operator.hook_runs())
    item = {"filterResult": {"name": "one", "data": None}}
    assert operator.hook_runs()[0].contexts == [{"binding": "tick", "type": "Schedule", "snapshots": {"maps": [item]}}]
