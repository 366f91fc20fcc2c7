"""Authorities, certificates and the Secret's files for tests."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

from registry_gateway.access import PEER_GROUP
from tests.support.certs import KeyPair, issue, issue_node, make_ca


@dataclass(frozen=True)
class Material:
    """`ca` issues for upstreams and the gateway alike, `client_ca` for nodes; `folder` has `ca.crt` and `node.*`.

    `peer` is what replicas serve and ask each other with.
    """

    folder: Path
    ca: KeyPair
    server: KeyPair
    client_ca: KeyPair
    node: KeyPair
    peer: KeyPair

    @classmethod
    def make(cls, folder: Path) -> Material:
        """All of it, fresh."""
        ca, client_ca = make_ca("module CA"), make_ca("kubernetes")
        made = cls(
            folder=folder,
            ca=ca,
            server=issue(ca, names=["localhost"], ips=["127.0.0.1"]),
            client_ca=client_ca,
            node=issue_node(client_ca, "worker-1"),
            peer=issue(ca, org=PEER_GROUP, names=["localhost"], ips=["127.0.0.1"], client=True),
        )
        (folder / "ca.crt").write_text(ca.cert)
        made.server.write(folder, "server")
        made.node.write(folder, "node")
        return made

    def files(self, config: str, **replaced: str) -> dict[str, str]:
        """The keys of the Secret; `replaced` by name with '_' for '.' and '-' (`client_ca_crt`)."""
        files = {
            "config.json": config,
            "tls.crt": self.server.cert,
            "tls.key": self.server.key,
            "ca.crt": self.ca.cert,
            "client-ca.crt": self.client_ca.cert,
        }
        for name in files:
            files[name] = replaced.get(name.replace(".", "_").replace("-", "_"), files[name])
        return files

    def server_context(self, pair: KeyPair | None = None) -> ssl.SSLContext:
        """A context that serves with `pair`, by default the certificate for the loopback address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.stored(pair or self.server))
        return context

    def client_context(self, certificate: KeyPair | None = None) -> ssl.SSLContext:
        """A context that trusts `ca` and presents `certificate`."""
        context = ssl.create_default_context(cadata=self.ca.cert)
        if certificate:
            context.load_cert_chain(*self.stored(certificate))
        return context

    def stored(self, pair: KeyPair) -> tuple[Path, Path]:
        """`pair` as files; `ssl` and clients read nothing else."""
        return pair.write(self.folder / hashlib.sha256(pair.cert.encode()).hexdigest()[:16], "pair")
