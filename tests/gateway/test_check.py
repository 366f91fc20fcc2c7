"""The check of one image: down to the last layer, with the exact error."""

from __future__ import annotations

import hashlib
import json

import pytest

from registry_gateway.check.manifest import MANIFEST_LIMIT, PARTS_LIMIT
from registry_gateway.check.walk import HOPELESS_AFTER, Part, Walk
from registry_gateway.oci import MANIFEST_TYPES
from registry_gateway.sources.base import Reason
from tests.gateway.store import LAYER, Store
from tests.support.fault_server import Asked, FaultServer, Reply


async def test_a_whole_image_is_found_with_manifests_read_and_blobs_asked_for_by_head() -> None:
    store = Store()
    image = store.image(b"one", b"two")
    assert await store.verdict(image["digest"]) is None
    assert store.asked("GET") == [f"manifests/{image['digest']}"]
    assert sorted(store.asked("HEAD")) == sorted(path for path in store.content if path.startswith("blobs/"))


async def test_a_tag_will_do_as_a_reference() -> None:
    store = Store()
    store.image(tag="v1")
    assert await store.verdict("v1") is None


async def test_every_child_of_an_index_is_walked() -> None:
    store = Store()
    one, two = store.image(b"one"), store.image(b"two")
    index = store.index(one, two)
    assert await store.verdict(index["digest"]) is None
    assert sorted(store.asked("GET")) == sorted(f"manifests/{entry['digest']}" for entry in (index, one, two))


async def test_a_layer_that_two_images_share_is_asked_for_once() -> None:
    store = Store()
    index = store.index(store.image(LAYER), store.image(LAYER))
    await store.verdict(index["digest"])
    assert len(store.asked("HEAD")) == len(set(store.asked("HEAD"))) == 3


async def test_a_layer_that_is_not_in_registries_is_not_asked_for() -> None:
    store = Store()
    foreign = {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "digest": "sha256:" + "f" * 64}
    document = {"config": store.blob(b"{}"), "layers": [foreign]}
    assert await store.verdict(store.manifest(document, MANIFEST_TYPES[1])["digest"]) is None


async def test_a_missing_layer_is_named_with_its_digest() -> None:
    store = Store()
    image = store.image(b"one", b"two")
    gone = next(path for path, (_, body) in store.content.items() if body == b"two")
    del store.content[gone]
    error = await store.verdict(image["digest"])
    assert error is not None
    assert error.reason is Reason.NOT_FOUND
    assert f"answered 404 for deckhouse/ee@{gone.removeprefix('blobs/')}" in error.message


async def test_a_missing_child_of_an_index_is_named() -> None:
    store = Store()
    absent = {"digest": "sha256:" + "0" * 64}
    error = await store.verdict(store.index(store.image(), absent)["digest"])
    assert error is not None
    assert (error.reason, absent["digest"] in error.message) == (Reason.NOT_FOUND, True)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, Reason.UNAUTHORIZED), (403, Reason.FORBIDDEN), (500, Reason.UPSTREAM_ERROR), (404, Reason.NOT_FOUND)],
)
async def test_each_refusal_has_its_reason(status: int, reason: Reason) -> None:
    store = Store()
    store.replies["manifests/v1"] = Reply(status)
    error = await store.verdict("v1")
    assert error is not None
    assert (error.reason, error.status) == (reason, status)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "is no manifest"),
        (b"[]", "is no manifest"),
        (b"{}", "no image manifest"),
        (b'{"manifests": 5}', "malformed"),
        (b'{"manifests": [{"digest": "../../etc"}]}', "malformed"),
        (b'{"config": {"digest": 5}, "layers": []}', "malformed"),
        (b'{"config": {"digest": "shake_128:ab"}, "layers": []}', "without a digest that runtimes know"),
        (b'{"manifests": [{"digest": "loop:ab"}]}', "without a digest that runtimes know"),
        (json.dumps({"manifests": [{"digest": "sha256:" + "0" * 64}] * (PARTS_LIMIT + 1)}).encode(), "more than"),
        (b'{"config": {}, "layers": ["x"]}', "malformed"),
        (b" " * (MANIFEST_LIMIT + 1), "above"),
    ],
)
async def test_what_is_no_manifest_is_named(body: bytes, words: str) -> None:
    store = Store()
    store.content["manifests/v1"] = (MANIFEST_TYPES[0], body)
    error = await store.verdict("v1")
    assert error is not None
    assert (error.reason, words in error.message) == (Reason.UPSTREAM_ERROR, True)


async def test_other_content_than_the_digest_says_is_found_out() -> None:
    store = Store()
    image = store.image()
    store.content[f"manifests/{image['digest']}"] = (MANIFEST_TYPES[0], b"{}")
    error = await store.verdict(image["digest"])
    assert error is not None
    assert "other content than its digest says" in error.message


async def test_a_truncated_layer_is_found_out_by_its_length() -> None:
    store = Store()
    image = store.image(LAYER)
    path = next(path for path, (_, body) in store.content.items() if body == LAYER)
    store.content[path] = ("x", LAYER[:-1])
    error = await store.verdict(image["digest"])
    assert error is not None
    assert "has 499 bytes where the manifest says 500" in error.message


async def test_a_child_of_another_size_than_its_index_says_is_found_out() -> None:
    store = Store()
    child = store.image()
    error = await store.verdict(store.index({**child, "size": child["size"] + 1})["digest"])
    assert error is not None
    assert f"{child['digest']} has {child['size']} bytes where the manifest says {child['size'] + 1}" in error.message


async def test_a_tag_that_is_answered_with_another_digest_than_its_content_has_is_found_out() -> None:
    store = Store()
    store.image(tag="v1")
    media_type, body = store.content["manifests/v1"]
    headers = {"Content-Type": media_type, "Docker-Content-Digest": "sha256:" + "0" * 64}
    store.replies["manifests/v1"] = Reply(200, headers, body)
    error = await store.verdict("v1")
    assert error is not None
    assert "v1 has other content than its digest says" in error.message


async def test_the_first_error_is_that_of_the_manifests_order_whatever_is_answered_first() -> None:
    store = Store()
    image = store.image(b"one", b"two", b"three")
    for body in (b"two", b"three"):
        del store.content[next(path for path, (_, content) in store.content.items() if content == body)]
    error = await store.verdict(image["digest"])
    assert error is not None
    assert hashlib.sha256(b"two").hexdigest() in error.message


async def test_an_image_that_another_one_contains_has_a_verdict_of_its_own_and_is_asked_for_once() -> None:
    store = Store()
    good, bad = store.image(b"good"), store.image(b"bad")
    index = store.index(good, bad)
    del store.content[next(path for path, (_, content) in store.content.items() if content == b"bad")]
    found: list[Part] = []
    async with store.source() as source:
        roots = await Walk(source).images([index["digest"], good["digest"], bad["digest"]], found.append)
    assert [root.verdict() is None for root in roots] == [False, True, False]
    assert sorted(part.reference for part in found) == sorted(root.reference for root in roots)
    assert len(store.server.asked) == len({one.path for one in store.server.asked})


async def test_a_registry_that_goes_away_is_not_asked_for_every_layer() -> None:
    store = Store()
    images = [store.image(f"layer {number}".encode())["digest"] for number in range(50)]
    store.server.behaviour = Reply(raw=b"\r\n")  # it closes the connection
    async with store.source() as source:
        walk = Walk(source, parallel=1)
        roots = await walk.images(images)
    errors = {error.reason for root in roots if (error := root.verdict())}
    assert (errors, walk.requests) == ({Reason.UNREACHABLE}, HOPELESS_AFTER)
    assert all(root.verdict() for root in roots)


async def test_an_index_of_indexes_without_end_is_given_up() -> None:
    store = Store()
    entry = store.image()
    for _ in range(10):
        entry = store.index(entry)
    error = await store.verdict(entry["digest"])
    assert error is not None
    assert "too deep" in error.message


async def test_storage_that_signs_for_get_only_is_asked_for_one_byte() -> None:
    store = Store()
    image = store.image(LAYER)
    path = next(path for path, (_, body) in store.content.items() if body == LAYER)

    def storage_behaviour(asked: Asked) -> Reply:
        return Reply(206, body=b"l") if asked.method == "GET" and asked.header("Range") == "bytes=0-0" else Reply(403)

    async with FaultServer(storage_behaviour) as storage:
        store.replies[path] = Reply(307, {"Location": f"http://{storage.address}/signed"})
        assert await store.verdict(image["digest"]) is None
        assert [asked.method for asked in storage.asked] == ["HEAD", "GET"]
