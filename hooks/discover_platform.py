#!/usr/bin/env python3
"""Deckhouse → facts: its registry Secret, leader pod, own images, the cluster's client CA, signs of another owner."""

from __future__ import annotations

from typing import Any

from deckhouse import hook

from lib.registry_module import bindings, names, platform_facts, snapshots

REGISTRY = """{
  address: .data.address, path: .data.path, scheme: .data.scheme, ca: .data.ca,
  dockerconfig: .data[".dockerconfigjson"]
}"""
LEADER = """if .metadata.deletionTimestamp then null else {
  name: .metadata.name,
  ready: ([.status.conditions[]? | select(.type == "Ready") | .status] == ["True"]),
  version: (.metadata.annotations // {})["checksum/registry-version"]
} end"""
IMAGES = """{images: [.spec.template.spec | (.initContainers // []) + (.containers // []) | .[] | {name, image}]}"""
CLIENT_CA = """.data["client-ca-file"]"""
FOREIGN = f"""if (.metadata.labels // {{}})["{snapshots.OWNER_LABEL}"] == "{snapshots.OWNER}" then null
else .kind + " " + .metadata.namespace + "/" + .metadata.name end"""
# Older releases leave the source of a module that comes with the platform empty.
DOWNLOADED = """if ((.properties.source // "") | . == "" or . == "Embedded") then null
else {name: .metadata.name, version: .properties.version} end"""
EMBEDDED_SECRETS = ("registry-config", "registry-bashible-config", "registry-state")

OURS: dict[str, Any] = {"namespace": names.NAMESPACE}
CONFIG = bindings.discovery(
    "platform",
    bindings.watch("secret", "Secret", REGISTRY, names=(names.PLATFORM_SECRET,), **OURS),
    bindings.watch(
        "leader", "Pod", LEADER, labelSelector={"matchLabels": {"app": "deckhouse", "leader": "true"}}, **OURS
    ),
    bindings.watch("deployment", "Deployment", IMAGES, api="apps/v1", names=("deckhouse",), **OURS),
    bindings.watch(
        "client_ca", "ConfigMap", CLIENT_CA, names=("extension-apiserver-authentication",), namespace="kube-system"
    ),
    bindings.watch("embedded_secrets", "Secret", FOREIGN, names=EMBEDDED_SECRETS, **OURS),
    bindings.watch("embedded_service", "Service", FOREIGN, names=("registry",), **OURS),
    bindings.watch("modules", "Module", DOWNLOADED, api="deckhouse.io/v1alpha1"),
    bindings.watch("embedded_proxy", "Deployment", FOREIGN, api="apps/v1", names=("registry-incluster-proxy",), **OURS),
)


def main(ctx: Any) -> None:
    found = {binding: snapshots.results(ctx.snapshots, binding) for binding in ctx.snapshots}
    facts = snapshots.internal(ctx.values).setdefault("facts", {})
    facts["platform"] = platform_facts.collect(
        secrets=found.get("secret", []),
        leaders=found.get("leader", []),
        deployments=found.get("deployment", []),
        client_ca=found.get("client_ca", []),
        downloaded=found.get("modules", []),
        embedded=[sign for binding in sorted(found) if binding.startswith("embedded_") for sign in found[binding]],
    )


if __name__ == "__main__":
    hook.run(main, config=CONFIG)
