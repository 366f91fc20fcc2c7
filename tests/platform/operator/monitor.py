"""What one kubernetes binding watches: its objects, and the events a hook is run for (hook contract, section 5)."""

import threading
from collections.abc import Callable
from typing import Any

from .binding_config import KubernetesBinding
from .cluster import Cluster, Resource
from .contexts import Context
from .filters import Item, item_maker
from .informer import Informer
from .life import Life
from .log import Log
from .selectors import field_query, label_query, list_params


class Monitor:
    """Keeps the objects of a binding. Events wait until unlock(): the hook sees Synchronization first."""

    def __init__(
        self, *, binding: KubernetesBinding, cluster: Cluster, life: Life, log: Log, emit: Callable[[Context], None]
    ) -> None:
        self.binding = binding
        self._cluster, self._life, self._log, self._emit = cluster, life, log, emit
        self._make = item_maker(jq_filter=binding.jq_filter, keep_full_object=binding.keep_full_objects)
        self._lock = threading.RLock()
        self._items: dict[tuple[str, str], Item] = {}
        self._informers: dict[str, list[Informer]] = {}  # by namespace; "" is all of them
        self._namespaces: Informer | None = None
        self._waiting: list[Context] | None = []
        self._stopped = False

    def start(self) -> None:
        """List, then watch. Raises when the kind is unknown, the server refuses or the filter fails: to be retried."""
        resource = self._cluster.resource(self.binding.api_version, self.binding.kind)
        if self.binding.namespace_labels is not None:
            self._follow_namespaces(resource)
            return
        for namespace in self.binding.namespaces or ("",):
            self._open(resource, namespace)

    def _follow_namespaces(self, resource: Resource) -> None:
        def changed(kind: str, namespace: dict[str, Any]) -> None:
            name = namespace["metadata"]["name"]
            if kind == "Deleted":
                self._close(name)
            elif self._wanted(name) and name not in self._informers:
                self._open(resource, name, tell=True)

        self._namespaces = self._informer(
            self._cluster.resource("v1", "Namespace"),
            params=list_params(label_query(self.binding.namespace_labels), ""),
            on_change=changed,
        )
        for namespace in self._namespaces.list():
            if self._wanted(namespace["metadata"]["name"]):
                self._open(resource, namespace["metadata"]["name"])
        self._namespaces.start()

    def _wanted(self, namespace: str) -> bool:
        return self.binding.namespaces is None or namespace in self.binding.namespaces

    def _open(self, resource: Resource, namespace: str, *, tell: bool = False) -> None:
        labels = label_query(self.binding.label_selector)
        for name in self.binding.names or (None,):
            params = list_params(labels, field_query(self.binding.field_selector, name=name))
            informer = self._informer(resource, params=params, on_change=self._changed, namespace=namespace)
            for obj in informer.list():
                if tell:
                    self._changed("Added", obj)
                else:
                    item = self._make(obj)
                    self._items[item.namespace, item.name] = item
            self._informers.setdefault(namespace, []).append(informer)
            informer.start()

    def _close(self, namespace: str) -> None:
        for informer in self._informers.pop(namespace, []):
            informer.stop()
        with self._lock:
            self._items = {key: item for key, item in self._items.items() if key[0] != namespace}

    def _informer(self, resource: Resource, *, params: dict[str, str], on_change: Any, namespace: str = "") -> Informer:
        return Informer(
            cluster=self._cluster,
            resource=resource,
            namespace=namespace,
            params=params,
            on_change=on_change,
            life=self._life,
            log=self._log,
        )

    def _changed(self, kind: str, obj: dict[str, Any]) -> None:
        try:
            item = self._make(obj)
        except ValueError as error:
            self._log.error("jqFilter failed", binding=self.binding.name, error=str(error))
            return
        key = (item.namespace, item.name)
        with self._lock:
            before = self._items.get(key)
            if kind == "Deleted":
                self._items.pop(key, None)
            else:
                self._items[key] = item
                if before is not None and before.checksum == item.checksum:
                    return  # the filter sees no difference
            if self._stopped or kind not in self.binding.events:
                return
            context = Context(
                binding=self.binding.name,
                type="Event",
                watch_event=kind,
                item=item,
                group=self.binding.group,
                include=self.binding.include_snapshots,
            )
            if self._waiting is not None:
                self._waiting.append(context)
            else:
                self._emit(context)

    def snapshot(self) -> list[Item]:
        """The objects as they are now, sorted by namespace and name."""
        with self._lock:
            return [self._items[key] for key in sorted(self._items)]

    def unlock(self) -> None:
        """The hook has seen Synchronization: pass on the events that waited, and all later ones."""
        with self._lock:
            waiting, self._waiting = self._waiting or [], None
            for context in waiting:
                self._emit(context)

    def stop(self) -> None:
        """Stop watching and forget the objects."""
        with self._lock:
            self._stopped = True
            self._items = {}
        if self._namespaces:
            self._namespaces.stop()
        for informers in list(self._informers.values()):
            for informer in informers:
                informer.stop()
