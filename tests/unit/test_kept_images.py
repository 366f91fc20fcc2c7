"""`local.keep`: what each way to write an image means, and what is none."""

from __future__ import annotations

import pytest

from lib.registry_module.kept_images import KeptImage, parse
from lib.registry_module.upstream_settings import FieldError
from registry_gateway import names

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "repository", "reference"),
    [
        ("v1.68.3", "", "v1.68.3"),
        (DIGEST, "", DIGEST),
        ("install:v1.68.3", "install", "v1.68.3"),
        ("modules/operator-x:v1.2.3", "modules/operator-x", "v1.2.3"),
        (f"modules/operator-x@{DIGEST}", "modules/operator-x", DIGEST),
    ],
)
def test_an_image_is_a_tag_or_a_digest_of_a_repository(text: str, repository: str, reference: str) -> None:
    errors: list[FieldError] = []
    assert parse([text, text], errors) == (KeptImage(repository, reference),)
    assert errors == []
    assert names.is_reference(reference)
    assert repository == "" or names.is_name(names.join("system/deckhouse", repository) or "")


@pytest.mark.parametrize(
    "text",
    ["", ":", "a:", ":v1", "a@v1", f"a:{DIGEST}", "A/b:v1", "registry.example.com/x:v1", "r:5000/x:v1", "a//b:v1",
     "a/..:v1", "../a:v1", "x" * 129, "a" * 201 + ":v1", "v1\n", 7, None],
)  # fmt: skip
def test_what_is_no_image_is_named_by_its_place_and_not_shown(text: object) -> None:
    errors: list[FieldError] = []
    assert parse(["v1", text], errors) == (KeptImage("", "v1"),)
    assert [error.field for error in errors] == ["local.keep[1]"]
    assert "REPOSITORY:TAG" in errors[0].message
