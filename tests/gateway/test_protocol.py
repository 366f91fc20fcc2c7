"""The distribution API as clients see it: what passes on, what comes back, what is refused."""

from __future__ import annotations

import json

import pytest

from tests.gateway.material import Material
from tests.gateway.serving import QUICK, serving
from tests.support.fault_server import Asked, FaultServer, Reply
from tests.support.gateway import upstream

DIGEST = "sha256:" + "a" * 64
BASE = "/v2/system/deckhouse"


def route(server: FaultServer, **options: str) -> list[dict[str, str]]:
    return [upstream(server.address, scheme="http", **options)]


def ok(asked: Asked) -> Reply:
    return Reply(200, {"Content-Type": "application/json"}, b'{"tags": []}')


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (f"{BASE}/manifests/v1", "/v2/deckhouse/ee/manifests/v1"),
        (f"{BASE}/modules/prometheus/manifests/{DIGEST}", f"/v2/deckhouse/ee/modules/prometheus/manifests/{DIGEST}"),
        (f"{BASE}/blobs/{DIGEST}", f"/v2/deckhouse/ee/blobs/{DIGEST}"),
        (f"{BASE}/referrers/{DIGEST}", f"/v2/deckhouse/ee/referrers/{DIGEST}"),
        (f"{BASE}/tags/list", "/v2/deckhouse/ee/tags/list"),
    ],
)
async def test_the_alias_is_put_in_place_of_the_path(material: Material, ours: str, theirs: str) -> None:
    async with FaultServer(ok) as server, serving(material, route(server)) as served:
        async with served.get(ours) as answer:
            assert answer.status == 200
        assert server.asked[0].path == theirs


async def test_an_empty_path_leaves_what_is_below_the_alias(material: Material) -> None:
    async with FaultServer(ok) as server, serving(material, route(server, path="")) as served:
        async with served.get(f"{BASE}/x/manifests/v1") as answer:
            assert answer.status == 200
        async with served.get(f"{BASE}/manifests/v1") as answer:
            assert answer.status == 404
        assert [asked.path for asked in server.asked] == ["/v2/x/manifests/v1"]


async def test_headers_of_content_pass_on_and_all_others_stay(material: Material) -> None:
    headers = [("Accept", "a/b"), ("Accept", "c/d, e/f"), ("Range", "bytes=0-1"), ("If-None-Match", '"x"')]
    headers += [("If-Range", '"y"'), ("User-Agent", "me/1"), ("Cookie", "c=1"), ("X-Forwarded-For", "192.0.2.9")]
    async with FaultServer(ok) as server, serving(material, route(server)) as served:
        async with served.get(f"{BASE}/manifests/v1", headers=headers) as answer:
            assert answer.status == 200
        sent = {name for name, _ in server.asked[0].headers}
        assert server.asked[0].all("Accept") == ["a/b", "c/d, e/f"]
        assert [server.asked[0].header(name) for name in ("Range", "If-None-Match", "If-Range", "User-Agent")] == [
            "bytes=0-1",
            '"x"',
            '"y"',
            "me/1",
        ]
        assert sent == {"Host", "Accept", "Range", "If-None-Match", "If-Range", "User-Agent", "Accept-Encoding"}


async def test_headers_about_content_come_back_and_all_others_stay(material: Material) -> None:
    kept = {
        "Content-Type": "application/vnd.oci.image.manifest.v1+json",
        "Docker-Content-Digest": DIGEST,
        "ETag": f'"{DIGEST}"',
        "OCI-Subject": DIGEST,
        "OCI-Filters-Applied": "artifactType",
        "Warning": '299 - "old"',
        "Accept-Ranges": "bytes",
    }
    hidden = {"Set-Cookie": "s=1", "Server": "theirs", "X-Powered-By": "theirs", "Link": "</x>"}
    async with (
        FaultServer(Reply(200, {**kept, **hidden}, b"{}")) as server,
        serving(material, route(server)) as served,
        served.get(f"{BASE}/manifests/v1") as answer,
    ):
        got = {name: answer.headers.get(name) for name in (*kept, *hidden)}
    assert got == {**kept, "Set-Cookie": None, "Server": "registry-gateway", "X-Powered-By": None, "Link": None}


async def test_head_stays_head_and_has_the_length(material: Material) -> None:
    async with (
        FaultServer(Reply(200, body=b"x" * 42)) as server,
        serving(material, route(server)) as served,
    ):
        async with served.client.head(f"{served.url}{BASE}/blobs/{DIGEST}") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, "42")
        assert [asked.method for asked in server.asked] == ["HEAD"]


@pytest.mark.parametrize(("status", "headers"), [(206, {"Content-Range": "bytes 0-1/9"}), (304, {"ETag": '"x"'})])
async def test_partial_and_unchanged_content_pass(material: Material, status: int, headers: dict[str, str]) -> None:
    reply = Reply(status, headers, b"" if status == 304 else b"ab")
    async with (
        FaultServer(reply) as server,
        serving(material, route(server)) as served,
        served.get(f"{BASE}/blobs/{DIGEST}") as answer,
    ):
        name, value = next(iter(headers.items()))
        assert (answer.status, answer.headers[name], await answer.read()) == (status, value, reply.body)


async def test_an_unsatisfiable_range_keeps_its_content_range(material: Material) -> None:
    reply = Reply(416, {"Content-Range": "bytes */9"})
    async with (
        FaultServer(reply) as server,
        serving(material, route(server)) as served,
        served.get(f"{BASE}/blobs/{DIGEST}", headers={"Range": "bytes=99-"}) as answer,
    ):
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */9")


@pytest.mark.parametrize("kind", ["manifests/v1", f"blobs/{DIGEST}"])
async def test_parameters_stop_where_the_spec_has_none(material: Material, kind: str) -> None:
    async with FaultServer(ok) as server, serving(material, route(server)) as served:
        async with served.get(f"{BASE}/{kind}?ns=registry.d8-system.svc%3A5001&token=x") as answer:
            assert answer.status == 200
        assert server.asked[0].query == ""


async def test_pages_of_tags_lead_through_the_gateway(material: Material) -> None:
    def behaviour(asked: Asked) -> Reply:
        link = {"Link": '</v2/deckhouse/ee/tags/list?n=1&last=a%2Bb>; rel="next"'} if "last" not in asked.query else {}
        return Reply(200, link, b'{"name": "deckhouse/ee", "tags": ["a"]}')

    async with FaultServer(behaviour) as server, serving(material, route(server)) as served:
        async with served.get(f"{BASE}/tags/list?n=1&ns=x") as answer:
            assert json.loads(await answer.read()) == {"name": "system/deckhouse", "tags": ["a"]}
            link = answer.headers["Link"]
        assert link == f'<{BASE}/tags/list?n=1&last=a%2Bb>; rel="next"'
        from yarl import URL

        async with served.client.get(URL(served.url + link[1 : link.index(">")], encoded=True)) as answer:
            assert "Link" not in answer.headers
        assert [asked.query for asked in server.asked] == ["n=1", "n=1&last=a%2Bb"]


async def test_the_base_is_answered_without_the_upstream(material: Material) -> None:
    async with serving(material, []) as served, served.get("/v2/") as answer:
        assert (answer.status, answer.headers["Docker-Distribution-Api-Version"]) == (200, "registry/2.0")


@pytest.mark.parametrize("path", ["/v2/", f"{BASE}/manifests/v1", f"{BASE}/blobs/uploads/", "/", "/v2/x/manifests/%2e"])
async def test_everything_needs_a_login(material: Material, path: str) -> None:
    async with serving(material, []) as served, served.get(path, headers={"Authorization": "Basic cm86eA=="}) as answer:
        body = json.loads(await answer.read())
        assert (answer.status, body["errors"][0]["code"]) == (401, "UNAUTHORIZED")
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{BASE}/blobs/uploads/"),
        ("PATCH", f"{BASE}/blobs/uploads/abc"),
        ("PUT", f"{BASE}/blobs/uploads/abc?digest={DIGEST}"),
        ("GET", f"{BASE}/blobs/uploads/abc"),
        ("PUT", f"{BASE}/manifests/v1"),
        ("DELETE", f"{BASE}/manifests/v1"),
        ("DELETE", f"{BASE}/blobs/{DIGEST}"),
        ("OPTIONS", "/v2/"),
    ],
)
async def test_writes_are_refused_with_an_explanation(material: Material, method: str, path: str) -> None:
    async with FaultServer(ok) as server, serving(material, route(server)) as served:
        async with served.client.request(method, served.url + path, data=b"x" * 100_000) as answer:
            body = json.loads(await answer.read())
            assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
            assert body["errors"][0]["code"] == "UNSUPPORTED"
        assert server.asked == []


@pytest.mark.parametrize("name", ["library/alpine", "system/deckhouses", "system", "deckhouse/ee"])
async def test_other_repositories_are_unknown_and_nobody_is_asked(material: Material, name: str) -> None:
    async with FaultServer(ok) as server, serving(material, route(server)) as served:
        async with served.get(f"/v2/{name}/manifests/v1") as answer:
            body = json.loads(await answer.read())
            assert (answer.status, body["errors"][0]["code"]) == (404, "NAME_UNKNOWN")
        assert server.asked == []


async def test_without_routes_clients_are_told_to_come_back(material: Material) -> None:
    async with serving(material, []) as served, served.get(f"{BASE}/manifests/v1") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_an_unreachable_upstream_is_503_with_the_reason(material: Material) -> None:
    async with FaultServer(ok) as server:
        routes = route(server)
    async with serving(material, routes) as served, served.get(f"{BASE}/manifests/v1") as answer:
        body = json.loads(await answer.read())
        assert (answer.status, answer.headers["Retry-After"], body["errors"][0]["code"]) == (503, "5", "UNAVAILABLE")
        assert "connection refused" in body["errors"][0]["message"]


async def test_an_upstream_that_does_not_answer_in_time_is_504(material: Material) -> None:
    async with (
        FaultServer(Reply(silent=True)) as server,
        serving(material, route(server), deadlines=QUICK) as served,
        served.get(f"{BASE}/manifests/v1") as answer,
    ):
        body = json.loads(await answer.read())
        assert (answer.status, answer.headers["Retry-After"], body["errors"][0]["code"]) == (504, "5", "UNAVAILABLE")
        assert "did not answer within" in body["errors"][0]["message"]


async def test_an_older_route_answers_for_a_newer_that_has_no_such_image(material: Material) -> None:
    async with FaultServer(Reply(404)) as newer, FaultServer(ok) as older:
        routes = [*route(newer), *route(older, path="old")]
        async with serving(material, routes) as served, served.get(f"{BASE}/manifests/v1") as answer:
            assert answer.status == 200
        assert [asked.path for asked in older.asked] == ["/v2/old/manifests/v1"]
