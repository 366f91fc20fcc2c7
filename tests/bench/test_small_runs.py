"""The benches themselves on small inputs: that they measure what they say, not how much it is."""

from __future__ import annotations

from bench import image_check, many_nodes, waiting
from bench.stage import PEERS


def test_hooks_on_few_nodes_give_every_row_and_aims_only_for_the_switch() -> None:
    rows = {one.name: one for one in many_nodes.bench(lambda _: None, few=3, many=8, rounds=1)}
    for hook in ("discover_nodes", "switch_mode"):
        for what in ("time", "cpu", "peak_rss", "patch"):
            assert rows[f"{hook}.3_nodes.{what}"].value > 0
            assert rows[f"{hook}.8_nodes.{what}"].value > 0
            assert (rows[f"{hook}.{what}.many_to_few"].aim is not None) is (hook == "switch_mode")
    assert len(rows) == 24


def test_an_image_check_gives_its_time_beside_the_least_that_its_requests_need() -> None:
    rows = {one.name: one for one in image_check.bench(lambda _: None, images=5, layers=2, latency=0.001)}
    requests, least = rows["image_check.requests"].value, rows["image_check.least_time"].value
    assert (
        requests == 1 + 7 + 6 + 2
    )  # /v2/, manifests (one image is an index of two), configs, layers (which are shared)
    assert 0 < least < rows["image_check.time"].value
    assert rows["image_check.time_to_least"].aim == image_check.AIM


def test_the_first_byte_is_measured_through_the_gateway_and_every_peer() -> None:
    rows = {one.name: one for one in waiting.bench(lambda _: None, requests=2, rounds=1)}
    expected = {
        f"{name}.manifest.first_byte_added.{quantile}" for name in ("gateway", *PEERS) for quantile in ("p50", "p99")
    }
    assert set(rows) == expected
    assert {one.unit for one in rows.values()} == {"us"}
