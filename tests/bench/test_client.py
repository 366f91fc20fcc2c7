"""The bench's client must not count what it did not get: half an answer would make a server look cheap."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from pathlib import Path

import pytest

from bench import client
from tests.support.certs import issue, make_ca
from tests.support.fault_server import FaultServer, Reply

BODY = b"x" * 100_000


async def ask(folder: Path, reply: Reply, *, count: int, way: str) -> tuple[int, str, str]:
    """Exit code and output of a client that asks a server which always answers with `reply`."""
    authority = make_ca()
    certificate, key = issue(authority, ips=["127.0.0.1"]).write(folder, "tls")
    ca = folder / "ca.crt"
    ca.write_text(authority.cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with FaultServer(lambda _: reply, tls=context) as server:
        arguments = [server.address, "/v2/", str(ca), str(count), way]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", client.__file__, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
    return process.returncode or 0, output.decode(), errors.decode()


@pytest.mark.parametrize("way", ["read", "drop"])
async def test_whole_answers_are_counted_exactly(tmp_path: Path, way: str) -> None:
    code, output, errors = await ask(tmp_path, Reply(body=BODY), count=3, way=way)
    assert (code, errors) == (0, "")
    assert json.loads(output)["bytes"] == 3 * len(BODY)
    assert json.loads(output)["cipher"].startswith("TLS_")


@pytest.mark.parametrize("way", ["read", "drop"])
async def test_a_body_that_ends_early_is_an_error(tmp_path: Path, way: str) -> None:
    code, output, errors = await ask(tmp_path, Reply(body=BODY, stop_at=len(BODY) - 1), count=1, way=way)
    assert (code, output) == (1, "")
    assert "ended early" in errors or "more bytes than announced" in errors


@pytest.mark.parametrize("way", ["read", "drop"])
async def test_any_status_but_200_is_an_error(tmp_path: Path, way: str) -> None:
    code, output, errors = await ask(tmp_path, Reply(status=404, body=b"nothing"), count=1, way=way)
    assert (code, output) == (1, "")
    assert "404" in errors
