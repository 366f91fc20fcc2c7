"""List, then watch: one collection of objects, kept up to date for whoever listens."""

import threading
from collections.abc import Callable
from typing import Any

from .cluster import ApiError, Cluster, Params, Resource, Watch
from .life import Killed, Life
from .log import Log

OnChange = Callable[[str, dict[str, Any]], None]
"""Called with Added, Modified or Deleted, and the object."""

_TYPES = {"ADDED": "Added", "MODIFIED": "Modified", "DELETED": "Deleted"}
_PAUSE = 0.5  # seconds between attempts while the API server is away


class Informer:
    """Calls on_change for each change after the first list. A change may be told twice; listeners compare checksums."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        resource: Resource,
        namespace: str = "",
        params: Params | None = None,
        on_change: OnChange,
        life: Life,
        log: Log,
    ) -> None:
        self._cluster, self._resource, self._namespace = cluster, resource, namespace
        self._params = dict(params or {})
        self._on_change = on_change
        self._life, self._log = life, log
        self._stopped = threading.Event()
        self._watch: Watch | None = None
        self._version = ""
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def list(self) -> list[dict[str, Any]]:
        """The objects as they are now; watching continues from here. Raises ApiError."""
        listed = self._cluster.list(self._resource, self._namespace, self._params)
        self._version = listed["metadata"]["resourceVersion"]
        self._known = {_key(item): item for item in listed["items"]}
        return list(self._known.values())

    def start(self) -> None:
        """Watch in a thread until stop()."""
        self._life.on_end(self.stop)
        threading.Thread(target=self._run, name=f"watch {self._resource.plural}", daemon=True).start()

    def stop(self) -> None:
        """Stop watching; nothing is told any more."""
        self._stopped.set()
        if self._watch:
            self._watch.stop()

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    self._follow()
                except Exception as error:  # any broken connection: wait, list again, tell the difference
                    if self._stopped.is_set():
                        return
                    self._log.info("watch interrupted", resource=self._resource.plural, error=str(error))
                    self._stopped.wait(_PAUSE)
                    self._relist()
        except Killed:
            return

    def _follow(self) -> None:
        self._watch = self._cluster.watch(self._resource, self._namespace, self._params, self._version)
        if self._stopped.is_set():
            self._watch.stop()
        for kind, obj in self._watch:
            if self._stopped.is_set():
                return
            if kind == "ERROR":
                raise ApiError(int(obj.get("code", 0)), obj.get("message", "watch error"))
            self._version = obj["metadata"]["resourceVersion"]
            if kind in _TYPES:
                self._tell(_TYPES[kind], obj)

    def _relist(self) -> None:
        before = dict(self._known)
        try:
            self.list()
        except Exception as error:  # the server is still away; the next turn tries again
            self._known = before
            self._log.info("list failed", resource=self._resource.plural, error=str(error))
            return
        for key, obj in before.items():
            if key not in self._known:
                self._on_change("Deleted", obj)
        for key, obj in self._known.items():
            self._on_change("Modified" if key in before else "Added", obj)

    def _tell(self, kind: str, obj: dict[str, Any]) -> None:
        if kind == "Deleted":
            self._known.pop(_key(obj), None)
        else:
            self._known[_key(obj)] = obj
        self._on_change(kind, obj)


def _key(obj: dict[str, Any]) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
