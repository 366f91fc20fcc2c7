"""Every fault of a registry in one table: what the client gets, and that nothing stays behind in the gateway."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from registry_gateway.sources.transport import Deadlines
from tests.gateway.material import Material
from tests.gateway.serving import Served, serving, until
from tests.support.fault_server import FaultServer, Reply
from tests.support.gateway import upstream

BODY = json.dumps({"schemaVersion": 2, "layers": ["x" * 50_000]}).encode()
DIGEST = "sha256:" + hashlib.sha256(BODY).hexdigest()
PATH = f"/v2/system/deckhouse/manifests/{DIGEST}"
TYPE = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
SHORT = Deadlines(connect=5, first_byte=0.4, idle=0.4)
ABORTED = 0  # instead of a status: the connection broke before the end of the body


@dataclass(frozen=True)
class Fault:
    """What the registry does to every request, and what a client of the gateway is to see of it."""

    reply: Reply
    status: int
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"


def refusal(status: int, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"<html>no</html>")


FAULTS = {
    "no digest header": Fault(Reply(200, TYPE, BODY), 200),
    "HEAD without a length": Fault(Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Type: x/y\r\n\r\n"), 200, method="HEAD"),
    "gzip": Fault(Reply(200, {**TYPE, "Content-Encoding": "gzip"}, BODY), 200, headers={"Content-Encoding": "gzip"}),
    "a web page": Fault(Reply(200, {"Content-Type": "text/html"}, b"<html>"), 502, "UNAVAILABLE"),
    "neither length nor chunks": Fault(Reply(200, TYPE, BODY, no_length=True), 502, "UNAVAILABLE"),
    "401 for ever": Fault(refusal(401, WWW_Authenticate='Basic realm="x"'), 401, "UNAUTHORIZED"),
    "401 without a challenge": Fault(refusal(401), 401, "UNAUTHORIZED"),
    "403": Fault(refusal(403), 403, "DENIED"),
    "404": Fault(refusal(404), 404, "MANIFEST_UNKNOWN"),
    "408": Fault(refusal(408), 502, "UNAVAILABLE", {"Retry-After": "5"}),
    "429 with a time": Fault(refusal(429, Retry_After="17"), 429, "TOOMANYREQUESTS", {"Retry-After": "17"}),
    "429 without": Fault(refusal(429), 429, "TOOMANYREQUESTS", {"Retry-After": "5"}),
    "500": Fault(refusal(500), 502, "UNAVAILABLE", {"Retry-After": "5"}),
    "502": Fault(refusal(502), 502, "UNAVAILABLE", {"Retry-After": "5"}),
    "503 with a time": Fault(refusal(503, Retry_After="9"), 502, "UNAVAILABLE", {"Retry-After": "9"}),
    "504": Fault(refusal(504), 502, "UNAVAILABLE", {"Retry-After": "5"}),
    "no HTTP": Fault(Reply(raw=b"SSH-2.0-registry\r\n"), 502, "UNAVAILABLE"),
    "endless header": Fault(Reply(200, {"X": "x" * 70_000}, BODY), 502, "UNAVAILABLE"),
    "closed before the answer": Fault(Reply(raw=b" "), 502, "UNAVAILABLE"),
    "silence": Fault(Reply(silent=True), 504, "UNAVAILABLE", {"Retry-After": "5"}),
    "redirected to itself": Fault(Reply(302, {"Location": PATH}), 502, "UNAVAILABLE"),
    "redirected to nowhere": Fault(Reply(302, {"Location": "ftp://x/"}), 502, "UNAVAILABLE"),
    "redirected to a neighbour on the link": Fault(Reply(307, {"Location": "http://[fe80::77]/"}), 502, "UNAVAILABLE"),
    "short": Fault(Reply(200, TYPE, BODY, stop_at=20_000), ABORTED),
    "short in chunks": Fault(Reply(200, TYPE, BODY, chunked=True, stop_at=20_000), ABORTED),
    "reset in the body": Fault(Reply(200, TYPE, BODY, stop_at=20_000, then="reset"), ABORTED),
    "stall in the body": Fault(Reply(200, TYPE, BODY, stop_at=20_000, then="stall"), ABORTED),
    "stall before the body": Fault(Reply(200, TYPE, BODY, stop_at=0, then="stall"), ABORTED),
    "stall in chunks": Fault(Reply(200, TYPE, BODY, chunked=True, stop_at=9, then="stall"), ABORTED),
}


async def ask(served: Served, fault: Fault) -> tuple[int, str, dict[str, str]]:
    """Status (ABORTED if the body broke), OCI error code, headers."""
    try:
        async with served.client.request(fault.method, served.url + PATH) as answer:
            body = await answer.read()
    except aiohttp.ClientError:
        return ABORTED, "", {}
    code = json.loads(body)["errors"][0]["code"] if answer.status >= 400 else ""
    return answer.status, code, dict(answer.headers)


def held() -> tuple[int, int]:
    """Tasks and open descriptors."""
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
async def test_client_gets_what_the_table_says_and_nothing_stays(material: Material, fault: Fault) -> None:
    good = Reply(200, TYPE, BODY)
    async with FaultServer(good) as server:
        routes = [upstream(server.address, scheme="http", user="u", password="p")]
        async with serving(material, routes, deadlines=SHORT) as served:
            assert (await ask(served, Fault(good, 200)))[0] == 200
            before = held()
            server.behaviour = fault.reply
            status, code, headers = await ask(served, fault)
            assert (status, code) == (fault.status, fault.code)
            assert fault.headers.items() <= headers.items()
            server.behaviour = good
            assert (await ask(served, Fault(good, 200)))[0] == 200  # and the registry is asked again at once
            await until(lambda: held() == before)


async def test_memory_does_not_grow_with_faults(material: Material) -> None:
    faults = [fault for fault in FAULTS.values() if not (fault.reply.silent or fault.reply.then == "stall")]
    async with FaultServer(Reply(404)) as server:
        routes = [upstream(server.address, scheme="http", user="u", password="p")]
        async with serving(material, routes, deadlines=SHORT) as served:

            async def everything(times: int) -> int:
                for fault in faults * times:
                    server.behaviour = fault.reply
                    await ask(served, fault)
                server.asked.clear()
                gc.collect()
                return tracemalloc.get_traced_memory()[0]

            tracemalloc.start()
            try:
                before = await everything(1)
                after = await everything(3)
            finally:
                tracemalloc.stop()
    assert after - before < 300_000, f"{after - before} bytes more after {3 * len(faults)} faults"
