"""What three masters with caches ask of each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from registry_gateway.sources.peer import by_preference
from tests.gateway.listening import until
from tests.gateway.masters import NAMES, masters
from tests.gateway.material import Material
from tests.gateway.processes import USERS
from tests.support.fault_server import Reply
from tests.support.gateway import config

BLOBS = [bytes([number]) * 300_000 for number in range(6)]


@pytest.mark.timeout(120)
async def test_three_masters_fetch_each_blob_once_and_each_keeps_it(material: Material, folder: Path) -> None:
    async with masters(material, folder) as cluster:
        digests = [cluster.registry.blob(body)["digest"] for body in BLOBS]
        absent = "sha256:" + "0" * 64
        assert (await cluster.pull("master-0", f"/blobs/{absent}", ask="upstream", as_peer=True))[0] == 404

        everybody = [(name, digest) for digest in digests for name in NAMES for _ in range(3)]
        pulls = await asyncio.gather(*(cluster.pull(name, f"/blobs/{digest}") for name, digest in everybody))
        assert pulls == [(200, BLOBS[digests.index(digest)]) for _, digest in everybody]
        assert [cluster.gets(digest) for digest in digests] == [1] * len(digests)
        await until(lambda: all(cluster.has(name, digest) for name in NAMES for digest in digests))

        fresh = cluster.registry.blob(b"fresh")["digest"]
        for name in NAMES:
            assert (await cluster.pull(name, f"/blobs/{fresh}", ask="store", as_peer=True))[0] == 404
        assert cluster.gets(fresh) == 0
        owner, other, _ = by_preference(fresh, NAMES)
        assert await cluster.pull(other, f"/blobs/{fresh}", ask="upstream", as_peer=True) == (200, b"fresh")
        await until(lambda: cluster.has(other, fresh))  # content gets its place a moment after it was served
        assert not cluster.has(owner, fresh), "it did not ask the owner"
        assert await cluster.pull(owner, f"/blobs/{fresh}") == (200, b"fresh")
        assert cluster.gets(fresh) == 1, "the owner asked the other stores first"
        assert {line["identity"] for one in cluster.running.values() for line in one.lines() if "identity" in line} == {
            "user:ro",
            "peer",
        }
        assert (await cluster.pull(other, f"/blobs/{fresh}", ask="store"))[0] == 200, "nobody else's header counts"


@pytest.mark.timeout(120)
async def test_pulls_go_on_when_the_owner_dies_in_the_middle(material: Material, folder: Path) -> None:
    async with masters(material, folder) as cluster:
        hold = asyncio.Event()
        digest = cluster.registry.blob(BLOBS[1])["digest"]
        cluster.registry.replies[f"blobs/{digest}"] = Reply(200, body=BLOBS[1], hold=hold)
        owner, *others = by_preference(digest, NAMES)
        pulls = [asyncio.create_task(cluster.pull(name, f"/blobs/{digest}")) for name in others for _ in range(3)]
        await until(lambda: cluster.gets(digest), seconds=30)
        await asyncio.to_thread(cluster.kill, owner)
        await until(lambda: cluster.gets(digest) > 1, seconds=30)
        hold.set()
        assert await asyncio.gather(*pulls) == [(200, BLOBS[1])] * len(pulls)
        assert cluster.gets(digest) <= 1 + len(others)
        for body in BLOBS[2:]:
            digest = cluster.registry.blob(body)["digest"]
            pulls = [asyncio.create_task(cluster.pull(name, f"/blobs/{digest}")) for name in others]
            assert await asyncio.gather(*pulls) == [(200, body)] * len(pulls)


@pytest.mark.timeout(120)
async def test_a_copy_that_lacks_something_takes_it_from_another(material: Material, folder: Path) -> None:
    async with masters(material, folder) as cluster:
        hosts = {name: running.address for name, running in cluster.running.items()}
        image = cluster.registry.image(BLOBS[0], tag="v1")["digest"]
        layer = cluster.registry.blob(BLOBS[0])["digest"]
        for path in ("/manifests/v1", f"/blobs/{layer}"):
            assert (await cluster.pull("master-0", path))[0] == 200
        text = config([], users=USERS, version="copy", store={"role": "copy"}, peers=hosts)
        files = material.files(text, tls_crt=material.peer.cert, tls_key=material.peer.key)
        for running in cluster.running.values():
            running.secret.write(files)
            await asyncio.to_thread(running.wait_for_version, "copy")
        before = len(cluster.registry.server.asked)
        for name in NAMES:
            assert await cluster.pull(name, f"/blobs/{layer}") == (200, BLOBS[0])
            for reference, status in ((image, 200), ("v1", 200), ("absent", 404)):
                assert (await cluster.pull(name, f"/manifests/{reference}"))[0] == status
            assert (cluster.has(name, layer), cluster.has(name, image)) == (True, True)
        assert not [one for one in cluster.registry.server.asked[before:] if one.path != "/v2/"]
