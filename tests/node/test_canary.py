"""The canary pull: which image, how often, and what is said when it fails."""

from __future__ import annotations

import pytest

from tests.node.sandbox import CANARY, GATEWAYS, OTHER_CA, UPSTREAM, VERSION, WORKER_CANARY, Sandbox, route_conf


def fail(node: Sandbox, text: str) -> None:
    (node.world / "pull-error").write_text(text)


def test_a_worker_pulls_the_worker_image_by_cri_and_without_credentials(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    socket = f"unix://{node.root}/run/containerd/containerd.sock"
    assert node.calls("crictl") == [f"--runtime-endpoint {socket} --image-endpoint {socket} pull {WORKER_CANARY}"]
    assert node.report()["canary"] == {"image": WORKER_CANARY, "ok": True, "error": ""}


def test_a_control_plane_node_pulls_the_image_deckhouse_restarts_with(node: Sandbox) -> None:
    node.labels("node-role.kubernetes.io/control-plane")
    node.conf(route_conf())
    node.run("apply")
    assert [call.split()[-1] for call in node.calls("crictl")] == [CANARY]


def test_the_role_is_remembered_when_the_api_server_is_away(node: Sandbox) -> None:
    node.labels("node-role.kubernetes.io/control-plane")
    node.conf(route_conf())
    node.run("apply")
    node.switch("api-away", on=True)
    node.conf(route_conf(version="f" * 16))
    node.run("tick")
    assert [call.split()[-1] for call in node.calls("crictl")] == [CANARY, CANARY]


def test_with_the_api_server_away_from_the_start_the_static_pod_tells_the_role(node: Sandbox) -> None:
    node.switch("api-away", on=True)
    node.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "")
    node.conf(route_conf())
    node.run("apply")
    assert [call.split()[-1] for call in node.calls("crictl")] == [CANARY]


def test_success_is_kept_for_the_version_and_image(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply")
    node.run("tick")
    assert len(node.calls("crictl")) == 1
    node.conf(route_conf(version="f" * 16))
    node.run("tick")
    assert len(node.calls("crictl")) == 1


def test_failure_is_tried_again_at_each_tick_and_then_forgotten(node: Sandbox) -> None:
    fail(node, "crictl: pulling image: rpc error: code = NotFound desc = gone: not found\n")
    node.conf(route_conf())
    node.run("apply")
    assert node.annotation("route-version") == VERSION
    assert node.report()["canary"] == {"image": WORKER_CANARY, "ok": False, "error": "gone: not found"}
    node.run("tick")
    (node.world / "pull-error").unlink()
    node.run("tick")
    node.run("tick")
    assert len(node.calls("crictl")) == 3
    assert node.report()["canary"] == {"image": WORKER_CANARY, "ok": True, "error": ""}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f'E1124 03:00:00.000 1 log.go:32] "PullImage failed" err="x"\nFATA[0030] pulling image: rpc error: '
            f'code = Unknown desc = failed to resolve reference "{WORKER_CANARY}": unexpected status: 401\n',
            'failed to resolve reference "the image": unexpected status: 401',
        ),
        ("time=now level=info msg=x\nctr: image not found\n", "image not found"),
        ('Get "https://user:secret@host/v2/?sig=SECRET": EOF', 'Get "https://host/v2/": EOF'),
        ("sent Authorization: Bearer abc.def-ghi", "sent Authorization: Bearer ***"),
        ("read tcp 198.51.100.2:43210->198.51.100.11:5001: reset", "read tcp 198.51.100.11:5001: reset"),
        ('bad "quotes" and \\ and \t tab\x07', 'bad "quotes" and \\ and tab'),
        ("x" * 1000, "x" * 300),
        ("", ""),
    ],
    ids=["crictl", "ctr", "credentials in a URL", "a token", "a port that changes", "odd characters", "long", "silent"],
)
def test_the_error_is_one_line_that_is_the_same_each_time_and_holds_no_secret(
    node: Sandbox, text: str, said: str
) -> None:
    fail(node, text)
    node.conf(route_conf())
    node.run("apply")
    assert node.report()["canary"]["error"] == said


def test_without_crictl_ctr_pulls_into_the_namespace_of_kubernetes(node: Sandbox) -> None:
    node.conf(route_conf())
    node.run("apply", without=["crictl"])
    pull = node.calls("ctr")[-1].replace(str(node.root), "")
    assert pull == (
        "--address /run/containerd/containerd.sock --namespace k8s.io images pull"
        f" --hosts-dir /etc/containerd/registry.d {WORKER_CANARY}"
    )
    assert node.report()["canary"]["ok"] is True


def test_where_gateways_come_first_a_pull_from_the_old_upstream_proves_nothing(node: Sandbox) -> None:
    node.containerd("1.7.30", rewrites=True)
    node.alive("https://registry.example.com")
    node.conf(route_conf(upstreams=[UPSTREAM], first="gateways"), upstream_1=OTHER_CA)
    node.run("apply")
    assert node.report()["canary"]["ok"] is False
    assert "no gateway answers this node" in node.report()["canary"]["error"]
    node.alive(*GATEWAYS, "https://registry.example.com")
    node.run("tick")
    assert node.report()["canary"]["ok"] is True


def test_a_pull_that_only_an_old_upstream_could_serve_proves_nothing(node: Sandbox) -> None:
    node.containerd("1.7.30", rewrites=True)
    old = "https://registry.example.com"
    node.alive(*GATEWAYS, old)
    node.conf(route_conf(upstreams=[UPSTREAM]), upstream_1=OTHER_CA)
    node.run("apply")  # asked of a gateway: this containerd rewrites
    new = "upstream https new.example.com team -"
    for number, answers in enumerate(("https://new.example.com", GATEWAYS[0])):
        node.alive(old)
        node.conf(route_conf(version=f"{number + 1:016x}", upstreams=[new, UPSTREAM]), upstream_1=OTHER_CA)
        node.run("apply")
        assert node.report()["canary"]["ok"] is False
        assert "neither a gateway nor the newest registry answers this node" in node.report()["canary"]["error"]
        node.alive(answers, old)
        node.run("tick")
        assert node.report()["canary"]["ok"] is True


def test_where_nobody_seems_to_answer_the_pull_may_know_better(node: Sandbox) -> None:
    node.containerd("1.7.30", rewrites=True)
    node.alive()
    node.conf(route_conf(upstreams=[UPSTREAM]), upstream_1=OTHER_CA)
    node.run("apply")
    assert node.report()["canary"]["ok"] is True


def test_no_canary_in_route_conf_is_no_error(node: Sandbox) -> None:
    node.conf(route_conf(canary=False))
    node.run("apply")
    assert node.report()["canary"] == {"image": "", "ok": False, "error": ""}
    assert node.calls("crictl") == []


def test_a_pull_that_hangs_is_given_up_and_the_route_follows_its_endpoints_meanwhile(node: Sandbox) -> None:
    node.write("/opt/deckhouse/bin/crictl", "#!/bin/bash\nexec sleep 60\n", mode=0o755)
    # `timeout` of this node counts in three-hundredths, so that the test need not wait.
    node.write(
        "/opt/deckhouse/bin/timeout",
        '#!/bin/bash\nexec /usr/bin/timeout "$(awk -v s="$1" \'BEGIN { print s / 300 }\')" "${@:2}"\n',
        mode=0o755,
    )
    node.conf(route_conf())
    node.run("tick")
    assert node.report()["canary"] == {"image": WORKER_CANARY, "ok": False, "error": "not pulled within 300 s"}
    assert node.calls("kubectl") != []
