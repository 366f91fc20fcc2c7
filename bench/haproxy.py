"""HAProxy as a process of the bench: a peer to compare with, one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.running import Server, Tls, binary, running
from tests.support.gateway import free_port

_CONFIG = """\
global
  nbthread 1
  maxconn 1024
  tune.bufsize 65536
  ssl-default-bind-options ssl-min-ver TLSv1.2
  ssl-default-server-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 5s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
  http-reuse always
frontend clients
  bind {address} ssl crt {pem} alpn http/1.1
  http-request set-header Host {upstream}
  http-request replace-path /v2/system/deckhouse/(.*) /v2/{path}/\\1
  default_backend registry
backend registry
  default-server ssl verify required ca-file {ca} verifyhost localhost sni str(localhost) alpn http/1.1
  server registry {upstream}
"""


@contextmanager
def proxy(folder: Path, upstream: str, path: str, tls: Tls, *, wrapper: Sequence[str]) -> Iterator[Server]:
    """Pass the virtual repositories on to those below `path` at `upstream`."""
    folder.mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    config, pem = folder / "haproxy.cfg", folder / "tls.pem"
    pem.write_text(tls.certificate.read_text() + tls.key.read_text())
    config.write_text(_CONFIG.format(address=address, pem=pem, upstream=upstream, path=path, ca=tls.ca))
    command = [*wrapper, binary("haproxy"), "-db", "-f", str(config)]
    with running(command, address, log=folder / "haproxy.log") as server:
        yield server
