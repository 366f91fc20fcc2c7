"""Programs of the bench that ask servers: each a process of its own, beside the registry behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import cpus

ROOT = Path(__file__).parents[1]
LIMIT = 120.0  # seconds; hardly anything here takes a tenth of it
# Python's `ssl` cannot choose the ciphers of TLS 1.3, but the configuration of its OpenSSL can.
_ONE_CIPHER = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


def run(module: str, arguments: Sequence[str], *, count: int = 1, limit: float = LIMIT) -> list[Any]:
    """What `count` processes of `module` print, parsed from JSON.

    Raises RuntimeError when one of them fails, subprocess.TimeoutExpired when one takes longer than `limit` seconds.
    """
    command = [*cpus.pinned(cpus.others()), sys.executable, "-S", "-m", module, *arguments]
    with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".cnf") as ciphers:
        ciphers.write(_ONE_CIPHER)
        ciphers.flush()
        environment = {**os.environ, "OPENSSL_CONF": ciphers.name}
        processes = [
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        try:
            finished = [(process, *process.communicate(timeout=limit)) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    if failed := [errors for process, _, errors in finished if process.returncode]:
        raise RuntimeError(failed[0].strip()[-2000:])
    return [json.loads(output) for _, output, _ in finished]
