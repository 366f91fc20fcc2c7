"""Custom resource definitions: the platform's own stand-ins and those of the module (module layout, section 1)."""

from pathlib import Path
from typing import Any

import yaml

from .cluster import ApiError, Cluster
from .life import Life

PLATFORM_CRDS = Path(__file__).parent / "crds"


def install(folder: Path, *, cluster: Cluster, life: Life) -> None:
    """Create or update every definition in a folder and wait until it is served. Raises ApiError."""
    names = [path for path in sorted(folder.glob("*.yaml")) if not path.name.startswith("doc-ru-")]
    documents = [document for path in names for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    definitions = [document for document in documents if document]
    resource = cluster.resource("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    for definition in definitions:
        try:
            cluster.call("POST", resource.path(), body=definition)
        except ApiError as error:
            if error.status != 409:
                raise
            _update(definition, resource.path("", definition["metadata"]["name"]), cluster)
    for definition in definitions:
        while not _served(definition, cluster):
            life.sleep(0.05)


def _update(definition: dict[str, Any], path: str, cluster: Cluster) -> None:
    current = cluster.call("GET", path)
    metadata = {**definition["metadata"], "resourceVersion": current["metadata"]["resourceVersion"]}
    cluster.call("PUT", path, body={**definition, "metadata": metadata})


def _served(definition: dict[str, Any], cluster: Cluster) -> bool:
    spec = definition["spec"]
    for version in spec["versions"]:
        if version.get("served"):
            try:
                path = f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
                cluster.call("GET", path, params={"limit": "1"})
            except ApiError as error:
                if error.status == 404:
                    return False
                raise
    return True
