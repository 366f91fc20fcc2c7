"""Go's `httputil.ReverseProxy` (tools/reverse-proxy) as a process of the bench: the peer to compare requests with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.running import Server, Tls, running
from tests.support.gateway import free_port

_BINARY = Path(__file__).parents[1] / "tools" / "bin" / "reverse-proxy"


@contextmanager
def proxy(folder: Path, upstream: str, path: str, tls: Tls, *, wrapper: Sequence[str]) -> Iterator[Server]:
    """Pass the virtual repositories on to those below `path` at `upstream`."""
    if not _BINARY.exists():
        raise RuntimeError(f"{_BINARY} is not there: run `make tools`")
    folder.mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    options = {
        "listen": address,
        "certificate": str(tls.certificate),
        "key": str(tls.key),
        "upstream": f"https://{upstream}",
        "ca": str(tls.ca),
        "from": "/v2/system/deckhouse/",
        "to": f"/v2/{path}/",
    }
    arguments = [f"-{name}={value}" for name, value in options.items()]
    command = [*wrapper, "env", "GOMAXPROCS=1", str(_BINARY), *arguments]
    with running(command, address, log=folder / "reverse-proxy.log") as server:
        yield server
