"""Small Kubernetes objects for tests."""

from typing import Any


def namespace(name: str, **labels: str) -> dict[str, Any]:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def config_map(place: str, name: str, data: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    """A ConfigMap."""
    metadata = {"namespace": place, "name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data or {}}


def watch(place: str, **more: Any) -> dict[str, Any]:
    """A kubernetes binding `maps` on the ConfigMaps of a namespace, with their data as filter result."""
    return {
        "name": "maps",
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "namespace": {"nameSelector": {"matchNames": [place]}},
        "keepFullObjectsInMemory": False,
        "jqFilter": "{name: .metadata.name, data: .data}",
        **more,
    }
