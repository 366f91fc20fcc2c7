"""Who pushes into the cluster's registry: skopeo and crane on a node, at the fixed address, as the user `rw`.

A node's resolver knows no `.svc` name, so these clients see a hosts file with the gateway that they are to use.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from tests.platform.assembly import VIRTUAL, Platform
from tests.platform.cluster import Node
from tests.platform.cluster.plan import TOOLS
from tests.platform.images.fresh import Fresh
from tests.support.registry_client import RegistryClient

HOST, ALIAS = VIRTUAL.split("/", 1)
SHOW_HOSTS = 'mount --bind "$0" /etc/hosts && exec "$@"'


def login(platform: Platform, name: str) -> tuple[str, str]:
    """User and password of one of the module's accounts, from its Secret."""
    found = json.loads(
        platform.cluster.kubectl("get", "secret", "-n", "d8-system", f"registry-user-{name}", "-o", "json")
    )
    user, password = (base64.b64decode(found["data"][key]).decode() for key in ("name", "password"))
    return user, password


def client_of(platform: Platform, gateway: Node, name: str = "rw") -> RegistryClient:
    """The API of one master's gateway for this process, verified by the module's authority."""
    user, password = login(platform, name)
    authority = platform.deckhouse.registry().ca
    return RegistryClient(f"{gateway.address}:5001", ca=authority, user=user, password=password, timeout=120)


class Pusher:
    """Clients on `node` that push by way of `gateway`."""

    def __init__(self, platform: Platform, node: Node, *, gateway: Node) -> None:
        self.node, self._folder = node, platform.folder / f"pusher-{node.name}-{gateway.name}"
        self._folder.mkdir(exist_ok=True)
        user, password = login(platform, "rw")
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        files = {
            "hosts": f"127.0.0.1 localhost\n{gateway.address} {HOST.partition(':')[0]}\n",
            "ca.crt": platform.deckhouse.registry().ca,
            "config.json": json.dumps({"auths": {HOST: {"auth": auth}}}),
        }
        for name, text in files.items():
            self._file(name).write_text(text)

    def skopeo(self, fresh: Fresh) -> None:
        """Copy an image with all its platforms. Raises ClusterError with skopeo's words."""
        copy = ["skopeo", "copy", "--quiet", "--all", "--preserve-digests", f"--dest-cert-dir={self._folder}"]
        source, target = f"oci:{fresh.layout}:{fresh.image.name}", f"docker://{fresh.image.reference(VIRTUAL)}"
        self._run([*copy, f"--dest-authfile={self._file('config.json')}", source, target])

    def crane(self, fresh: Fresh) -> None:
        """Push an image with all its platforms. Raises ClusterError with crane's words."""
        self._run([str(TOOLS / "crane"), "push", str(fresh.layout), fresh.image.reference(VIRTUAL)])

    def crane_tag(self, fresh: Fresh, tag: str) -> None:
        """Give an image that is there another tag. Raises ClusterError with crane's words."""
        self._run([str(TOOLS / "crane"), "tag", fresh.image.reference(VIRTUAL), tag])

    def _run(self, argv: Sequence[str]) -> None:
        environment = {"SSL_CERT_FILE": str(self._file("ca.crt")), "DOCKER_CONFIG": str(self._folder)}
        enter = ["unshare", "--mount", "--propagation=private", "sh", "-c", SHOW_HOSTS, str(self._file("hosts"))]
        self.node.run([*enter, *argv], env=environment, timeout=120)

    def _file(self, name: str) -> Path:
        return self._folder / name


def push_by_api(client: RegistryClient, fresh: Fresh) -> None:
    """What `d8 mirror push` does for an image: blobs in several requests, manifests by digest, the index by its tag."""
    repository = f"{ALIAS}/{fresh.image.repository}".rstrip("/")
    for manifest in fresh.manifests():
        for blob in fresh.blobs(manifest):
            client.push_blob(repository, fresh.blob(blob), pieces=2)
        document = fresh.blob(manifest)
        client.put_manifest(repository, manifest, document, json.loads(document)["mediaType"])
    index = fresh.blob(fresh.image.digest)
    client.put_manifest(repository, fresh.image.tag, index, json.loads(index)["mediaType"])
