"""A cluster that the module manages, as its API server shows it: what Helm would have written, and the reports."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from lib.registry_module import names, pki, users
from lib.registry_module.context import Inputs
from lib.registry_module.encoding import encode
from lib.registry_module.images import reference_below
from tests.support.certs import make_ca
from tests.unit.world import World

CLIENT_CA = make_ca("clients").cert
NOW = dt.datetime.now(dt.UTC)
PROXY = {"httpsProxy": "http://proxy.example.com:3128", "noProxy": ["example.com"]}
OURS = {"registry.deckhouse.io/owner": "registry-module"}
ADDRESSES = ("198.51.100.11", "198.51.100.12")


@dataclass
class Managed(World):
    """A World with real certificates and accounts, which can be read from its objects."""

    certificates: dict[str, Any] = field(
        default_factory=lambda: pki.advance({}, addresses=ADDRESSES, now=dt.datetime.now(dt.UTC), distributed=False)
    )
    accounts: dict[str, Any] = field(default_factory=lambda: users.keep({}, {}, now=NOW, delivered=False))
    proxy: dict[str, Any] = field(default_factory=lambda: PROXY)

    def raw_facts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        internal, values = super().raw_facts()
        internal["platform"]["clientCA"] = CLIENT_CA.strip()
        return internal, values

    def inputs(self) -> Inputs:
        return replace(
            super().inputs(),
            pki=self.certificates,
            gateway_users=tuple(users.for_gateway(self.accounts, now=NOW)),
            pull_login=users.pull_login(self.accounts),
        )

    def objects(self) -> list[dict[str, Any]]:
        """All that registry-plan reads."""
        return [*self._secrets(), *self._deckhouse(), *self._nodes(), *self._gateways()]

    def _secrets(self) -> list[dict[str, Any]]:
        assert self.outcome is not None
        pairs = {
            f"{name}.{part}": self.certificates[name][part] for name in ("ca", "serving") for part in ("crt", "key")
        }
        found = [secret("registry-state", state=json.dumps(self.state.to_dict()))]
        found += [secret("registry-gateway-config", **{"config.json": json.dumps(self.outcome.gateway["config"])})]
        found += [secret("registry-pki", **pairs)]
        found += [secret(f"registry-user-{name}", **account) for name, account in self.accounts.items()]
        registry = self.registry.to_dict()
        docker = {".dockerconfigjson": registry.pop("dockerconfig")}
        platform = secret(names.PLATFORM_SECRET, **registry, **docker)
        configuration = yaml.safe_dump({"clusterType": "Static", "proxy": self.proxy})
        cluster = secret("d8-cluster-configuration", **{"cluster-configuration.yaml": configuration})
        cluster["metadata"]["namespace"] = "kube-system"
        return [*found, platform, cluster]

    def _deckhouse(self) -> list[dict[str, Any]]:
        image = self.raw_facts()[0]["platform"]["images"][0]
        assert reference_below(image["image"], (self.rendered.base,))
        pod = thing("v1", "Pod", "deckhouse-1", labels={"app": "deckhouse", "leader": "true"})
        pod["metadata"]["annotations"] = {"checksum/registry-version": self._hash()}
        pod |= {"spec": {"containers": [image]}, "status": READY}
        deployment = thing("apps/v1", "Deployment", "deckhouse")
        deployment["spec"] = {"template": {"spec": {"containers": [image]}}}
        authority = thing("v1", "ConfigMap", "extension-apiserver-authentication", namespace="kube-system")
        return [pod, deployment, {**authority, "data": {"client-ca-file": CLIENT_CA}}]

    def _nodes(self) -> list[dict[str, Any]]:
        found = []
        for node in self.nodes:
            item = thing("v1", "Node", node.name, namespace="")
            item["metadata"]["labels"] = {"node-role.kubernetes.io/control-plane": ""} if node.control_plane else {}
            if node.version:
                keys = (names.ANNOTATION_VERSION, names.ANNOTATION_REPORT)
                item["metadata"]["annotations"] = dict(zip(keys, (node.version, node.report()), strict=True))
            addresses = [{"type": "InternalIP", "address": node.address}]
            runtime = {"containerRuntimeVersion": node.runtime}
            found.append({**item, "status": {**READY, "addresses": addresses, "nodeInfo": runtime}})
        return found

    def _gateways(self) -> list[dict[str, Any]]:
        found = []
        for report in self._replicas()[0]:
            replica = thing(names.API_VERSION, "RegistryReplica", report["node"], namespace="")
            pod = thing("v1", "Pod", f"registry-gateway-{report['node']}", labels={"app": names.GATEWAY_APP})
            pod |= {"spec": {"nodeName": report["node"], "containers": []}, "status": READY}
            found += [{**replica, "status": report["status"]}, pod]
        return found


READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def thing(api: str, kind: str, name: str, *, namespace: str = "d8-system", **metadata: Any) -> dict[str, Any]:
    """An object with nothing in it."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace, **metadata}}


def secret(name: str, /, **data: str) -> dict[str, Any]:
    """A Secret of the module."""
    found = thing("v1", "Secret", name, labels=OURS)
    return {**found, "data": {key: encode(value) for key, value in data.items()}}
