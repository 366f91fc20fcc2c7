"""Which images are expected at a candidate."""

from __future__ import annotations

import pytest

from lib.registry_module import images

BASE = "registry.example.com/deckhouse/ee"
D = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        (f"{BASE}@{D}", D),
        (f"{BASE}:v1.71.3", "v1.71.3"),
        (f"{BASE}:v1.71.3@{D}", D),
        (f"{BASE}/sub:v1", ""),
        (f"{BASE}x:v1", ""),
        ("registry.example.com/deckhouse/eeX@" + D, ""),
        (BASE, ""),
        (f"{BASE}@sha256:short", ""),
        ("other.example.com/x:v1", ""),
        (f"{BASE}:bad tag", ""),
    ],
)
def test_reference_is_what_stands_directly_below_a_known_base(image: str, reference: str) -> None:
    assert images.reference_below(image, [BASE]) == reference


def test_default_wants_modules_and_deckhouse_without_repetition() -> None:
    expected = images.expected(
        digests=[("common/pause", D), ("common/pause", D), ("bad/one", "latest")],
        deckhouse=[("deckhouse", f"{BASE}:v1"), ("init", f"{BASE}@{D}"), ("foreign", "other.example.com/x:1")],
        bases=[BASE],
        check_mode="Default",
    )
    assert expected == (("common/pause", D), ("deckhouse/deckhouse", "v1"), ("deckhouse/init", D))


def test_relax_wants_only_the_deckhouse_image() -> None:
    expected = images.expected(
        digests=[("common/pause", D)], deckhouse=[("deckhouse", f"{BASE}:v1")], bases=[BASE], check_mode="Relax"
    )
    assert expected == (("deckhouse/deckhouse", "v1"),)
