"""nginx as a process of the bench: the registry behind (static files), and the peer to compare with (`proxy_pass`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.running import Server, Tls, binary, running
from tests.support.gateway import free_port

_MAIN = """\
daemon off;
worker_processes 1;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 300;
  keepalive_requests 1000000;
  ssl_certificate {certificate};
  ssl_certificate_key {key};
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:clients:1m;
{rest}
}}
"""
_STATIC = """\
  server {{
    listen {address} ssl;
    root {root};
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    location ~ /manifests/ {{ default_type application/vnd.oci.image.manifest.v1+json; }}
  }}
"""
# Buffering off and a large first buffer is what makes nginx cheapest per byte for bodies of any size.
_PROXY = """\
  upstream registry {{
    server {upstream};
    keepalive 64;
    keepalive_requests 1000000;
    keepalive_timeout 300;
  }}
  server {{
    listen {address} ssl;
    location /v2/system/deckhouse/ {{
      proxy_pass https://registry/v2/{path}/;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host {upstream};
      proxy_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 4 64k;
      proxy_ssl_protocols TLSv1.2 TLSv1.3;
      proxy_ssl_session_reuse on;
      proxy_ssl_verify on;
      proxy_ssl_trusted_certificate {ca};
      proxy_ssl_name localhost;
    }}
  }}
"""


@contextmanager
def static(folder: Path, root: Path, tls: Tls, *, wrapper: Sequence[str]) -> Iterator[Server]:
    """Serve the files below `root` over TLS."""
    address = f"127.0.0.1:{free_port()}"
    with _running(folder, tls, _STATIC.format(address=address, root=root), address, wrapper) as server:
        yield server


@contextmanager
def proxy(folder: Path, upstream: str, path: str, tls: Tls, *, wrapper: Sequence[str]) -> Iterator[Server]:
    """Pass the virtual repositories on to those below `path` at `upstream`."""
    address = f"127.0.0.1:{free_port()}"
    rest = _PROXY.format(address=address, upstream=upstream, path=path, ca=tls.ca)
    with _running(folder, tls, rest, address, wrapper) as server:
        yield server


@contextmanager
def _running(folder: Path, tls: Tls, rest: str, address: str, wrapper: Sequence[str]) -> Iterator[Server]:
    folder.mkdir(parents=True)
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""  # its worker must be able to read files of the bench
    config.write_text(_MAIN.format(folder=folder, user=user, certificate=tls.certificate, key=tls.key, rest=rest))
    command = [*wrapper, binary("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)]
    with running(command, address, log=folder / "nginx.log") as server:
        yield server
