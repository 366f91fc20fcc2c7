"""bashible of a cluster: follows the NodeGroupConfigurations and keeps one agent per node."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic

from kubernetes import client

from .agent import Agent, N
from .bundle import render

GROUP_LABEL = "node.deckhouse.io/group"
DEFAULT_GROUP = "worker"


class Bashible(Generic[N]):
    """Runs every node's steps until `stop`. Nodes that `nodes()` no longer names are left as they are."""

    def __init__(
        self,
        api_client: client.ApiClient,
        nodes: Callable[[], Sequence[N]],
        *,
        restart: Callable[[N], None],
        interval: float = 1.0,
        say: Callable[[str], None] = print,
    ) -> None:
        """`restart` restarts the node's containerd when a step has set the flag for it.

        `interval`: seconds between two looks at the objects, and before a failed run is repeated (10 s on real nodes).
        """
        self._objects, self._core = client.CustomObjectsApi(api_client), client.CoreV1Api(api_client)
        self._nodes, self._restart, self._interval, self._say = nodes, restart, interval, say
        self._agents: dict[str, Agent[N]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._error = ""

    def start(self) -> None:
        """Begin; API server and nodes may come later."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is running now on each node."""
        self._stop.set()
        self._thread.join()
        for agent in self._agents.values():
            agent.stop()

    def errors(self) -> dict[str, str]:
        """Node → why its last run failed, or why it gets no configurations; only nodes with a reason."""
        reasons = {name: agent.error or agent.bundle.error for name, agent in list(self._agents.items())}
        return {name: reason for name, reason in reasons.items() if reason}

    def runs(self) -> dict[str, int]:
        """Node → how many runs ended well."""
        return {name: agent.runs for name, agent in list(self._agents.items())}

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._look()
                self._error = ""
            except Exception as error:  # the API server is away, or has no such resource yet: look again later
                if self._error != type(error).__name__:
                    self._error = type(error).__name__
                    self._say(f"bashible: cannot read NodeGroupConfigurations: {self._error}")

    def _look(self) -> None:
        answer: dict[str, Any] = self._objects.list_cluster_custom_object(
            "deckhouse.io", "v1alpha1", "nodegroupconfigurations"
        )
        groups = {
            node.metadata.name: (node.metadata.labels or {}).get(GROUP_LABEL, DEFAULT_GROUP)
            for node in self._core.list_node().items
        }
        current = {node.name: node for node in self._nodes()}
        for name in self._agents.keys() - current.keys():
            self._agents.pop(name).stop()
        for name, node in current.items():
            bundle = render(answer["items"], group=groups.get(name, DEFAULT_GROUP))
            agent = self._agents.get(name)
            if bundle.error and (agent is None or bundle.error != agent.bundle.error):
                self._say(f"bashible: {name}: {bundle.error}")
            if agent is None:
                agent = Agent(node, interval=self._interval, restart=self._restart, say=self._say)
                agent.bundle = bundle
                self._agents[name] = agent
                agent.start()
            agent.bundle = bundle
