"""Names of images as people have them at hand."""

from __future__ import annotations

import pytest

from registry_gateway.oci import OciError
from registry_gateway.terminal import image_name
from registry_gateway.terminal.image_name import ImageName

ALIAS = "system/deckhouse"
DIGEST = "sha256:" + "a" * 64
HOST = "registry.d8-system.svc:5001"


@pytest.mark.parametrize(
    ("text", "name", "rest"),
    [
        (f"{HOST}/system/deckhouse/x:v1", ImageName(HOST, "system/deckhouse/x", "v1"), "x"),
        (f"{HOST}/system/deckhouse@{DIGEST}", ImageName(HOST, "system/deckhouse", DIGEST), ""),
        (f"{HOST}/system/deckhouse:v1@{DIGEST}", ImageName(HOST, "system/deckhouse", DIGEST), ""),
        (f"localhost/system/deckhouse/x@{DIGEST}", ImageName("localhost", "system/deckhouse/x", DIGEST), "x"),
        ("system/deckhouse/modules/x:v1.2", ImageName("", "system/deckhouse/modules/x", "v1.2"), "modules/x"),
        ("system/deckhouse/x", ImageName("", "system/deckhouse/x", "latest"), "x"),
        (":v1.2", ImageName("", ALIAS, "v1.2"), ""),
        ("v1.2", ImageName("", ALIAS, "v1.2"), ""),
        (DIGEST, ImageName("", ALIAS, DIGEST), ""),
        (f"@{DIGEST}", ImageName("", ALIAS, DIGEST), ""),
        (f":v1@{DIGEST}", ImageName("", ALIAS, DIGEST), ""),
    ],
)
def test_a_name_is_read_as_clients_read_it(text: str, name: ImageName, rest: str) -> None:
    assert image_name.read(text, alias=ALIAS) == name
    assert image_name.rest(name, alias=ALIAS) == rest


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("registry.example.com/deckhouse/ee:v1", 404, "only repositories below system/deckhouse"),
        ("system/deckhouses:v1", 404, "only repositories below"),
        ("alpine:3", 404, "only repositories below"),
        ("sha256:abc", 400, "neither a tag nor a digest"),
        ("", 400, "neither a tag nor a digest"),
        ("system/deckhouse/x:", 400, "neither a tag nor a digest"),
        ("system/deckhouse@", 400, "neither a tag nor a digest"),
        ("https://registry.example.com/x:v1", 400, "not a repository name"),
        ("system/deckhouse/../x:v1", 400, "not a repository name"),
        ("system/deckhouse/X:v1", 400, "not a repository name"),
        ("system/deckhouse/%78:v1", 400, "need no percent-encoding"),
        ("system/deckhouse/x?y:v1", 400, "not a repository name"),
        ("system/deckhouse/" + "x" * 2000, 400, "longer than"),
    ],
)
def test_a_name_that_is_of_no_use_is_refused_as_a_client_would_be(text: str, status: int, words: str) -> None:
    with pytest.raises(OciError, match=words) as raised:
        image_name.rest(image_name.read(text, alias=ALIAS), alias=ALIAS)
    assert raised.value.status == status
