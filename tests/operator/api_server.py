"""A real kube-apiserver with etcd on loopback, without controllers: what the operator talks to in these tests."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.platform.operator.certificates import serving_certificate
from tests.platform.operator.cluster import ApiError, Cluster, Resource

_BIN = Path(__file__).parents[2] / "tools/bin"
_TOKEN = "operator-tests"
STRANGER = "stranger"
"""A token whose user has no rights where rights count."""
_START_TIMEOUT = 60.0


class ApiServer:
    """The connection tests use beside the operator's own."""

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig
        self.cluster = Cluster(kubeconfig)

    def _resource(self, obj: dict[str, Any]) -> Resource:
        return self.cluster.resource(obj["apiVersion"], obj["kind"])

    def create(self, obj: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create an object, or only ask whether it could be. Raises ApiError."""
        path = self._resource(obj).path(obj["metadata"].get("namespace", ""))
        return dict(self.cluster.call("POST", path, params={"dryRun": "All"} if dry_run else None, body=obj))

    def merge(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Merge-patch an object with what is given. Raises ApiError."""
        path = self._resource(obj).path(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        return dict(self.cluster.call("PATCH", path, body=obj, content_type="application/merge-patch+json"))

    def delete(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        """Delete an object at once. Raises ApiError."""
        self.cluster.call("DELETE", self.cluster.resource(api_version, kind).path(namespace, name))

    def delete_if_there(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        """Delete an object; it may be missing."""
        if self.get(api_version, kind, namespace, name):
            self.delete(api_version, kind, namespace, name)

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """An object, or None."""
        return self.cluster.get(self.cluster.resource(api_version, kind), namespace, name)


@contextmanager
def api_server(folder: Path, *, authorization: str = "AlwaysAllow") -> Iterator[ApiServer]:
    """Run both processes for as long as the context lasts; all their files are below `folder`.

    `authorization`: with RBAC, tests are administrators still, and STRANGER may do nothing.
    """
    etcd_client, etcd_peer, port = _free_ports(3)
    with ExitStack() as stack:
        etcd_url, peer_url = f"http://127.0.0.1:{etcd_client}", f"http://127.0.0.1:{etcd_peer}"
        etcd = [
            *(_BIN / "etcd", "--data-dir", folder / "etcd", "--unsafe-no-fsync", "--log-level", "error"),
            *("--listen-client-urls", etcd_url, "--advertise-client-urls", etcd_url),
            *("--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url),
            *("--initial-cluster", f"default={peer_url}"),
        ]
        stack.enter_context(_process(etcd, folder / "etcd.log"))
        (folder / "tokens.csv").write_text(
            f'{_TOKEN},admin,1,"system:masters"\n{STRANGER},stranger,2\n', encoding="utf-8"
        )
        _write_key(folder / "service-account.key")
        certificate, key, authority = serving_certificate("127.0.0.1")
        for name, content in (("server.crt", certificate), ("server.key", key), ("ca.crt", authority)):
            (folder / name).write_bytes(content)
        server = [
            *(_BIN / "kube-apiserver", "--etcd-servers", etcd_url),
            *("--bind-address", "127.0.0.1", "--advertise-address", "198.51.100.1", "--secure-port", str(port)),
            *("--tls-cert-file", folder / "server.crt", "--tls-private-key-file", folder / "server.key"),
            *("--endpoint-reconciler-type", "none", "--authorization-mode", authorization),
            *("--token-auth-file", folder / "tokens.csv", "--service-cluster-ip-range", "10.96.0.0/16"),
            *("--service-account-issuer", "https://kubernetes.default.svc"),
            *("--service-account-key-file", folder / "service-account.key"),
            *("--service-account-signing-key-file", folder / "service-account.key"),
            *("--disable-admission-plugins", "ServiceAccount", "--enable-priority-and-fairness=false"),
        ]
        process = stack.enter_context(_process(server, folder / "kube-apiserver.log"))
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(port, folder / "ca.crt")), encoding="utf-8")
        result = ApiServer(kubeconfig)
        _wait_ready(result.cluster, process, folder / "kube-apiserver.log")
        yield result


def _kubeconfig(port: int, authority: Path) -> dict[str, Any]:
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": _TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }


@contextmanager
def _process(command: list[Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_ready(cluster: Cluster, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    last = ""
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if cluster.get(cluster.resource("v1", "Namespace"), "", "default"):
                return
        except (ApiError, LookupError, OSError, ValueError) as error:
            last = str(error)
        except Exception as error:  # urllib3's own family: refused while it starts
            last = str(error)
        time.sleep(0.1)
    tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"kube-apiserver is not ready: {last}\n{tail}")


def _write_key(path: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    path.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports
