"""What Secret deckhouse-registry says, and what Deckhouse derives from it (platform-contracts §3, §10)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

DOCKER_CONFIG = ".dockerconfigjson"


@dataclass(frozen=True)
class RegistryData:
    """The five facts, decoded; `docker_config` is JSON text."""

    address: str
    path: str
    scheme: str
    ca: str
    docker_config: str

    @staticmethod
    def of_login(*, address: str, path: str, ca: str, user: str, password: str, scheme: str = "https") -> RegistryData:
        """The registry as the installer writes it: `path` with its leading slash, one entry for `address`."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        entry = {"username": user, "password": password, "auth": auth} if user else {}
        return RegistryData(address, f"/{path.strip('/')}", scheme, ca, json.dumps({"auths": {address: entry}}))

    @staticmethod
    def of_secret(secret: dict[str, Any]) -> RegistryData:
        """From the object. Raises ValueError when Deckhouse could not render with it."""
        data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
        for key in (DOCKER_CONFIG, "address"):
            if not data.get(key):
                raise ValueError(f"Secret deckhouse-registry has no {key}")
        path, scheme, ca = (data.get(key, "") for key in ("path", "scheme", "ca"))
        return RegistryData(data["address"], path, scheme, ca, data[DOCKER_CONFIG])

    @property
    def base(self) -> str:
        """The base of image references."""
        return self.address + self.path

    @property
    def hash(self) -> str:
        """SHA-256 hex over the JSON of the facts; an absent CA is left out."""
        facts = {"address": self.address, "path": self.path, "scheme": self.scheme, DOCKER_CONFIG: self._encoded}
        if self.ca:
            facts["ca"] = self.ca
        return hashlib.sha256(json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def _encoded(self) -> str:
        return base64.b64encode(self.docker_config.encode()).decode()

    def secret_data(self) -> dict[str, str]:
        """The Secret's `data`, with the keys that only the platform writes."""
        plain = {
            DOCKER_CONFIG: self.docker_config,
            "address": self.address,
            "path": self.path,
            "scheme": self.scheme,
            "ca": self.ca,
            "clusterIsBootstrapped": "true",
            "imagesRegistry": self.base,
        }
        return {key: base64.b64encode(value.encode()).decode() for key, value in plain.items()}

    def global_values(self) -> dict[str, str]:
        """`global.modulesImages.registry`."""
        return {
            "base": self.base,
            "dockercfg": self._encoded,
            "scheme": self.scheme,
            "CA": self.ca,
            "address": self.address,
            "path": self.path,
            "hash": self.hash,
        }
