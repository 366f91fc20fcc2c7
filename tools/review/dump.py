"""A directory of dumped Kubernetes objects, asked as the operator asks the API server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jq
import yaml

Object = dict[str, Any]


class DumpError(Exception):
    """A dump that cannot be read; the message names file and reason."""


def load(folder: Path) -> list[Object]:
    """Every object in the YAML and JSON files of a folder; Lists are unpacked."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".yaml", ".yml", ".json"))
    if not files:
        raise DumpError(f"{folder} holds no .yaml or .json file; dump objects with: kubectl get nodes -o yaml")
    objects: list[Object] = []
    for path in files:
        try:
            documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
        except yaml.YAMLError as error:
            raise DumpError(f"{path} is not YAML: {error}") from error
        for document in documents:
            objects += _unpacked(document, path)
    return objects


def _unpacked(document: Any, path: Path) -> list[Object]:
    if document is None:
        return []
    if not isinstance(document, dict) or "kind" not in document:
        raise DumpError(f"{path} holds something that is no Kubernetes object")
    return list(document.get("items") or []) if document["kind"].endswith("List") else [document]


def snapshot(objects: list[Object], binding: dict[str, Any]) -> list[dict[str, Any]]:
    """Snapshot items of one kubernetes binding, sorted by namespace and name."""
    found = sorted((o for o in objects if _matches(o, binding)), key=lambda o: (_namespace(o), o["metadata"]["name"]))
    program = jq.compile(binding["jqFilter"])
    return [{"filterResult": program.input_value(item).first()} for item in found]


def _namespace(item: Object) -> str:
    return str(item["metadata"].get("namespace", ""))


def _matches(item: Object, binding: dict[str, Any]) -> bool:
    metadata = item["metadata"]
    names = binding.get("nameSelector", {}).get("matchNames")
    namespaces = binding.get("namespace", {}).get("nameSelector", {}).get("matchNames")
    labels = binding.get("labelSelector", {}).get("matchLabels", {})
    return (
        (item.get("apiVersion"), item["kind"]) == (binding["apiVersion"], binding["kind"])
        and (names is None or metadata["name"] in names)
        and (namespaces is None or metadata.get("namespace") in namespaces)
        and all((metadata.get("labels") or {}).get(key) == value for key, value in labels.items())
    )
