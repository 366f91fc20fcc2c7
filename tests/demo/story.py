"""What the demo does, and what must hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from tests.demo import clients, report
from tests.platform.assembly import VIRTUAL, Platform
from tests.platform.bundle import ROOT
from tests.platform.pulls import PullLoop
from tests.platform.settings import direct


class StoryError(Exception):
    """Something that had to hold did not."""


def require(holds: bool, what: str) -> None:
    """Raises StoryError."""
    if not holds:
        raise StoryError(what)
    print(f"   holds: {what}", flush=True)


def example(name: str, platform: Platform) -> dict[str, Any]:
    """Settings of a file in examples/, with the registry of the demo in it."""
    document = yaml.safe_load((ROOT / "examples" / name).read_text(encoding="utf-8"))
    settings: dict[str, Any] = document["spec"]["settings"]
    if "direct" in settings:
        settings["direct"].update(direct(platform.upstream_a)["direct"])
    return settings


@contextmanager
def stages_shown(platform: Platform) -> Iterator[None]:
    """Print Registry/main whenever it changes, as `kubectl get registry -w` does, with the seconds passed."""
    stop, began = threading.Event(), time.monotonic()

    def watch() -> None:
        last = ""
        while not stop.wait(0.3):
            line = report.status_line(platform.status())
            if line and line != last:
                print(f"   {time.monotonic() - began:5.1f} s  {line}", flush=True)
                last = line

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Story:
    """The steps, in order; each prints what it does and what came of it."""

    def __init__(self, platform: Platform, pulls: PullLoop) -> None:
        self.platform, self.pulls = platform, pulls
        self.started = time.monotonic()

    def step(self, title: str, act: Callable[[], None]) -> None:
        """One step with its duration and the pulls that went on meanwhile."""
        print(f"\n== {title}", flush=True)
        began, before = time.monotonic(), len(self.pulls.pulls)
        with stages_shown(self.platform):
            act()
        done = len(self.pulls.pulls) - before
        print(f"   {time.monotonic() - began:.1f} s, {done} pulls went on meanwhile", flush=True)
        self.no_pull_failed()

    def no_pull_failed(self) -> None:
        failures = [f"{each.node}: {each.image}: {each.error}" for each in self.pulls.failures]
        require(not failures, "no pull failed on any node" if not failures else "\n".join(failures[:5]))

    def to_direct(self) -> None:
        self.platform.apply(example("direct.yaml", self.platform))
        self.platform.wait_ready("Direct")

    def everybody_pulls(self) -> None:
        rows = [*clients.pods_on_every_node(self.platform), clients.skopeo_in_cluster(self.platform)]
        report.table(rows)
        require(all(row.result == "ok" for row in rows), f"every node and an in-cluster client pulled from {VIRTUAL}")

    def wrong_password(self) -> None:
        self.platform.apply(direct(self.platform.upstream_a, password="this-is-not-it"))

        def found(status: dict[str, Any]) -> dict[str, Any]:
            return next((c for c in status.get("conditions", []) if c["type"] == "ImagesAvailable"), {})

        status = self.platform.wait_status(
            lambda s: bool(found(s).get("reason") == "CredentialsRefused"), "a refusal", 60
        )
        condition = found(status)
        print(f"   ImagesAvailable={condition['status']} {condition['reason']}: {condition['message']}", flush=True)
        require("401" in condition["message"], "the status names the answer of the registry")
        require("this-is-not-it" not in str(status), "the status does not show the password")
        rows = clients.pods_on_every_node(self.platform)
        report.table(rows)
        require(all(row.result == "ok" for row in rows), "pods start on every node all the same")

    def other_registry(self) -> None:
        self.platform.apply(direct(self.platform.upstream_b))
        self.platform.wait_ready("Direct")
        require(self.platform.status()["target"] == self.platform.upstream_b.base, "another registry, same address")

    def to_unmanaged(self) -> None:
        self.platform.apply(example("unmanaged.yaml", self.platform))
        self.platform.wait_ready("Unmanaged")
        registry = self.platform.deckhouse.registry()
        require(registry.base == self.platform.upstream_a.base, "the platform has its own registry again")
        require(not self.platform.bashible.errors(), "bashible's steps ended well on every node")
        deadline = time.monotonic() + 30  # a node says that it is clean when only its own folder is left
        while (left := clients.left_on_nodes(self.platform)) and time.monotonic() < deadline:
            time.sleep(0.2)
        require(not left, f"nodes are as they were before{': ' + str(left) if left else ''}")
