"""Certificates and kubeconfigs of the control plane."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from tests.support.certs import KeyPair, issue, make_ca

from . import plan

API_URL = f"https://{plan.HOST}:{plan.API_PORT}"


@dataclass(frozen=True)
class Pki:
    """The cluster's authority, and the folder with all that it issued: `<name>.crt`, `<name>.key`, `<name>.conf`."""

    folder: Path
    ca: KeyPair
    token: str  # of node bootstrapping, `id.secret`

    def file(self, name: str) -> str:
        """Path of a file, for a flag."""
        return str(self.folder / name)

    def kubeconfig(self, user: dict[str, str]) -> str:
        """A kubeconfig for the API server with these credentials (JSON, which is YAML)."""
        cluster = {"server": API_URL, "certificate-authority-data": _base64(self.ca.cert)}
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "cluster", "cluster": cluster}],
                "users": [{"name": "user", "user": user}],
                "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user"}}],
                "current-context": "context",
            }
        )


def make_pki(folder: Path) -> Pki:
    """Everything the control plane needs, written below `folder`, valid for a year."""
    ca, front = make_ca("kubernetes"), make_ca("front-proxy")
    ca.write(folder, "ca")
    front.write(folder, "front-proxy-ca")
    make_ca("service accounts").write(folder, "sa")  # only its key pair is used: it signs tokens
    names = [
        "localhost",
        *(f"kubernetes{end}" for end in ("", ".default", ".default.svc", f".default.svc.{plan.DOMAIN}")),
    ]
    addresses = ["127.0.0.1", plan.HOST, plan.API_SERVICE]
    issue(ca, cn="kube-apiserver", names=names, ips=addresses).write(folder, "apiserver")
    issue(ca, cn="apiserver-kubelet", org="system:masters", client=True).write(folder, "apiserver-kubelet")
    issue(front, cn="front-proxy", client=True).write(folder, "front-proxy")
    pki = Pki(folder, ca, f"{secrets.token_hex(3)}.{secrets.token_hex(8)}")
    for name, user, group in (
        ("admin", "admin", "system:masters"),
        ("controller-manager", "system:kube-controller-manager", ""),
        ("scheduler", "system:kube-scheduler", ""),
        ("proxy", "system:kube-proxy", ""),
        ("dns", "coredns", ""),
    ):
        pair = issue(ca, cn=user, org=[group] if group else [], client=True)
        credentials = {"client-certificate-data": _base64(pair.cert), "client-key-data": _base64(pair.key)}
        target = folder / f"{name}.conf"
        target.write_text(pki.kubeconfig(credentials))
        target.chmod(0o600)
    return pki


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
