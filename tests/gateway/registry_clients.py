"""skopeo and crane, logged in to a gateway as users `rw` and `ro`."""

from __future__ import annotations

import json
import os
import subprocess
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gateway.material import Material
from tests.gateway.pushing import PASSWORDS
from tests.support.gateway import Gateway
from tests.support.images import Image

CRANE = Path(__file__).parents[2] / "tools" / "bin" / "crane"


@dataclass(frozen=True)
class Clients:
    """What they need in `folder`: the authority and the logins."""

    gateway: Gateway
    folder: Path

    @classmethod
    def make(cls, running: Gateway, material: Material, folder: Path) -> Clients:
        certs = folder / "certs"
        certs.mkdir(parents=True)
        (certs / "ca.crt").write_text(material.ca.cert)
        for user, password in PASSWORDS.items():
            login = b64encode(f"{user}:{password}".encode()).decode()
            (folder / user).mkdir()
            (folder / user / "config.json").write_text(json.dumps({"auths": {running.address: {"auth": login}}}))
        return cls(running, folder)

    def at(self, repository: str, reference: str = "") -> str:
        """The address of a repository, or of an image in it (`:tag` or `@digest`)."""
        return f"{self.gateway.address}/{repository}{reference}"

    def crane(self, *arguments: str | Path, user: str = "rw") -> str:
        return self._run(CRANE, *arguments, user=user)

    def refused(self, *arguments: str | Path, user: str = "ro") -> str:
        """What crane says when it fails, as it must."""
        done = self._start(CRANE, *arguments, user=user)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def skopeo(self, command: str, *arguments: str | Path) -> str:
        """The certificates of both sides are the gateway's."""
        sides = ("src-", "dest-") if command == "copy" else ("",)
        return self._run(
            "skopeo", command, *(f"--{side}cert-dir={self.folder / 'certs'}" for side in sides), *arguments
        )

    def push(self, image: Image, repository: str, tag: str) -> None:
        """By skopeo, every platform."""
        target = f"docker://{self.at(repository, f':{tag}')}"
        self.skopeo("copy", "-q", "--all", "--preserve-digests", f"oci:{image.layout}", target)

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """By curl: crane asks for none."""
        url = f"https://{self.gateway.address}/v2/{repository}/referrers/{digest}"
        login = f"rw:{PASSWORDS['rw']}"
        said = self._run("curl", "-sS", "--fail", "--cacert", self.folder / "certs" / "ca.crt", "-u", login, url)
        found: list[dict[str, Any]] = json.loads(said)["manifests"]
        return found

    def _run(self, *command: str | Path, user: str = "rw") -> str:
        done = self._start(*command, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _start(self, *command: str | Path, user: str) -> subprocess.CompletedProcess[str]:
        folder = self.folder / user
        environment = {
            **os.environ,
            "SSL_CERT_FILE": str(self.folder / "certs" / "ca.crt"),
            "DOCKER_CONFIG": str(folder),
            "REGISTRY_AUTH_FILE": str(folder / "config.json"),
        }
        return subprocess.run(
            [str(part) for part in command], env=environment, capture_output=True, text=True, timeout=90, check=False
        )
