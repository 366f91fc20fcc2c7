"""The report: when it is written, what it says, and a real API server that is away at first."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from registry_gateway import replica, status
from registry_gateway.replica import Reporter, WriteError
from tests.gateway.material import Material
from tests.operator.api_server import ApiServer, api_server
from tests.platform.operator.cluster import ApiError
from tests.support.distribution import Basic, distribution
from tests.support.gateway import config, gateway, upstream, wait_until
from tests.support.images import build_image, push_image

CRD = Path(__file__).parents[2] / "crds" / "registryreplica.yaml"
API_VERSION = "registry.deckhouse.io/v1alpha1"
PASSWORD = "s3cr3t-marker"


def built(**changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "version": "v1",
        "error": "",
        "not_after": 1.0,
        "upstreams": [],
        "check": None,
        "now": 0.0,
    }
    return status.build(**{**fields, **changes})


def test_times_are_written_as_kubernetes_does() -> None:
    report = built(not_after=1_795_478_400.9, now=0.0)
    assert (report["certificateNotAfter"], report["heartbeat"]) == ("2026-11-24T00:00:00Z", "1970-01-01T00:00:00Z")


def test_two_reports_are_the_same_whenever_they_were_made() -> None:
    assert status.same(built(now=1.0), built(now=2.0))
    assert not status.same(built(), built(error="x"))


class Cluster:
    """Takes reports; refuses while `refusal` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AT_MOST_EVERY", "RETRY_AFTER"):
            monkeypatch.setattr(replica, name, 0.01)
        self.report = built()
        self.refusal = ""
        self.written: list[dict[str, Any]] = []
        self.tried = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.reporter = Reporter(lambda: dict(self.report), self.write)

    def write(self, latest: Mapping[str, Any]) -> None:
        assert threading.current_thread() is not threading.main_thread()
        self.loop.call_soon_threadsafe(self.tried.set)
        if self.refusal:
            raise WriteError(self.refusal)
        self.written.append(dict(latest))

    async def until_tried(self) -> None:
        self.tried.clear()
        async with asyncio.timeout(10):
            await self.tried.wait()


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Cluster(monkeypatch)
    running = asyncio.create_task(made.reporter.run())
    await made.until_tried()
    yield made
    running.cancel()


async def test_a_change_is_written(cluster: Cluster) -> None:
    cluster.report = built(error="x")
    cluster.reporter.changed()
    await cluster.until_tried()
    assert [report["configError"] for report in cluster.written] == ["", "x"]


async def test_what_did_not_change_is_not_written_again_at_once(cluster: Cluster) -> None:
    for now in range(5):
        cluster.report = built(now=float(now))
        cluster.reporter.changed()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await cluster.until_tried()
    assert len(cluster.written) == 1


async def test_an_unchanged_report_is_written_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setattr(replica, "AT_LEAST_EVERY", 0.05)
    cluster.report = built(error="x")
    cluster.reporter.changed()
    await cluster.until_tried()
    await cluster.until_tried()
    assert len(cluster.written) >= 2


async def test_the_newest_report_is_written_when_the_cluster_is_back(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    cluster.refusal = "away"
    cluster.report = built(error="first")
    cluster.reporter.changed()
    for _ in range(3):
        await cluster.until_tried()
    cluster.report, cluster.refusal = built(error="second"), ""
    await cluster.until_tried()
    assert [report["configError"] for report in cluster.written] == ["", "second"]
    messages = [json.loads(line)["message"] for line in capfd.readouterr().out.splitlines()]
    assert messages.count("status not written") == 1


def test_the_report_reaches_a_real_cluster_that_was_away_at_first(material: Material, folder: Path) -> None:
    image = build_image(folder / "layout", layers=[{"a": b"b"}], platforms=("linux/amd64", "linux/arm64"))
    with ExitStack() as stack:
        registry = stack.enter_context(
            distribution(folder / "registry", tls=material.server, auth=Basic({"reader": PASSWORD}))
        )
        login = {"user": "reader", "password": PASSWORD, "ca": material.ca.cert}
        push_image(image, address=registry.address, repository="deckhouse/ee", tag="v1", **login)
        route = upstream(registry.address, **login)
        absent = "sha256:" + "0" * 64
        images = [{"name": "whole", "reference": image.digest}, {"name": "absent", "reference": absent}]
        check = {"version": "c1", "upstream": route, "images": images}
        kubeconfig = folder / "kubeconfig"
        options = ["--replica", "master-0", "--kubeconfig", str(kubeconfig)]
        files = material.files(config([route], check=check))
        running = stack.enter_context(gateway(folder / "gateway", files, options=options))
        wait_until(lambda: "status not written" in running.log.read_text(), what="complaint", seconds=60)
        api = stack.enter_context(api_server(folder))
        kubeconfig.write_text(api.kubeconfig.read_text())
        api.create(yaml.safe_load(CRD.read_text()))
        wait_until(lambda: created(api), what="RegistryReplica", seconds=60)

        def done() -> bool:
            return bool((report(api).get("check") or {}).get("complete"))

        wait_until(done, what="report", seconds=60, log=running.log)
        found = report(api)
        assert found["configVersion"] == "v1"
        assert found["configError"] == ""
        assert found["upstreams"] == [
            {"id": route["id"], "host": registry.address, "reachable": True, "reason": "", "message": ""}
        ]
        errors = found["check"].pop("errors")
        assert found["check"] == {
            "version": "c1", "total": 2, "checked": 2, "present": 1, "complete": True, "errorCount": 1
        }  # fmt: skip
        assert [(error["image"], error["reference"], error["reason"]) for error in errors] == [
            ("absent", absent, "NotFound")
        ]
        assert f"{registry.address} answered 404" in errors[0]["message"]

        running.secret.write(material.files("{"))
        wait_until(lambda: report(api)["configError"] == "config.json: is not JSON", what="error", seconds=60)
        assert report(api)["configVersion"] == "v1"
        assert PASSWORD not in json.dumps(report(api)) + running.log.read_text()


def created(api: ApiServer) -> bool:
    try:
        api.create({"apiVersion": API_VERSION, "kind": "RegistryReplica", "metadata": {"name": "master-0"}})
    except (ApiError, LookupError):  # the new kind is not served yet
        return False
    return True


def report(api: ApiServer) -> dict[str, Any]:
    found = api.get(API_VERSION, "RegistryReplica", "", "master-0")
    return dict((found or {}).get("status", {}))
