"""A real API server with the cluster of examples/, for as long as the tests of this folder last."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operator.api_server import ApiServer, api_server
from tests.plan.command import CLUSTER
from tests.platform.operator import definitions
from tests.platform.operator.life import Life
from tools.review import dump


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The API server; the platform's definitions are there, those of the module are not."""
    with api_server(tmp_path_factory.mktemp("api"), authorization="RBAC") as server:
        definitions.install(definitions.PLATFORM_CRDS, cluster=server.cluster, life=Life())
        server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d8-system"}})
        for item in objects():
            _create(server, item)
        yield server


def objects() -> list[dict[str, Any]]:
    """What an API server can have of the dumped cluster: all but the values of Deckhouse."""
    return [item for item in dump.load(CLUSTER) if item["kind"] != "Values"]


def _create(server: ApiServer, item: dict[str, Any]) -> None:
    item = copy.deepcopy(item)
    status = item.pop("status", None)
    if item["kind"] == "Deployment":
        labels = {"app": "deckhouse"}
        item["spec"]["selector"] = {"matchLabels": labels}
        item["spec"]["template"]["metadata"] = {"labels": labels}
    server.create(item)
    if status:
        path = server.cluster.resource(item["apiVersion"], item["kind"]).path(
            item["metadata"].get("namespace", ""), item["metadata"]["name"]
        )
        body = json.loads(json.dumps({"status": status}))
        server.cluster.call("PATCH", f"{path}/status", body=body, content_type="application/merge-patch+json")


@pytest.fixture
def stranger(api: ApiServer, tmp_path: Path) -> Path:
    """A kubeconfig whose user may do nothing."""
    return with_token(api, tmp_path, "stranger")


def with_token(api: ApiServer, folder: Path, token: str) -> Path:
    """The kubeconfig of the tests with another token."""
    path = folder / "kubeconfig"
    path.write_text(api.kubeconfig.read_text().replace("token: operator-tests", f"token: {token}"))
    return path
