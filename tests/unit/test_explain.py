"""Why a node, an image or a stage is as it is: answers at each moment of a switch."""

from __future__ import annotations

from typing import Any

import pytest

from lib.registry_module import explain, forecast, names, node_kinds
from lib.registry_module.stages import STAGES
from tests.unit.world import DIGEST, DIRECT, LOCAL, PAUSE, PROXY, UNMANAGED, World, direct
from tests.unit.world_node import Node


def moment(world: World) -> forecast.Moment:
    assert world.outcome is not None
    return forecast.Moment(world.inputs(), world.outcome)


def row(node: Node, **fields: Any) -> dict[str, Any]:
    """A node as hook discover_nodes filters it."""
    report = node.report() if node.version else None
    known = {"name": node.name, "runtime": node.runtime, "ready": node.ready, "controlPlane": node.control_plane}
    return {**known, "version": node.version, "report": report, **fields}


def until(stage: str, values: dict[str, Any], before: dict[str, Any] = UNMANAGED) -> World:
    """A cluster on its way that stands at a stage."""
    world = World(values=before)
    world.settle()
    world.values = values
    for _ in range(50):
        world.step()
        if world.state.stage == stage:
            return world
        next(world.followers(), None)
    raise AssertionError(f"{stage} is not reached")


def test_node_that_is_behind_is_waited_for() -> None:
    world = until("NodesPrepared", DIRECT)
    found = explain.node(moment(world), row(world.nodes[2]))
    assert (found["done"], found["waitedFor"], found["stage"]) == (False, True, "NodesPrepared")
    assert "bashible brings the new one" in found["why"]


def test_node_that_is_not_ready_is_not_waited_for() -> None:
    world = until("NodesPrepared", DIRECT)
    found = explain.node(moment(world), row(world.nodes[2], ready=False))
    assert found["waitedFor"] is False
    assert "nothing waits for it" in found["why"]


def test_node_whose_test_pull_fails_says_its_error() -> None:
    world = until("NodesPrepared", DIRECT)
    world.change("w1", canary=False, version=world.outcome.node_route["version"])  # type: ignore[union-attr] # set by step
    world.step()
    found = explain.node(moment(world), row(world.nodes[2]))
    assert (found["canary"], found["error"], found["waitedFor"]) == ("failed", "401", True)


def test_node_with_the_wanted_route_is_done() -> None:
    world = direct()
    found = explain.node(moment(world), row(world.nodes[0]))
    assert (found["done"], found["waitedFor"], found["controlPlane"]) == (True, False, True)
    assert found["has"] == found["wanted"] != ""


def test_node_whose_kubelet_cannot_pull_is_waited_for_and_says_why() -> None:
    world = World(unpulled={"w1": "401 Unauthorized"})
    world.apply()
    world.settle()
    found = explain.node(moment(world), row(world.nodes[2]))
    assert (found["done"], found["waitedFor"], found["stage"]) == (True, True, "PullsProved")
    assert "with the platform's new login, and: 401 Unauthorized." in found["why"]
    assert explain.node(moment(world), row(world.nodes[3]))["waitedFor"] is False


def test_node_that_is_to_give_up_its_route_is_waited_for() -> None:
    world = until("NodesFinalized", UNMANAGED, before=DIRECT)
    found = explain.node(moment(world), row(world.nodes[2]))
    assert (found["wanted"], found["waitedFor"]) == ("", True)
    assert "to be removed" in found["why"]


@pytest.mark.parametrize(
    ("runtime", "report", "kind"),
    [
        ("containerd://2.1.5", None, node_kinds.UNASKED),
        ("containerd://1.7.27", None, node_kinds.UNASKED_V1),
        ("containerd://1.7.27", '{"rewrite":true,"configPath":true}', node_kinds.REWRITE),
        ("containerd://1.7.27", '{"rewrite":false,"configPath":true}', node_kinds.STOCK),
        ("containerd://1.7.27", '{"rewrite":false,"configPath":false}', node_kinds.LEGACY),
        ("containerd://2.1.5", '{"rewrite":false,"configPath":false}', node_kinds.STOCK),
        ("docker://20.10", None, node_kinds.OTHER),
        (None, "[", node_kinds.OTHER),
    ],
)
def test_kind_of_a_node_is_what_its_containerd_does(runtime: Any, report: Any, kind: str) -> None:
    assert node_kinds.kind_of({"name": "n", "runtime": runtime, "report": report}) == kind


@pytest.mark.parametrize("reference", [f"{names.VIRTUAL_BASE}@{PAUSE}", PAUSE, "common/pause"])
def test_expected_image_is_found_by_any_of_its_names(reference: str) -> None:
    found = explain.image(moment(direct()), reference)
    assert found["expected"] == "common/pause"
    assert found["sources"] == [f"new.example.com/deckhouse/ee@{PAUSE}"]
    assert found["nodesAsk"] == found["sources"]


def test_image_that_the_check_misses_says_who_reports_it() -> None:
    world = World(values=UNMANAGED)
    world.settle()
    world.values = DIRECT
    world.broken = {"new.example.com": ("NotFound", "new.example.com answered 404")}
    world.settle()
    found = explain.image(moment(world), f"{names.VIRTUAL_BASE}@{DIGEST}")
    assert found["expected"] == "deckhouse/deckhouse"
    assert [error["replica"] for error in found["errors"]] == ["m1", "m2"]
    assert "did not get it" in found["why"]


@pytest.mark.parametrize(("values", "first"), [(PROXY, "the gateways' cache"), (LOCAL, "the gateways' copy")])
def test_store_is_asked_first_in_modes_that_have_one(values: dict[str, Any], first: str) -> None:
    world = World(values=values)
    world.settle()
    found = explain.image(moment(world), f"{names.VIRTUAL_BASE}/x:1")
    assert found["sources"][0] == first
    assert found["nodesAsk"] == []
    assert "not among the 2 images" in found["why"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [("example.com/x:1", "this module has no part in it"), (f"{names.VIRTUAL_HOST}/x:1", "only what is below")],
)
def test_image_of_others_is_said_to_be_so(reference: str, words: str) -> None:
    found = explain.image(moment(direct()), reference)
    assert found["ours"] is False
    assert words in found["why"]


def test_stage_that_is_waited_for_is_the_default() -> None:
    world = until("NodesPrepared", DIRECT)
    found = explain.stage(moment(world))
    assert (found["stage"], found["current"], found["status"]) == ("NodesPrepared", "NodesPrepared", "False")
    assert found["stages"]["GatewayReady"] == "True"


def test_every_stage_can_be_explained() -> None:
    world = direct()
    assert all(explain.stage(moment(world), stage.name)["meaning"] for stage in STAGES)
    with pytest.raises(KeyError):
        explain.stage(moment(world), "Nowhere")


@pytest.mark.parametrize("report", ['{"canary":[1]}', '{"canary":{"ok":false,"error":"a\\n\\nb"}}', "[", "null"])
def test_hostile_report_is_shown_as_one_line_at_most(report: str) -> None:
    world = direct()
    found = explain.node(moment(world), row(world.nodes[2], report=report))
    assert "\n" not in found["error"]
