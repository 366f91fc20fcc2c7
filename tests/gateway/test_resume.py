"""A body that breaks is asked for once more from where it broke, and arrives whole."""

from __future__ import annotations

import aiohttp
import pytest

from registry_gateway.config import Upstream
from registry_gateway.sources.pool import Pool
from registry_gateway.sources.transport import Deadlines
from registry_gateway.sources.upstream import UpstreamSource
from tests.gateway.breaking import BLOB, BODY, BREAK, DIGEST, Breaking, gather, part
from tests.gateway.material import Material
from tests.gateway.serving import PATIENT, Served, serving
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import upstream

PATH = f"/v2/system/deckhouse/blobs/{DIGEST}"


def route(server: FaultServer) -> list[dict[str, str]]:
    return [upstream(server.address, scheme="http")]


async def read(served: Served, path: str = PATH, **headers: str) -> tuple[int, bytes]:
    async with served.get(path, headers=headers) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("then", ["close", "reset", "stall"])
@pytest.mark.parametrize("stop_at", [1, BREAK, len(BODY) - 1])
async def test_a_body_that_breaks_arrives_whole(material: Material, then: str, stop_at: int) -> None:
    breaking = Breaking(stop_at=stop_at, then=then)
    deadlines = Deadlines(connect=10, first_byte=10, idle=0.5) if then == "stall" else PATIENT
    async with (
        breaking.server,
        serving(material, route(breaking.server), deadlines=deadlines) as served,
        served.get(PATH) as answer,
    ):
        assert (answer.status, answer.content_length) == (200, len(BODY))
        assert await answer.read() == BODY
    first, again = breaking.ranges
    assert first == ""
    if then == "reset":  # what was under way is lost with it
        begin, _, end = again.removeprefix("bytes=").partition("-")
        assert int(begin) <= stop_at
        assert int(end) == len(BODY) - 1
    else:
        assert again == f"bytes={stop_at}-{len(BODY) - 1}"


async def test_a_range_of_the_clients_own_is_not_left(material: Material) -> None:
    breaking = Breaking(stop_at=300)
    async with breaking.server, serving(material, route(breaking.server)) as served:
        asked = {"Range": "bytes=1000-1999", "If-Range": '"old"', "User-Agent": "crane", "If-None-Match": '"x"'}
        assert await read(served, **asked) == (206, BODY[1000:2000])
    first, again = breaking.server.asked
    assert (first.header("Range"), again.header("Range")) == ("bytes=1000-1999", "bytes=1300-1999")
    assert (first.header("If-Range"), again.header("If-Range")) == ('"old"', "")
    assert (again.header("User-Agent"), again.header("If-None-Match")) == ("crane", "")


@pytest.mark.parametrize(("etag", "condition"), [('"v1"', '"v1"'), ('W/"v1"', ""), ("", "")])
async def test_a_strong_etag_is_the_condition(material: Material, etag: str, condition: str) -> None:
    breaking = Breaking(etag=etag)
    async with breaking.server, serving(material, route(breaking.server)) as served:
        assert await read(served) == (200, BODY)
    assert breaking.server.asked[1].header("If-Range") == condition


@pytest.mark.parametrize(
    ("path", "continued"),
    [
        (f"/v2/system/deckhouse/manifests/{DIGEST}", True),
        ("/v2/system/deckhouse/manifests/v1", False),
        (f"/v2/system/deckhouse/referrers/{DIGEST}", False),
        ("/v2/system/deckhouse/tags/list", False),
    ],
)
async def test_only_content_that_cannot_change_is_continued(material: Material, path: str, continued: bool) -> None:
    breaking = Breaking()
    async with breaking.server, serving(material, route(breaking.server)) as served:
        if continued:
            assert await read(served, path) == (200, BODY)
        elif path.endswith("tags/list"):
            assert (await read(served, path))[0] == 502
        else:
            with pytest.raises(aiohttp.ClientError):
                await read(served, path)
    assert len(breaking.server.asked) == 1 + continued


async def test_a_token_that_expired_meanwhile_is_renewed() -> None:
    fetched: list[str] = []

    def behaviour(asked: Asked) -> Reply:
        if asked.path == "/token":
            fetched.append(f"token-{len(fetched) + 1}")
            return Reply(200, body=b'{"token": "%s"}' % fetched[-1].encode())
        valid = "Bearer token-2" if asked.header("Range") else "Bearer token-1"
        if asked.header("Authorization") != valid:
            return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{server.address}/token"'})
        return part(asked, stop_at=None if asked.header("Range") else BREAK)

    async with FaultServer(behaviour) as server:
        made = UpstreamSource(Upstream("id", "http", server.address, "p", "u", "p"), deadlines=PATIENT)
        assert await gather(await made.fetch(BLOB)) == (BODY, "")
        await made.close()
    assert fetched == ["token-1", "token-2"]


async def test_storage_that_breaks_is_found_again_by_the_registry() -> None:
    breaking, signatures = Breaking(), iter("ab")
    async with breaking.server as storage:

        def behaviour(asked: Asked) -> Reply:
            return Reply(307, {"Location": f"http://{storage.address}/x?signature={next(signatures)}"})

        async with FaultServer(behaviour) as server:
            made = UpstreamSource(Upstream("id", "http", server.address, "p"), deadlines=PATIENT)
            assert await gather(await made.fetch(BLOB)) == (BODY, "")
            await made.close()
        assert [asked.query for asked in storage.asked] == ["signature=a", "signature=b"]


async def test_what_became_of_it_is_counted() -> None:
    breaking, counted = Breaking(), list[tuple[str, str]]()
    async with breaking.server:
        pool = Pool(deadlines=PATIENT, resumed=lambda host, result: counted.append((host, result)))
        (made,) = await pool.use([Upstream("id", "http", breaking.server.address, "p")])
        for _ in range(2):  # the second body does not break
            assert await gather(await made.fetch(BLOB)) == (BODY, "")
        await pool.close()
    assert counted == [(breaking.server.address, "ok")]
