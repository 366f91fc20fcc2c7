"""The token server of tests/support as a process, so that it can live in a registry's network namespace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.certs import KeyPair

ROOT = Path(__file__).parents[3]
START_DEADLINE = 15.0  # seconds
ISSUER, SERVICE = "upstream-tokens", "upstream-registry"


@contextmanager
def token_process(
    folder: Path,
    *,
    listen: str,
    tls: KeyPair,
    signing: KeyPair,
    users: Mapping[str, str],
    expires_in: int,
    wrapper: Sequence[str] = (),
) -> Iterator[int]:
    """Serves tokens at `listen` (port 0: any) until the block ends; yields the port.

    Raises RuntimeError with its output when it does not serve within START_DEADLINE.
    """
    cert, key = tls.write(folder, "token-tls")
    signing_cert, signing_key = signing.write(folder, "signing")
    command = [sys.executable, "-m", "tests.support.token_server", "--listen", listen, "--issuer", ISSUER]
    command += ["--service", SERVICE, "--expires-in", str(expires_in), "--tls-cert", str(cert), "--tls-key", str(key)]
    command += ["--signing-cert", str(signing_cert), "--signing-key", str(signing_key)]
    command += [f"--user={name}:{password}" for name, password in users.items()]
    log = folder / "tokens.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*wrapper, *command], cwd=ROOT, stdout=output, stderr=output)
    try:
        yield _wait(process, log)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(errors="replace")
        if text.startswith("listening on ") and text.endswith("/token\n"):
            return int(text.strip().removesuffix("/token").rpartition(":")[2])
        time.sleep(0.02)
    raise RuntimeError("the token server did not start:\n" + log.read_text(errors="replace")[-2000:])
