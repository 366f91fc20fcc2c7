"""What a cluster needs inside before its first node: rights to join, the DNS service, the platform's namespace."""

from __future__ import annotations

from typing import Any

from . import plan
from .pki import Pki

RBAC = "rbac.authorization.k8s.io"
CSR = "system:certificates.k8s.io:certificatesigningrequests"


def first_objects(pki: Pki) -> list[dict[str, Any]]:
    """The objects, in order."""
    token_id, _, token_secret = pki.token.partition(".")
    bootstrappers, nodes = "system:bootstrappers", "system:nodes"
    read = {"verbs": ["list", "watch"]}
    return [
        {
            **_head("v1", "Secret", f"bootstrap-token-{token_id}", "kube-system"),
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": token_id,
                "token-secret": token_secret,
                "usage-bootstrap-authentication": "true",
            },
        },
        # https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/
        _grant("nodes-may-join", "system:node-bootstrapper", "Group", bootstrappers),
        _grant("nodes-get-certificates", f"{CSR}:nodeclient", "Group", bootstrappers),
        _grant("nodes-renew-certificates", f"{CSR}:selfnodeclient", "Group", nodes),
        {
            **_head(f"{RBAC}/v1", "ClusterRole", "dns"),
            "rules": [
                {"apiGroups": [""], "resources": ["services", "namespaces", "pods", "endpoints"], **read},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], **read},
            ],
        },
        _grant("dns", "dns", "User", "coredns"),
        {
            **_head("v1", "Service", "kube-dns", "kube-system"),
            "spec": {
                "clusterIP": plan.DNS_SERVICE,
                "ports": [
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                ],
            },
        },
        {
            **_head("discovery.k8s.io/v1", "EndpointSlice", "kube-dns", "kube-system"),
            "addressType": "IPv4",
            "endpoints": [{"addresses": [plan.DNS], "conditions": {"ready": True}}],
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
            ],
        },
        _head("v1", "Namespace", "d8-system"),
    ]


def _head(version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, **({"namespace": namespace} if namespace else {})}
    if kind == "EndpointSlice":
        metadata["labels"] = {"kubernetes.io/service-name": name}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _grant(name: str, role: str, kind: str, subject: str) -> dict[str, Any]:
    return {
        **_head(f"{RBAC}/v1", "ClusterRoleBinding", f"test-cluster:{name}"),
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": subject}],
    }
