"""The stand-in for bashible on one node: helpers, order, failures, flags, timers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.local_node import LocalNode, local_node
from tests.platform.bashible import Bundle
from tests.platform.bashible.agent import DONE, STEPS, Agent

pytestmark = pytest.mark.root


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LocalNode]:
    """A node whose containerd is not the platform's."""
    with local_node("n1", tmp_path / "node") as made:
        made.run(["rm", "-rf", "/etc/containerd"])
        made.write("/etc/containerd/config.toml", "version = 2\n")
        yield made


def agent(node: LocalNode, said: list[str] | None = None, restarted: list[str] | None = None) -> Agent[LocalNode]:
    words, restarts = [] if said is None else said, [] if restarted is None else restarted
    return Agent(node, interval=0.05, restart=lambda of: restarts.append(of.name), say=words.append)


def test_steps_run_in_order_each_in_a_bash_of_its_own(node: LocalNode) -> None:
    steps = {
        "100_b.sh": 'echo "b ${x:-none}" >>/var/log/order',
        "031_a.sh": "x=1\necho a >>/var/log/order\nexit 0\necho never",
    }
    agent(node).run(Bundle(steps))
    assert node.read("/var/log/order") == "a\nb none\n"
    assert node.run(["ls", STEPS]).stdout.split() == ["031_a.sh", "100_b.sh"]


@pytest.mark.parametrize("failing", ["false", "false | true", "exit 3", "undefined-command"])
def test_a_step_that_fails_ends_the_run_with_its_words(node: LocalNode, failing: str) -> None:
    steps = {"010_a.sh": f"echo about to fail\n{failing}\ntrue", "020_b.sh": "touch /var/log/reached"}
    with pytest.raises(RuntimeError, match=r"step 010_a\.sh ended with code \d+\nabout to fail"):
        agent(node).run(Bundle(steps))
    assert not node.exists("/var/log/reached")


HELPERS = """
_on_changed() { echo changed >>/var/log/heard; }
bb-event-on changed _on_changed
for round in 1 2; do
  bb-sync-file /etc/synced - changed <<<text
  echo round >>/var/log/heard
done
bb-flag-set reboot
bb-flag? reboot
bb-flag-unset reboot
! bb-flag? reboot
bb-log-warning careful
[ "$(bb-d8-node-name)" = n1 ]
[ "$(bb-is-bundle)" = debian ]
[ -f "$(bb-tmp-file)" ]
[ -d "$(bb-tmp-dir)" ]
"""


def test_the_helpers_keep_their_contract(node: LocalNode) -> None:
    said: list[str] = []
    agent(node, said).run(Bundle({"010_a.sh": HELPERS}))
    assert node.read("/etc/synced") == "text\n"
    assert node.read("/var/log/heard") == "round\nround\nchanged\n"
    assert said == ["bashible: n1: 010_a.sh: WARNING careful"]


def test_the_flag_restarts_containerd_once(node: LocalNode) -> None:
    restarted: list[str] = []
    made = agent(node, restarted=restarted)
    made.run(Bundle({"010_a.sh": "bb-flag-set containerd-need-restart"}))
    made.run(Bundle({"010_a.sh": "true"}))
    assert restarted == ["n1"]


def test_a_configuration_that_containerd_cannot_read_is_not_restarted_into(node: LocalNode) -> None:
    restarted: list[str] = []
    node.write("/etc/containerd/config.toml", "[broken\n")
    with pytest.raises(RuntimeError, match="containerd config dump"):
        agent(node, restarted=restarted).run(Bundle({"010_a.sh": "bb-flag-set containerd-need-restart"}))
    assert restarted == []


def test_conf_d_reaches_containerd_by_the_platforms_step_and_a_restart(node: LocalNode) -> None:
    restarted: list[str] = []
    node.write("/etc/containerd/deckhouse.toml", "version = 2\n")
    step = 'mkdir -p /etc/containerd/conf.d\necho "oom_score = -1" >/etc/containerd/conf.d/a.toml'
    made = agent(node, restarted=restarted)
    for _ in range(2):
        made.run(Bundle({"031_a.sh": step}))
    assert node.read("/etc/containerd/config.toml").split("\n")[:2] == ['"version" = 2', '"oom_score" = -1']
    assert restarted == ["n1"]


def units(node: LocalNode, command: str) -> None:
    agent(node).run(Bundle({}))
    node.write("/etc/systemd/system/a.service", f"[Service]\nExecStart={command}\nSuccessExitStatus=10\n")
    node.write("/etc/systemd/system/a.timer", "[Timer]\nOnActiveSec=0s\nOnUnitActiveSec=1min\n")


def systemctl(node: LocalNode, *words: str) -> int:
    return node.run(["systemctl", *words], check=False).returncode


def test_a_timer_that_is_enabled_now_starts_its_service_and_then_waits(node: LocalNode) -> None:
    units(node, "touch /var/log/ticked")
    assert systemctl(node, "enable", "--now", "a.timer") == 0
    assert systemctl(node, "is-active", "a.timer") == 0
    systemctl(node, "run-timers")
    assert node.exists("/var/log/ticked")
    node.run(["rm", "/var/log/ticked"])
    systemctl(node, "run-timers")
    assert not node.exists("/var/log/ticked")


def test_a_disabled_timer_starts_nothing_and_leaves_nothing(node: LocalNode) -> None:
    units(node, "touch /var/log/ticked")
    systemctl(node, "enable", "--now", "a.timer")
    assert systemctl(node, "disable", "--now", "a.timer") == 0
    systemctl(node, "run-timers")
    assert not node.exists("/var/log/ticked")
    assert systemctl(node, "is-enabled", "a.timer") != 0
    assert node.run(["ls", "/run/systemd-stand-in"]).stdout == ""


def test_a_unit_that_is_not_there_is_an_error(node: LocalNode) -> None:
    agent(node).run(Bundle({}))
    assert systemctl(node, "enable", "--now", "none.timer") == 5


def test_a_failed_run_is_repeated_until_it_ends_well_and_a_good_one_is_not(node: LocalNode) -> None:
    said: list[str] = []

    def repair(text: str) -> None:
        said.append(text)
        node.run(["touch", "/var/log/repaired"])

    good = threading.Event()
    made = Agent(node, interval=0.05, restart=lambda _: good.set(), say=repair)
    step = "[ -e /var/log/repaired ]\necho x >>/var/log/runs\nbb-flag-set containerd-need-restart"
    made.bundle = Bundle({"010_a.sh": step})
    made.start()
    try:
        assert good.wait(20)
    finally:
        made.stop()
    assert (made.runs, made.error) == (1, "")
    assert node.read("/var/log/runs") == "x\n"
    assert said[0].startswith("bashible: n1: step 010_a.sh ended with code 1")


def test_who_removes_the_file_of_a_good_run_asks_for_another(node: LocalNode) -> None:
    made = agent(node)
    made.bundle = Bundle({"010_a.sh": f"[ ! -e {DONE} ]\necho x >>/var/log/runs"})
    made.start()
    try:
        for runs in (1, 2):
            deadline = time.monotonic() + 20
            while made.runs < runs:
                assert time.monotonic() < deadline, made.error
                time.sleep(0.01)
            assert node.read(DONE) == f"{made.bundle.checksum}\n"
            node.run(["rm", DONE])
    finally:
        made.stop()
    assert node.read("/var/log/runs").startswith("x\nx\n")
