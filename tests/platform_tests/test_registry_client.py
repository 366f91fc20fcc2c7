"""The small client of the distribution API against the real distribution."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.platform.images.fresh import Fresh, fresh
from tests.platform.pushes import ALIAS, push_by_api
from tests.support.certs import KeyPair, issue, make_ca
from tests.support.distribution import Basic, distribution
from tests.support.registry_client import RegistryClient, UnexpectedAnswerError, digest_of

REPOSITORY = f"{ALIAS}/team/app"


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_ca()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, authority: KeyPair) -> Iterator[RegistryClient]:
    pair = issue(authority, names=["localhost"], ips=["127.0.0.1"])
    with distribution(
        tmp_path_factory.mktemp("registry"), tls=pair, ca=authority.cert, auth=Basic({"rw": "secret"})
    ) as registry:
        yield RegistryClient(registry.address, ca=authority.cert, user="rw", password="secret")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return fresh(tmp_path_factory.mktemp("image") / "layout", "team/app", "v1")


def test_an_image_pushed_in_pieces_is_there_by_tag_with_all_its_content(client: RegistryClient, image: Fresh) -> None:
    push_by_api(client, image)
    answer = client.manifest(REPOSITORY, "v1")
    assert (answer.status, digest_of(answer.body)) == (200, image.image.digest)
    assert json.loads(answer.body)["mediaType"] == answer.headers["content-type"]
    for digest in (image.layer, *(digest for manifest in image.manifests() for digest in image.blobs(manifest))):
        assert client.blob(REPOSITORY, digest) == image.blob(digest)
    assert client.mount(f"{ALIAS}/elsewhere", image.layer, source=REPOSITORY)


def test_between_is_called_after_each_piece_but_the_last(client: RegistryClient) -> None:
    calls: list[int] = []
    content = b"0123456789"
    assert client.push_blob(REPOSITORY, content, pieces=4, between=lambda: calls.append(1)) == digest_of(content)
    assert len(calls) == 3
    assert client.blob(REPOSITORY, digest_of(content)) == content


def test_what_is_not_there_is_an_answer_for_a_manifest_and_an_error_for_a_blob(client: RegistryClient) -> None:
    assert client.manifest(REPOSITORY, "v9").status == 404
    with pytest.raises(UnexpectedAnswerError, match="404 instead of 200"):
        client.blob(REPOSITORY, digest_of(b"never pushed"))


def test_another_authority_and_a_wrong_password_are_refused(client: RegistryClient, authority: KeyPair) -> None:
    stranger = RegistryClient(client.address, ca=make_ca().cert, user="rw", password="secret")
    with pytest.raises(OSError, match="certificate verify failed"):
        stranger.manifest(REPOSITORY, "v1")
    wrong = RegistryClient(client.address, ca=authority.cert, user="rw", password="wrong")
    assert wrong.manifest(REPOSITORY, "v1").status == 401
    with pytest.raises(UnexpectedAnswerError, match="401 instead of 202"):
        wrong.push_blob(REPOSITORY, b"content")
