"""Pulls on every node, again and again: what must never fail while registries are switched."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.platform.cluster import ClusterError, Node

PAUSE = 1.5  # seconds between two rounds of a node: what is watched is the switch, not the machine
SOCKET = "unix:///run/containerd/containerd.sock"


@dataclass(frozen=True)
class Wanted:
    """An image to pull, with a login as a pull secret would give it."""

    image: str
    user: str = ""
    password: str = ""

    @staticmethod
    def by_secret(image: str, docker_config: str) -> Wanted:
        """With the login that a docker config has for the image's registry."""
        entry = json.loads(docker_config)["auths"].get(image.partition("/")[0], {})
        return Wanted(image, entry.get("username", ""), entry.get("password", ""))


@dataclass(frozen=True)
class Pull:
    """One pull: `error` is empty when it worked."""

    node: str
    image: str
    seconds: float
    error: str = ""


def pull(node: Node, wanted: Wanted, *, fresh: bool = True) -> Pull:
    """Pull by the node's CRI; `fresh` removes the image before, so that its content is really asked for."""
    crictl = ["crictl", "--runtime-endpoint", SOCKET]
    login = ["--creds", f"{wanted.user}:{wanted.password}"] if wanted.user else []
    started = time.monotonic()
    try:
        if fresh:
            node.run([*crictl, "rmi", wanted.image], check=False)
        done = node.run([*crictl, "pull", *login, wanted.image], timeout=120, check=False)
        error = done.stderr.strip() if done.returncode else ""
    except ClusterError as failure:
        error = str(failure)
    return Pull(node.name, wanted.image, time.monotonic() - started, error)


class PullLoop:
    """A thread per node. `wanted` says what to pull now; it is asked before every round."""

    def __init__(self, nodes: Iterable[Node], wanted: Callable[[], list[Wanted]]) -> None:
        self._wanted = wanted
        self._stop = threading.Event()
        self.pulls: list[Pull] = []
        self._threads = [threading.Thread(target=self._run, args=(node,), daemon=True) for node in nodes]

    def __enter__(self) -> PullLoop:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, node: Node) -> None:
        while not self._stop.wait(PAUSE):
            for wanted in self._wanted():
                self.pulls.append(pull(node, wanted))

    @property
    def failures(self) -> list[Pull]:
        """Pulls that did not work."""
        return [each for each in self.pulls if each.error]

    def count(self, node: str) -> int:
        """Pulls of one node so far."""
        return sum(each.node == node for each in self.pulls)
