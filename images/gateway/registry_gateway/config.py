"""The gateway's configuration as values that cannot change, parsed whole or not at all.

The form is the contract "gateway configuration" of docs/internal/ARCHITECTURE.md. Unknown keys are ignored, so that a
newer module can talk to an older gateway.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from registry_gateway import names, proxies
from registry_gateway.config_store import Peer, StoreConfig, parse_peers, parse_store
from registry_gateway.fields import Fields

SCHEMA = 1
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
_PROXY_FORM = "http:// or https://, credentials if needed, host and port, or empty"
_VERSION = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ConfigError(Exception):
    """Why a configuration is refused: field paths and reasons, never a value."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry and how to reach it. `host` is `name[:port]`; `ca` is PEM, added to the system's trust; `realms` are
    token servers (`name[:port]`) outside its domain that may get the credentials.
    """

    id: str
    scheme: str
    host: str
    path: str
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = field(default="", repr=False)
    realms: tuple[str, ...] = ()
    proxies: proxies.Proxies = proxies.DIRECT


@dataclass(frozen=True, slots=True)
class User:
    """A user of the gateway itself; `sha256` is the hash of the password."""

    name: str
    sha256: bytes = field(repr=False)
    rights: str = "pull"


@dataclass(frozen=True, slots=True)
class Clients:
    """Who may ask."""

    nodes: bool = True
    anonymous: bool = False
    users: tuple[User, ...] = ()


@dataclass(frozen=True, slots=True)
class Image:
    """An expected image: `reference` (digest or tag) below the base repository, `name` for messages."""

    name: str
    reference: str


@dataclass(frozen=True, slots=True)
class Check:
    """The images that must be at `upstream`; None: in the store of this replica, all of each."""

    version: str
    upstream: Upstream | None
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration, valid as a whole. `routes` is ordered, newest first.

    `peers` are all replicas, this one included.
    """

    version: str
    alias: str
    routes: tuple[Upstream, ...] = ()
    check: Check | None = None
    clients: Clients = Clients()
    store: StoreConfig[Upstream] | None = None
    peers: tuple[Peer, ...] = ()

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """Every registry that is asked for anything, each once: those that serve, in their order, come first."""
        checked = [self.check.upstream] if self.check and self.check.upstream else []
        filling = self.store.fill if self.store else ()
        return tuple(dict.fromkeys([*self.routes, *checked, *filling]))


def parse(text: bytes, *, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `text` (JSON). `environment` names the proxies when `text` says nothing about them.

    Raises ConfigError with every complaint, separated by "; ".
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # the parser's own message may show a piece of the text
        raise ConfigError("config.json: is not JSON") from None
    root = Fields(document)
    if not root.complaints and root.number("schema") != SCHEMA:
        root.complain("schema", f"must be {SCHEMA}")
    section = root.object("proxy")
    through = _proxies_of(environment, root) if section is None else _proxies(section)

    def upstream(entry: Fields) -> Upstream:
        return _upstream(entry, through)

    config = Config(
        version=root.text("version", allowed=_matches(_VERSION), form="1 to 64 letters, digits, '.', '_' or '-'"),
        alias=root.text("alias", allowed=names.is_name, form="a repository name"),
        routes=root.objects("routes", upstream),
        check=_check(root.object("check"), upstream),
        clients=_clients(root.object("clients")),
        store=parse_store(root.object("store"), upstream),
        peers=parse_peers(root, is_host=_is_host),
    )
    if config.check and config.check.upstream is None and config.store is None:
        root.complain("check.upstream", "is missing, and there is no store")
    if root.complaints:
        raise ConfigError("; ".join(root.complaints))
    return config


def _upstream(entry: Fields, through: proxies.Proxies) -> Upstream:
    upstream = Upstream(
        id=entry.text("id", allowed=bool, form="filled"),
        scheme=entry.text("scheme", allowed=("https", "http").__contains__, form="https or http"),
        host=entry.text("host", allowed=_is_host, form="name or name:port"),
        path=entry.text(
            "path", allowed=names.is_base_path, form="segments without leading, trailing or double slashes"
        ),
        user=entry.text("user", default="", allowed=_is_user, form="without ':' and control characters"),
        password=entry.text("password", default="", allowed=_is_printable, form="without control characters"),
        ca=entry.text("ca", default="", allowed=is_ca, form="certificates in PEM, or empty"),
        realms=entry.texts("realms", allowed=_is_host, form="name or name:port"),
        proxies=through,
    )
    if upstream.password and not upstream.user:
        entry.complain("user", "is missing beside a password")
    return upstream


def _proxies(entry: Fields) -> proxies.Proxies:
    def proxy(name: str) -> proxies.Proxy | None:
        return proxies.proxy(entry.text(name, default="", allowed=_is_proxy, form=_PROXY_FORM))

    exceptions = entry.texts("except", allowed=_is_printable, form="without control characters")
    return proxies.Proxies(proxy("http"), proxy("https"), proxies.bypasses(exceptions))


def _proxies_of(environment: Mapping[str, str], root: Fields) -> proxies.Proxies:
    """The proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Capitals come before small letters, as in Go's net/http."""

    def value(name: str) -> str:
        return environment.get(name) or environment.get(name.lower(), "")

    def proxy(name: str) -> proxies.Proxy | None:
        text = value(name)
        if text and "://" not in text:
            text = f"http://{text}"
        if not _is_proxy(text):
            root.complain(f"environment variable {name}", f"must be {_PROXY_FORM}")
        return proxies.proxy(text)

    return proxies.Proxies(proxy("HTTP_PROXY"), proxy("HTTPS_PROXY"), proxies.bypasses(value("NO_PROXY").split(",")))


def _check(entry: Fields | None, build: Callable[[Fields], Upstream]) -> Check | None:
    if entry is None:
        return None
    upstream = entry.object("upstream")
    return Check(
        version=entry.text("version", allowed=_matches(_VERSION), form="1 to 64 letters, digits, '.', '_' or '-'"),
        upstream=build(upstream) if upstream else None,
        images=entry.objects("images", _image),
    )


def _image(entry: Fields) -> Image:
    return Image(
        name=entry.text("name", allowed=_is_printable, form="without control characters"),
        reference=entry.text("reference", allowed=names.is_reference, form="a digest or a tag"),
    )


def _clients(entry: Fields | None) -> Clients:
    if entry is None:
        return Clients(nodes=False)
    return Clients(
        nodes=entry.flag("nodes", default=False),
        anonymous=entry.flag("anonymous", default=False),
        users=entry.objects("users", _user),
    )


def _user(entry: Fields) -> User:
    return User(
        name=entry.text("name", allowed=lambda name: bool(name) and _is_user(name), form="filled, without ':'"),
        sha256=bytes.fromhex(entry.text("sha256", allowed=_matches(_SHA256), form="64 hexadecimal digits")),
        rights=entry.text("rights", allowed=("pull", "push").__contains__, form="pull or push"),
    )


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and ".." not in text and (match[1] is None or 0 < int(match[1]) < 65536)


def _is_proxy(text: str) -> bool:
    return text == "" or proxies.proxy(text) is not None


def _is_printable(text: str) -> bool:
    return not any(ord(character) < 32 or ord(character) == 127 for character in text)


def _is_user(text: str) -> bool:
    return ":" not in text and _is_printable(text)


def is_ca(text: str) -> bool:
    """Whether `text` is empty or holds at least one certificate, and only such as OpenSSL can read."""
    if not text.strip():
        return True
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=certificates(text))
    except (ssl.SSLError, ValueError):
        return False
    return True


def certificates(text: str) -> str:
    """The certificates of a PEM text without the words around them, which may be in any language; `ssl` takes ASCII."""
    return "\n".join(_PEM.findall(text))


def authorities(text: str) -> tuple[bytes, ...]:
    """The certificates of a PEM text, each in DER."""
    return tuple(ssl.PEM_cert_to_DER_cert(certificate) for certificate in _PEM.findall(text))


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None
