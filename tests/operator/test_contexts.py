"""Shapes of binding contexts as hooks read them, and their snapshots (hook contract, sections 5 and 12, row 2)."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.objects import config_map, namespace, watch
from tests.operator.waiting import Start, wait_for
from tests.platform.operator import Operator
from tests.platform.operator.contexts import Context, compact

ONE = {"filterResult": {"name": "one", "data": {"x": "1"}}}


@pytest.fixture
def place(api: ApiServer, demo: Demo) -> str:
    """A namespace with one ConfigMap."""
    name = f"watched-{demo.name}"
    api.create(namespace(name))
    api.create(config_map(name, "one", {"x": "1"}))
    return name


def _contexts(operator: Operator, hook: str) -> list[Mapping[str, Any]]:
    return [context for run in operator.hook_runs() if run.hook == hook for context in run.contexts]


def test_each_binding_has_the_shape_of_the_contract(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    life_cycle = {"onStartup": 1, "beforeHelm": 1, "afterHelm": 1, "beforeDeleteHelm": 1, "afterDeleteHelm": 1}
    demo.hook("all.py", {**life_cycle, "kubernetes": [watch(place)]})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    snapshots = {"snapshots": {"maps": [ONE]}}
    assert _contexts(operator, "hooks/all.py") == [
        {"binding": "onStartup"},
        {"binding": "maps", "type": "Synchronization", "objects": [ONE]},
        {"binding": "beforeHelm", **snapshots},
        {"binding": "afterHelm", **snapshots},
    ]
    api.merge(config_map(place, "one", {"x": "2"}))
    wait_for(lambda: len(operator.hook_runs()) == 5)
    api.delete("v1", "ConfigMap", place, "one")
    wait_for(lambda: len(operator.hook_runs()) == 6)
    changed = {"filterResult": {"name": "one", "data": {"x": "2"}}}
    assert _contexts(operator, "hooks/all.py")[4:] == [
        {"binding": "maps", "type": "Event", "watchEvent": "Modified", **changed},
        {"binding": "maps", "type": "Event", "watchEvent": "Deleted", **changed},
    ]
    api.merge(demo.config(enabled=False))
    operator.wait_converged(60)
    # The monitors are stopped by then, so their snapshots are empty.
    assert _contexts(operator, "hooks/all.py")[6:] == [
        {"binding": "beforeDeleteHelm", "snapshots": {"maps": []}},
        {"binding": "afterDeleteHelm", "snapshots": {"maps": []}},
    ]


def test_group_carries_snapshots_and_no_single_object(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    other = watch(place, name="others", nameSelector={"matchNames": ["two"]}, group="facts")
    demo.hook("grouped.py", {"kubernetes": [watch(place, group="facts"), other]})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert _contexts(operator, "hooks/grouped.py") == [
        {"binding": "facts", "type": "Group", "snapshots": {"maps": [ONE], "others": []}}
    ]
    api.create(config_map(place, "two", {"y": "1"}))
    wait_for(lambda: len(_contexts(operator, "hooks/grouped.py")) >= 2)
    operator.wait_converged(60)
    two = {"filterResult": {"name": "two", "data": {"y": "1"}}}
    assert _contexts(operator, "hooks/grouped.py")[-1] == {
        "binding": "facts",
        "type": "Group",
        "snapshots": {"maps": [ONE, two], "others": [two]},
    }


def test_full_object_is_there_unless_it_is_declined(api: ApiServer, demo: Demo, start: Start, place: str) -> None:
    binding = watch(place, name="full", keepFullObjectsInMemory=True)
    del binding["jqFilter"]
    demo.hook("full.py", {"kubernetes": [binding]})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    (context,) = _contexts(operator, "hooks/full.py")
    (item,) = context["objects"]
    assert item.keys() == {"object"}
    assert (item["object"]["kind"], item["object"]["data"]) == ("ConfigMap", {"x": "1"})


def test_included_snapshots_come_with_synchronization_and_events(
    api: ApiServer, demo: Demo, start: Start, place: str
) -> None:
    secrets = {"name": "none", "kind": "Secret", "namespace": {"nameSelector": {"matchNames": [place]}}}
    quiet = {"executeHookOnSynchronization": False, "executeHookOnEvent": []}
    demo.hook("both.py", {"kubernetes": [watch(place, includeSnapshotsFrom=["maps", "none"]), {**secrets, **quiet}]})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert _contexts(operator, "hooks/both.py") == [
        {"binding": "maps", "type": "Synchronization", "objects": [ONE], "snapshots": {"maps": [ONE], "none": []}}
    ]


def test_compact_keeps_the_last_of_neighbours_in_a_group() -> None:
    def context(name: str, group: str = "") -> Context:
        return Context(binding=name, group=group)

    queued = [context("a", "g"), context("b", "g"), context("c"), context("d", "g"), context("e", "h")]
    assert [kept.binding for kept in compact(queued)] == ["b", "c", "d", "e"]


def test_compact_keeps_contexts_without_a_group() -> None:
    queued = [Context(binding="a"), Context(binding="a")]
    assert compact(queued) == queued
