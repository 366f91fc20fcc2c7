"""A private registry as a customer has it: TLS of a private authority, a login, an own address.

    with Upstream("a", folder, kind="basic", host="registry-a.test", address="198.51.100.201", bridge="rgbr0") as up:
        up.push(catalogue())      # below up.base
        up.change_password()      # the old one is refused from now on
        up.break_image("deckhouse-v1.70.2")

Without `bridge` it listens on loopback, at ports of the system's choice.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import bcrypt

from tests.platform.images.catalogue import Catalogue, Image, push
from tests.platform.upstream import storage
from tests.platform.upstream.access_log import Access, Traffic, accesses, total
from tests.platform.upstream.network import namespace
from tests.platform.upstream.token_process import ISSUER, SERVICE, token_process
from tests.support.certs import issue, make_ca
from tests.support.distribution import Basic, Bearer, Distribution, distribution

Kind = Literal["basic", "bearer"]
PORT, TOKEN_PORT = 5000, 5051


class Upstream:
    """A registry that can be stopped, started, and broken in the ways real ones break.

    `ca` (PEM), `user`, `password`, `host` (name:port) and `path` are what an administrator would enter for it; `second`
    is another login (user, password) that is accepted as well: the next licence.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        kind: Kind = "basic",
        host: str = "127.0.0.1",
        address: str = "127.0.0.1",
        bridge: str = "",
        path: str = "deckhouse/ee",
        token_seconds: int = 60,
    ) -> None:
        """Nothing runs yet. `host` must resolve to `address` wherever the registry is used; `folder` is its own."""
        self.name, self.kind, self.path, self.user = name, kind, path, f"puller-{name}"
        self.password = secrets.token_urlsafe(12)
        self.second = f"licence-{name}", secrets.token_urlsafe(12)
        self._first_accepted = True
        self.folder = folder
        self._name, self._address, self._bridge, self._token_seconds = host, address, bridge, token_seconds
        self._authority = make_ca(f"authority of registry {name}")
        self.ca = self._authority.cert
        self._tls = issue(self._authority, names=[host, "localhost"], ips=[address])
        self._signing = make_ca(f"tokens of registry {name}", key="rsa")
        self._port, self._token_port = (PORT, TOKEN_PORT) if bridge else (0, 0)
        self._wrapper: list[str] = []
        self._network, self._tokens, self._process = ExitStack(), ExitStack(), ExitStack()
        self._running: Distribution | None = None
        self._earlier_logs = ""
        self._broken: dict[Path, Path] = {}

    @property
    def host(self) -> str:
        """name:port, as in image references. Known once it has been started."""
        return f"{self._name}:{self._port}"

    @property
    def base(self) -> str:
        """The base repository of the platform's images: host and path."""
        return f"{self.host}/{self.path}"

    @property
    def login(self) -> str:
        """user:password, in force now."""
        return f"{self.user}:{self.password}"

    @property
    def client_wrapper(self) -> list[str]:
        """What to put before a command of this machine, so that it finds the name as a node does."""
        if self._name == self._address:
            return []
        hosts = self.folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{self._address} {self._name}\n")
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        return ["unshare", "--mount", "--propagation=private", "sh", "-c", script, str(hosts)]

    def start(self) -> None:
        """Serve (again): same address, same content. Raises RuntimeError with the end of a log."""
        if self._running:
            return
        if self._bridge and not self._wrapper:
            entered = namespace(f"rg-{self.name}", address=self._address, bridge=self._bridge)
            self._wrapper = self._network.enter_context(entered)
        auth = self._start_tokens() if self.kind == "bearer" else Basic(self._users())
        running = distribution(
            self._registry_folder,
            tls=self._tls,
            ca=self.ca,
            auth=auth,
            listen=f"{self._address}:{self._port}",
            wrapper=self._wrapper,
        )
        self._running = self._process.enter_context(running)
        self._port = int(self._running.address.rpartition(":")[2])

    def stop(self) -> None:
        """Serve nothing: connections are refused. Content, address and password stay."""
        if self._running:
            self._process.close()
            self._earlier_logs += self._running.log.read_text(errors="replace")
            self._running = None
        self._tokens.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop for good and remove the network namespace."""
        self.stop()
        self._network.close()
        self._wrapper = []

    def push(self, catalogue: Catalogue) -> None:
        """Put the whole catalogue below `base`; free when it has been done before on this machine."""
        if storage.seed(catalogue, path=self.path, data=self._registry_folder / "data"):
            return
        self.push_images(catalogue.layout, *catalogue.images)

    def push_images(self, layout: Path, *images: Image) -> None:
        """Copy images of an OCI layout below `base`, with this registry's login."""
        self.push_at(layout, images, path=self.path)

    def push_at(self, layout: Path, images: Iterable[Image], *, path: str) -> None:
        """The same below another path: where a ModuleSource has its modules."""
        where = {"address": self.host, "path": path, "ca": self.ca, "login": self.login}
        push(layout, images, wrapper=self.client_wrapper, **where)

    def change_password(self, password: str = "") -> str:
        """Make `password` (or a new random one) the valid one; returns it. The old one is refused from now on,
        but for Bearer tokens that were given out before, until they expire."""
        self.password = password or secrets.token_urlsafe(12)
        self._accept()
        return self.password

    def accept_first(self, accepted: bool) -> None:
        """Whether `user` and `password` are let in, besides `second`; tokens that were given out before go on."""
        self._first_accepted = accepted
        self._accept()

    def _users(self) -> dict[str, str]:
        first = {self.user: self.password} if self._first_accepted else {}
        return {**first, self.second[0]: self.second[1]}

    def _accept(self) -> None:
        if self.kind == "bearer":
            if self._running:
                self._start_tokens()
            return
        fresh = self._registry_folder / "htpasswd.new"
        with fresh.open("w") as file:
            for user, password in self._users().items():
                file.write(f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()}\n")
        fresh.replace(self._registry_folder / "htpasswd")  # read again when its time of change is another

    def break_image(self, image: Image) -> None:
        """Let the registry answer 404 for an image, by tag and by digest, until `repair_images`."""
        revision = storage.revision(self._registry_folder / "data", self._repository(image), image.digest)
        hidden = self.folder / f"broken-{len(self._broken)}"
        revision.rename(hidden)
        self._broken[hidden] = revision

    def repair_images(self) -> None:
        """Undo every `break_image`."""
        for hidden, revision in self._broken.items():
            hidden.rename(revision)
        self._broken.clear()

    def accesses(self) -> list[Access]:
        """Every request answered since the first start."""
        current = self._running.log.read_text(errors="replace") if self._running else ""
        return list(accesses(self._earlier_logs + current))

    def traffic(self) -> Traffic:
        """Requests and bytes sent since the first start."""
        return total(self.accesses())

    @property
    def _registry_folder(self) -> Path:
        return self.folder / "registry"

    def _repository(self, image: Image) -> str:
        return f"{self.path}/{image.repository}".rstrip("/")

    def _start_tokens(self) -> Bearer:
        self._tokens.close()
        started = token_process(
            self.folder,
            listen=f"{self._address}:{self._token_port}",
            tls=self._tls,
            signing=self._signing,
            users=self._users(),
            expires_in=self._token_seconds,
            wrapper=self._wrapper,
        )
        self._token_port = self._tokens.enter_context(started)
        return Bearer(f"https://{self._name}:{self._token_port}/token", ISSUER, SERVICE, self._signing.cert)
