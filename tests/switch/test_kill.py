"""The real operator, hooks, Helm and API server: the operator is killed after a hook run of a switch, then another."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any

import pytest

from tests.switch.site import DIRECT, Site
from tests.unit.world import OLD

pytestmark = [pytest.mark.root, pytest.mark.timeout(2400)]
STRIDES = [pytest.param(40, id="some"), pytest.param(8, id="many", marks=pytest.mark.long)]
"""Of the hook runs of a switch every n-th is the last one before a kill. The model takes all of them (tests/model)."""
TIMES = ("since", "lastTransitionTime")


def timeless(value: Any) -> Any:
    """Without times, random keys and what is derived from them: what must be equal however the end was reached."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def end_state(site: Site) -> dict[str, Any]:
    """All that a switch leaves behind, as the API server has it."""
    registry = site.api.get("v1", "Secret", "d8-system", "deckhouse-registry")
    assert registry is not None
    data = {key: base64.b64decode(value).decode() for key, value in registry["data"].items() if key != "ca"}
    config = site.api.get("v1", "Secret", "d8-system", "registry-gateway-config")
    gateway = json.loads(base64.b64decode(config["data"]["config.json"])) if config else {}
    nodes = site.api.get("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "", "registry-route.sh")
    history = site.status().get("history", [])
    return {
        "status": {key: value for key, value in timeless(site.status()).items() if key != "history"},
        "last switch": [[switch[key] for key in ("from", "to", "changed", "result")] for switch in history[:1]],
        "platform": data,
        "routes": [(route["host"], route["user"]) for route in gateway.get("routes", [])],
        "nodes": [line for line in nodes["spec"]["content"].splitlines() if line.startswith("upstream ")]
        if nodes
        else [],
    }


class Killer:
    """Kills the operator after the n-th hook run since it was armed."""

    def __init__(self, site: Site) -> None:
        self.site, self.position, self.runs, self.fired = site, 0, 0, False
        self.killed = threading.Event()
        self._lock = threading.Lock()
        site.on_hook = self

    def arm(self, position: int) -> None:
        with self._lock:
            self.position, self.runs, self.fired = position, 0, False
            self.killed.clear()

    def disarm(self) -> bool:
        """No kill comes after this; True when one came, and is over."""
        with self._lock:
            self.position, fired = 0, self.fired
        return fired and self.killed.wait(30)

    def __call__(self) -> None:
        with self._lock:
            self.runs += 1
            now = self.runs == self.position
            self.fired = self.fired or now
        if now:
            assert self.site.operator is not None
            self.site.operator.kill()
            self.killed.set()


def switch(site: Site, killer: Killer, settings: dict[str, Any], position: int) -> dict[str, Any]:
    """One switch, with a kill after the given hook run (0: none) and a restart; the end state."""
    killer.arm(position)
    site.apply(settings)
    if position:
        wait_killed_or_ready(site, killer, settings["mode"])
        if killer.disarm():
            site.start_operator()
    site.wait_status(mode=settings["mode"], stage="Ready")
    assert site.operator is not None
    site.operator.wait_converged(60)
    return end_state(site)


def wait_killed_or_ready(site: Site, killer: Killer, mode: str) -> None:
    """Until the kill, or the end of a switch that took fewer runs than the longest one."""
    deadline = time.monotonic() + 90
    while not killer.killed.is_set():
        status = site.status()
        if (status.get("mode"), status.get("stage")) == (mode, "Ready"):
            return
        assert time.monotonic() < deadline, f"neither killed nor Ready: {status}"
        time.sleep(0.05)


@pytest.mark.parametrize("stride", STRIDES)
def test_operator_killed_after_a_hook_run_comes_to_the_same_end(site: Site, stride: int) -> None:
    killer = Killer(site)
    unmanaged = {"mode": "Unmanaged", "direct": DIRECT}
    direct = {"mode": "Direct", "direct": DIRECT}
    site.apply(unmanaged)
    if site.operator is None:
        site.start_operator()
    site.wait_status(mode="Unmanaged", stage="Ready")

    there = switch(site, killer, direct, 0)
    runs_there = killer.runs
    back = switch(site, killer, unmanaged, 0)
    runs_back = killer.runs
    assert there["platform"]["address"] == "registry.d8-system.svc:5001"
    assert back["platform"]["address"] == OLD.address
    assert there["routes"] == [("new.example.com", "user")]
    assert there["nodes"] == ["upstream https new.example.com deckhouse/ee -"]
    assert (back["routes"], back["nodes"]) == ([], [])

    last = max(runs_there, runs_back)
    for position in range(stride // 2, last + 1, stride):
        assert switch(site, killer, direct, position) == there, f"killed after run {position} on the way to Direct"
        assert switch(site, killer, unmanaged, position) == back, f"killed after run {position} on the way back"
    print(f"killed after every {stride}. of {runs_there} + {runs_back} hook runs")


def test_no_secret_is_anywhere_but_in_secrets(site: Site) -> None:
    site.wait_status(stage="Ready")
    text = site.log.read_text()
    for item in ("nodes", "events", "pods", "configmaps"):
        text += json.dumps(site.api.cluster.call("GET", f"/api/v1/{item}"))
    text += json.dumps(site.status())
    assert DIRECT["password"] not in text
    assert base64.b64encode(DIRECT["password"].encode()).decode() not in text
    assert "PRIVATE KEY" not in text
