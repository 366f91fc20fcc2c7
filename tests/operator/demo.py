"""Writes a small module for one test: made here, so that no linter finds a second module in the repository."""

import json
import textwrap
from pathlib import Path
from typing import Any

import yaml

_HEAD = """\
#!/usr/bin/env python3
import json, os, sys
CONFIG = {config!r}
if sys.argv[1:] == ["--config"]:
    print(CONFIG)
    sys.exit(0)

def read(name):
    with open(os.environ[name], encoding="utf-8") as file:
        return json.load(file)

def write(name, *lines):
    with open(os.environ[name], "a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\\n" for line in lines)

def patch(op, path, *value):
    line = {{"op": op, "path": path}}
    write("VALUES_JSON_PATCH_PATH", {{**line, "value": value[0]}} if value else line)

contexts, values, key = read("BINDING_CONTEXT_PATH"), read("VALUES_PATH"), {key!r}
"""

CONFIG_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "color": {"type": "string", "enum": ["Red", "Blue"], "default": "Red"},
        "password": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "low": {"type": "integer", "default": 1},
        "high": {"type": "integer", "default": 10},
    },
    "x-deckhouse-validations": [{"expression": "self.low <= self.high", "message": "low must not exceed high"}],
}

VALUES_SCHEMA: dict[str, Any] = {
    "type": "object",
    "x-extend": {"schema": "config-values.yaml"},
    "properties": {
        "registry": {"type": "object", "properties": {"base": {"type": "string"}}},
        "internal": {
            "type": "object",
            "default": {},
            "properties": {
                "seen": {"type": "array", "items": {"type": "string"}},
                "count": {"type": "integer"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        },
    },
}

TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Chart.Name }}
  namespace: {{ .Release.Namespace }}
data:
  color: {{ .Values.KEY.color }}
  seen: {{ join "," (.Values.KEY.internal.seen | default list) | quote }}
  zone: {{ .Values.global.zone | default "none" }}
"""


class Demo:
    """A module in a folder. Change its files before the operator starts."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.namespace = f"d8-{name}"
        first, *rest = name.split("-")
        self.key = first + "".join(part.capitalize() for part in rest)
        self.yaml("module.yaml", {"name": name, "namespace": self.namespace})
        self.yaml("Chart.yaml", {"apiVersion": "v2", "name": name, "version": "0.1.0"})
        self.text(".helmignore", "hooks\nopenapi\ncrds\nlib\nmodule.yaml\n")
        self.yaml("openapi/config-values.yaml", CONFIG_SCHEMA)
        self.yaml("openapi/values.yaml", VALUES_SCHEMA)
        self.text("templates/configmap.yaml", TEMPLATE.replace("KEY", self.key))

    def text(self, path: str, content: str, *, mode: int = 0o644) -> Path:
        """Write a file of the module."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        target.chmod(mode)
        return target

    def yaml(self, path: str, content: dict[str, Any]) -> Path:
        """Write a YAML file of the module."""
        return self.text(path, yaml.safe_dump(content))

    def hook(self, name: str, config: dict[str, Any], body: str = "") -> Path:
        """Write an executable hook; `body` sees contexts, values, key, read(), write(), patch()."""
        head = _HEAD.format(config=json.dumps({"configVersion": "v1", **config}), key=self.key)
        return self.text(f"hooks/{name}", head + textwrap.dedent(body), mode=0o755)

    def config(self, *, enabled: bool = True, **settings: Any) -> dict[str, Any]:
        """Its ModuleConfig, version 1 when there are settings."""
        spec: dict[str, Any] = {"enabled": enabled}
        if settings:
            spec.update(version=1, settings=settings)
        meta = {"name": self.name}
        return {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": meta, "spec": spec}
