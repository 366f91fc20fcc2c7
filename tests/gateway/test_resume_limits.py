"""A broken body that cannot be continued never seems complete, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from tests.gateway.breaking import BLOB, BODY, BREAK, DIGEST, Breaking, gather
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT, serving, until
from tests.support.fault_server import Reply
from tests.support.gateway import upstream

PATH = f"/v2/system/deckhouse/blobs/{DIGEST}"
REST = f"bytes {BREAK}-{len(BODY) - 1}/{len(BODY)}"


def rest(content_range: str, body: bytes = BODY[BREAK:], *, chunked: bool = False, coding: str = "") -> Reply:
    headers = {"Content-Range": content_range} if content_range else {}
    return Reply(206, {**headers, **({"Content-Encoding": coding} if coding else {})}, body, chunked=chunked)


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (Reply(200, body=BODY), "refused"),
        (rest(f"bytes {BREAK - 1}-{len(BODY) - 1}/{len(BODY)}", BODY[BREAK - 1 :]), "refused"),
        (rest(f"bytes {BREAK + 1}-{len(BODY) - 1}/{len(BODY)}", BODY[BREAK + 1 :]), "refused"),
        (rest(f"bytes {BREAK}-{len(BODY) - 2}/{len(BODY)}", BODY[BREAK:-1]), "refused"),
        (rest(f"bytes {BREAK}-{len(BODY) - 1}/{len(BODY) + 1}"), "refused"),
        (rest(f"bytes {BREAK}-{len(BODY) - 1}/*"), "refused"),
        (rest(REST, BODY[BREAK:-1]), "refused"),
        (rest(REST, chunked=True), "refused"),
        (rest(REST, coding="gzip"), "refused"),
        (rest(""), "refused"),
        (Reply(404), "refused"),
        (Reply(416, {"Content-Range": f"bytes */{len(BODY)}"}), "refused"),
        (Reply(503), "refused"),
        (Reply(raw=b"HTTP/1.1 abc\r\n\r\n"), "unreachable"),
        (Reply(302, {"Location": "ftp://x/"}), "unreachable"),
        (Reply(206, {"Content-Range": REST}, BODY[BREAK:], stop_at=1000), "broken"),
        (Reply(206, {"Content-Range": REST}, BODY[BREAK:], stop_at=0, then="reset"), "broken"),
    ],
)
async def test_what_is_not_the_rest_is_not_taken_for_it(reply: Reply, result: str) -> None:
    breaking, results = Breaking(rest=reply), list[str]()
    async with breaking.server:
        made = UpstreamSource(
            Upstream("id", "http", breaking.server.address, "p"), deadlines=PATIENT, resumed=results.append
        )
        received, reason = await gather(await made.fetch(BLOB))
        await made.close()
    assert reason == "broken"
    assert BODY.startswith(received)
    assert len(received) < len(BODY)
    assert results == [result]
    assert len(breaking.server.asked) == 2


async def test_a_second_break_aborts_the_client(material: Material) -> None:
    breaking = Breaking(times=2)
    async with (
        breaking.server,
        serving(material, [upstream(breaking.server.address, scheme="http")]) as served,
        served.get(PATH) as answer,
    ):
        with pytest.raises(aiohttp.ClientError):
            await answer.read()
    assert breaking.ranges == ["", f"bytes={BREAK}-{len(BODY) - 1}"]


async def test_a_source_that_is_closed_meanwhile_is_not_asked_again() -> None:
    breaking = Breaking(then="stall")
    async with breaking.server:
        made = UpstreamSource(Upstream("id", "http", breaking.server.address, "p"), deadlines=PATIENT)
        answer = await made.fetch(BLOB)
        await anext(answer.body)
        await made.close()
        assert (await gather(answer))[1] == "broken"
    assert len(breaking.server.asked) == 1


async def test_a_client_that_leaves_during_the_second_request_ends_it(material: Material) -> None:
    breaking = Breaking(rest=Reply(silent=True))
    async with (
        breaking.server,
        serving(material, [upstream(breaking.server.address, scheme="http")]) as served,
    ):
        answer = await served.get(PATH)
        await answer.content.readany()
        await until(lambda: len(breaking.server.asked) == 2)
        answer.close()
        async with asyncio.timeout(8):
            await breaking.server.idle.wait()


@pytest.mark.parametrize("times", [1, 2], ids=["continued", "broken"])
@pytest.mark.parametrize("then", ["close", "reset", "stall"])
async def test_nothing_is_left_behind(times: int, then: str) -> None:
    breaking = Breaking(times=0, then=then)
    async with breaking.server:
        made = UpstreamSource(
            Upstream("id", "http", breaking.server.address, "p"),
            deadlines=Deadlines(connect=10, first_byte=10, idle=0.3),
        )
        assert await gather(await made.fetch(BLOB)) == (BODY, "")
        before = _held()
        breaking.left = times
        received, reason = await gather(await made.fetch(BLOB))
        assert (received == BODY, reason == "") == ((True, True) if times == 1 else (False, False))
        assert await gather(await made.fetch(BLOB)) == (BODY, "")  # as at first, one connection is kept
        await until(lambda: _held() == before)
        await made.close()


def _held() -> tuple[int, int]:
    """Tasks and open descriptors."""
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))
