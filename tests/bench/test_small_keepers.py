"""The benches of servers that keep content, on small inputs: that they measure what they say, not how much it is."""

from __future__ import annotations

from bench import crowd, first_miss, hits, misses, pushes

MEBIBYTE = 2**20


def test_hits_of_all_three_servers_are_measured_and_ours_is_held_against_both() -> None:
    rows = {one.name: one for one in hits.bench(lambda _: None, blob_bytes=MEBIBYTE, rounds=1)}
    assert set(rows) == {
        *(f"{name}.hit.cpu_per_gb" for name in ("gateway", "nginx", "distribution")),
        *(f"hit.cpu_per_gb.gateway_to_{name}" for name in ("nginx", "distribution")),
    }
    assert {one.aim for name, one in rows.items() if name.startswith("hit.")} == {1.0}
    assert all(one.value > 0 for one in rows.values())


def test_misses_are_measured_until_the_blob_is_stored() -> None:
    rows = {one.name: one for one in misses.bench(lambda _: None, blob_bytes=MEBIBYTE, rounds=1)}
    for what in ("miss.cpu_per_gb", "miss.time"):
        assert rows[f"{what}.gateway_to_distribution"].aim == misses.AIM
        assert rows[f"gateway.{what}"].value > 0
        assert rows[f"distribution.{what}"].value > 0
    assert len(rows) == 6


def test_the_first_byte_of_a_miss_is_held_against_milliseconds() -> None:
    rows = {one.name: one for one in first_miss.bench(lambda _: None, blobs=4)}
    assert set(rows) == {f"gateway.miss.first_byte_added.{quantile}" for quantile in ("p50", "p99")}
    assert rows["gateway.miss.first_byte_added.p50"].aim == first_miss.AIM_MILLISECONDS
    assert {one.unit for one in rows.values()} == {"ms"}


def test_pushes_of_large_and_small_blobs_are_measured_at_both_servers() -> None:
    rows = {one.name: one for one in pushes.bench(lambda _: None, large_bytes=MEBIBYTE, small_blobs=3, rounds=1)}
    for what in ("push.large", "push.small"):
        assert rows[f"{what}.time.gateway_to_distribution"].aim == pushes.AIM
        assert rows[f"{what}.cpu.gateway_to_distribution"].aim is None
        assert rows[f"distribution.{what}.time"].value > 0
        assert rows[f"gateway.{what}.time"].value > 0
    assert len(rows) == 12


def test_a_crowd_is_counted_at_the_registry_behind_with_one_replica_and_with_three() -> None:
    rows = {one.name: one for one in crowd.bench(lambda _: None, nodes=6, layer_bytes=MEBIBYTE)}
    for count in (1, 3):
        assert rows[f"crowd.{count}_replicas.egress"].value == 1.0
        assert rows[f"crowd.{count}_replicas.time"].value > 0
