"""The module's Helm release, by the real helm (hook contract, section 6, steps 5 and 8)."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from .cluster import Cluster
from .life import Life
from .log import Log
from .module_files import ModuleFiles

_CHECKSUM_LABEL = "moduleChecksum"


class HelmError(Exception):
    """Helm refused; the text is its stderr."""


class Helm:
    """Upgrades when what is rendered has changed, or when an object of the release has vanished."""

    def __init__(
        self,
        *,
        binary: Path,
        kubeconfig: Path,
        module: ModuleFiles,
        cluster: Cluster,
        workdir: Path,
        life: Life,
        log: Log,
    ) -> None:
        self._binary, self._kubeconfig, self._module = binary, kubeconfig, module
        self._cluster, self._workdir, self._life, self._log = cluster, workdir, life, log
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "HELM_CACHE_HOME": str(workdir / "helm/cache"),
            "HELM_CONFIG_HOME": str(workdir / "helm/config"),
            "HELM_DATA_HOME": str(workdir / "helm/data"),
        }

    def upgrade(self, values: dict[str, Any], *, keep_existing: bool) -> bool:
        """Render and, if needed, upgrade; True when a revision was made. Raises HelmError.

        `keep_existing`: an existing release is left as it is (ModuleConfig maintenance NoResourceReconciliation).
        """
        self._ensure_namespace()
        self._settle_pending()
        latest = self._latest()
        if keep_existing and latest is not None:
            return False
        with tempfile.TemporaryDirectory(prefix="helm-", dir=self._workdir) as folder:
            chart = self._chart(Path(folder))
            file = Path(folder) / "values.json"
            file.write_text(json.dumps(values), encoding="utf-8")
            common = [str(chart), "--values", str(file), "--skip-crds"]
            # With the cluster's capabilities, without its schemas: an upgrade checks against those.
            ask = ["--validate", "--disable-openapi-validation", "--is-upgrade"]
            rendered = self._run("template", self._module.name, *common, *ask)
            checksum = hashlib.sha256(rendered.encode()).hexdigest()[:40]
            if latest is not None and self._up_to_date(latest, checksum, rendered):
                return False
            label = f"{_CHECKSUM_LABEL}={checksum}"
            self._run("upgrade", "--install", self._module.name, *common, "--labels", label)
        self._log.info("helm release upgraded", revision=self.revision())
        return True

    def uninstall(self) -> None:
        """Remove the release if there is one. Raises HelmError."""
        if self._latest() is not None:
            self._run("uninstall", self._module.name)

    def revision(self) -> int:
        """Number of the newest revision; 0 when there is no release."""
        latest = self._latest()
        return int(latest["version"]) if latest else 0

    def _run(self, *arguments: str) -> str:
        command = [str(self._binary), *arguments, "--namespace", self._module.namespace]
        finished = self._life.run([*command, "--kubeconfig", str(self._kubeconfig)], env=self._environment)
        if finished.code != 0:
            raise HelmError(f"helm {arguments[0]}: {finished.stderr.strip()}")
        return finished.stdout

    def _latest(self) -> dict[str, str] | None:
        """Labels of the newest release Secret."""
        params = {"labelSelector": f"owner=helm,name={self._module.name}"}
        listed = self._cluster.list(self._cluster.resource("v1", "Secret"), self._module.namespace, params)
        labels = [item["metadata"]["labels"] for item in listed["items"]]
        return max(labels, key=lambda found: int(found["version"]), default=None)

    def _settle_pending(self) -> None:
        """An operator that died in the middle of an upgrade leaves a pending revision, which Helm refuses to follow."""
        latest = self._latest()
        if latest is None or not latest["status"].startswith("pending-"):
            return
        self._log.warning("helm release is pending, going back", revision=latest["version"], status=latest["status"])
        if latest["version"] == "1":
            self._run("uninstall", self._module.name)
        else:
            self._run("rollback", self._module.name, str(int(latest["version"]) - 1))

    def _up_to_date(self, latest: dict[str, str], checksum: str, rendered: str) -> bool:
        if latest["status"] != "deployed" or latest.get(_CHECKSUM_LABEL) != checksum:
            return False
        for obj in _objects(rendered):
            resource = self._cluster.resource(obj["apiVersion"], obj["kind"])
            namespace = obj["metadata"].get("namespace") or self._module.namespace
            if self._cluster.get(resource, namespace, obj["metadata"]["name"]) is None:
                self._log.info("object of the release is missing", kind=obj["kind"], name=obj["metadata"]["name"])
                return False
        return True

    def _chart(self, folder: Path) -> Path:
        """The module's folder, or a copy with a Chart.yaml where the module has none."""
        if (self._module.folder / "Chart.yaml").exists():
            return self._module.folder
        chart = folder / "chart"
        shutil.copytree(self._module.folder, chart, ignore=shutil.ignore_patterns(".git", "hooks", "images"))
        content = {"apiVersion": "v2", "name": self._module.name, "version": "0.2.0"}
        (chart / "Chart.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return chart

    def _ensure_namespace(self) -> None:
        resource = self._cluster.resource("v1", "Namespace")
        if self._cluster.get(resource, "", self._module.namespace) is None:
            metadata = {"name": self._module.namespace, "labels": {"heritage": "deckhouse"}}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            self._cluster.call("POST", resource.path(), body=body)


def _objects(rendered: str) -> Iterator[dict[str, Any]]:
    """Objects of a rendered manifest that stay in the cluster: all but Helm's own hooks."""
    for document in yaml.safe_load_all(rendered):
        if document and "helm.sh/hook" not in (document["metadata"].get("annotations") or {}):
            yield document
