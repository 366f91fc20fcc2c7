"""Whether containerd rewrites is asked of containerd, once, and never guessed."""

from __future__ import annotations

from tests.node.sandbox import CANARY, UPSTREAM, WORKER_CANARY, Sandbox, route_conf

CONF = route_conf(upstreams=[UPSTREAM.replace("ca/upstream-1.crt", "-")])


def upstream_is_used(node: Sandbox) -> bool:
    return "registry.example.com" in (node.hosts / "hosts.toml").read_text()


def test_a_containerd_that_rewrites_is_asked_once_for_its_binary(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.conf(CONF)
    node.run("apply")
    assert upstream_is_used(node)
    assert node.report()["rewrite"] is True
    probe = WORKER_CANARY.replace("system/deckhouse", "system/registry-route-probe")
    asked = [call.split()[-2] for call in node.calls("ctr")]
    assert asked == [WORKER_CANARY, probe]
    node.run("tick")
    assert node.calls("ctr") == []


def test_another_containerd_binary_is_asked_again(node: Sandbox) -> None:
    node.containerd("1.7.30", rewrites=True)
    node.conf(CONF)
    node.run("apply")
    node.containerd("1.7.31", rewrites=False)
    node.run("tick")
    assert not upstream_is_used(node)
    assert node.report()["rewrite"] is False


def test_a_stock_containerd_answers_no_only_while_the_canary_can_be_fetched(node: Sandbox) -> None:
    node.conf(CONF)
    node.run("apply")
    asked = [call.split()[-2].partition("@")[0] for call in node.calls("ctr")]
    own, probe = WORKER_CANARY.partition("@")[0], "registry.d8-system.svc:5001/system/registry-route-probe/worker"
    assert asked == [own, probe, own]
    node.run("tick")
    assert node.calls("ctr") == []
    assert not upstream_is_used(node)


def test_while_nothing_can_be_fetched_the_answer_is_open_and_gateways_serve(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.switch("served", on=False)
    node.conf(CONF)
    node.run("apply")
    assert not upstream_is_used(node)
    assert node.report()["rewrite"] is False
    node.switch("served", on=True)
    node.run("tick")
    assert upstream_is_used(node)
    assert node.report()["rewrite"] is True


def test_without_a_living_gateway_nothing_is_asked(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.alive()
    node.conf(CONF)
    node.run("apply")
    assert node.calls("ctr") == []


def test_canaries_by_tag_alone_serve_as_well(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    own = CANARY.replace(CANARY[CANARY.index("@") :], ":v1.70.1")
    node.conf(CONF.replace(CANARY, own).replace(WORKER_CANARY, own))
    node.run("apply")
    assert node.report()["rewrite"] is True
    probe = own.replace("system/deckhouse", "system/registry-route-probe")
    assert [call.split()[-2] for call in node.calls("ctr")] == [own, probe]


def test_the_control_planes_canary_will_do_where_workers_have_none(node: Sandbox) -> None:
    node.containerd(rewrites=True)
    node.conf(CONF.replace(f"canary worker {WORKER_CANARY}\n", ""))
    node.run("apply")
    assert node.report()["rewrite"] is True
    assert node.calls("ctr")[0].split()[-2] == CANARY


def test_no_trace_of_the_question_stays(node: Sandbox) -> None:
    node.conf(CONF)
    node.run("apply")
    assert [path.name for path in (node.folder / "state").iterdir() if path.name.startswith("detect")] == []
