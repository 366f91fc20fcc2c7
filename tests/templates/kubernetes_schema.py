"""Kubernetes' own OpenAPI document as JSON schemas: from the source of the very version the test platform runs."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator

ROOT = Path(__file__).parents[2]


@functools.cache
def _definitions() -> dict[str, Any]:
    source = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes"],
        cwd=ROOT / "tools/kubernetes",
        env={**os.environ, "GOFLAGS": "-mod=mod"},
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads((Path(source.stdout.strip()) / "api/openapi-spec/swagger.json").read_text())
    definitions: dict[str, Any] = document["definitions"]
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]["type"] = ["string", "integer"]
    for definition in definitions.values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)  # a typo must not pass
    return definitions


@functools.cache
def _crds() -> dict[tuple[str, str], dict[str, Any]]:
    files = [*ROOT.glob("crds/[!d]*.yaml"), *ROOT.glob("tests/platform/operator/crds/*.yaml")]
    found = {}
    for crd in (yaml.safe_load(path.read_text()) for path in files):
        for version in crd["spec"]["versions"]:
            key = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
            found[key] = version["schema"]["openAPIV3Schema"]
    return found


def problems(item: dict[str, Any]) -> list[str]:
    """What is wrong with an object; an object of an unknown kind is a problem too."""
    key = (item["apiVersion"], item["kind"])
    if key in _crds():
        schema = _crds()[key]
        body = {name: value for name, value in item.items() if name not in ("apiVersion", "kind", "metadata")}
        return [error.message for error in Draft4Validator(schema).iter_errors(body)]
    group, _, version = item["apiVersion"].rpartition("/")
    for definition in _definitions().values():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            if (kind["group"], kind["version"], kind["kind"]) == (group, version, item["kind"]):
                schema = {**definition, "definitions": _definitions()}
                return [f"{error.json_path}: {error.message}" for error in Draft4Validator(schema).iter_errors(item)]
    return [f"unknown kind {key}"]
