"""Secret deckhouse-registry: reading, writing, comparing."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.registry_module import platform_secret
from lib.registry_module.platform_secret import PlatformRegistry, credentials, docker_config


def test_direct_points_to_the_virtual_address_with_credentials_of_the_real_registry() -> None:
    wanted = platform_secret.managed("user", "pass", "BUNDLE")
    data = {k: base64.b64decode(v).decode() for k, v in platform_secret.patch(wanted)["data"].items()}
    assert data == {
        "address": "registry.d8-system.svc:5001",
        "path": "/system/deckhouse",
        "scheme": "https",
        "ca": "BUNDLE",
        ".dockerconfigjson": '{"auths":{"registry.d8-system.svc:5001":'
        '{"auth":"dXNlcjpwYXNz","password":"pass","username":"user"}}}',
    }


def test_anonymous_registry_gives_an_entry_without_credentials() -> None:
    assert docker_config("h", "", "") == '{"auths":{"h":{}}}'


@given(st.text(min_size=1).filter(lambda s: ":" not in s), st.text(min_size=1))
def test_credentials_survive_the_docker_config(user: str, password: str) -> None:
    assert credentials(docker_config("h:5000", user, password), "h:5000") == (user, password)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"auths": []}', '{"auths": {"h": 5}}', '{"auths": {"h": {"auth": "!"}}}']
)
def test_unreadable_docker_config_gives_no_credentials(text: str) -> None:
    assert credentials(text, "h") == ("", "")


def test_auth_alone_is_understood() -> None:
    auth = base64.b64encode(b"u:p:q").decode()
    assert credentials(json.dumps({"auths": {"h": {"auth": auth}}}), "h") == ("u", "p:q")


def test_order_of_keys_and_case_of_scheme_do_not_count() -> None:
    one = PlatformRegistry("h", "/a", "https", "", '{"auths":{"h":{"username":"u","password":"p"}}}')
    two = PlatformRegistry("h", "a/", "HTTPS", "\n", '{"auths": {"h": {"password": "p", "username": "u"}}}')
    assert one.same_as(two)
    assert not one.same_as(PlatformRegistry("h", "/a", "https", "", "{}"))
    assert not one.same_as(None)


def test_release_that_does_not_publish_credentials_still_counts_as_rendered() -> None:
    one = PlatformRegistry("h", "/a", "https", "", '{"auths":{}}')
    assert one.rendered_as(PlatformRegistry("h", "/a", "https", "", ""))
    assert not one.rendered_as(PlatformRegistry("h", "/a", "https", "", '{"auths":{"x":{}}}'))
    assert not one.rendered_as(None)
