"""Which proxy a request goes through: a table of addresses, exceptions and environments."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from registry_gateway import config, proxies
from registry_gateway.proxies import Proxies

HTTP, HTTPS = proxies.proxy("http://proxy.example.com:3128"), proxies.proxy("http://tunnel.example.com:8080")


def through(*exceptions: str) -> Proxies:
    return Proxies(HTTP, HTTPS, proxies.bypasses(exceptions))


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://registry.example.com/v2/", HTTP),
        ("https://registry.example.com/v2/", HTTPS),
        ("https://198.51.100.7:5000/v2/", HTTPS),
        ("https://[2001:db8::1]/v2/", HTTPS),
        ("ftp://registry.example.com/", None),
        ("https://registry.d8-system.svc:5001/v2/", None),
        ("https://REGISTRY.d8-system.svc./v2/", None),
        ("https://localhost:5000/", None),
        ("https://a.localhost/", None),
        ("https://127.0.0.1:5000/", None),
        ("https://[::1]/", None),
        ("https://[::ffff:127.0.0.1]/", None),
    ],
)
def test_the_scheme_chooses_and_the_cluster_and_this_machine_are_left_out(
    url: str, proxy: proxies.Proxy | None
) -> None:
    assert through().choose(URL(url)) == proxy


@pytest.mark.parametrize(
    ("exception", "url", "covered"),
    [
        ("example.com", "https://example.com/", True),
        ("example.com", "https://registry.example.com/", True),
        ("example.com", "https://a.registry.example.com:8443/", True),
        ("example.com", "https://EXAMPLE.com./", True),
        ("Example.COM", "https://registry.example.com/", True),
        ("example.com", "https://badexample.com/", False),
        ("example.com", "https://example.com.evil.net/", False),
        ("registry.example.com", "https://example.com/", False),
        (".corp", "https://registry.corp/", True),
        (".corp", "https://corp/", True),
        ("*.corp", "https://registry.corp/", True),
        ("*corp", "https://registry.corp/", False),
        (" corp ", "https://registry.corp/", True),
        ("example.com:8443", "https://registry.example.com:8443/", True),
        ("example.com:8443", "https://registry.example.com/", False),
        ("example.com:443", "https://registry.example.com/", True),
        ("example.com:80", "http://registry.example.com/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.1.2.3/8", "https://10.9.9.9/", True),
        ("10.0.0.0/8", "https://11.0.0.1/", False),
        ("10.0.0.0/8", "https://registry.example.com/", False),
        ("0.0.0.0/0", "https://198.51.100.7/", True),
        ("0.0.0.0/0", "https://[2001:db8::1]/", False),
        ("198.51.100.7", "https://198.51.100.7:5000/", True),
        ("198.51.100.7", "https://[::ffff:198.51.100.7]/", True),
        ("198.51.100.7", "https://198.51.100.70/", False),
        ("198.51.100.7:5000", "https://198.51.100.7:5000/", True),
        ("198.51.100.7:5000", "https://198.51.100.7/", False),
        ("100.7", "https://198.51.100.7/", False),
        ("2001:db8::/32", "https://[2001:db8::1]/", True),
        ("2001:db8::/32", "https://[2001:db9::1]/", False),
        ("2001:db8:0::1", "https://[2001:db8::1]:5000/", True),
        ("[2001:db8::1]", "https://[2001:db8::1]/", True),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/", True),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]/", False),
        ("*", "https://registry.example.com/", True),
        ("*", "http://198.51.100.7/", True),
        ("*:5000", "https://registry.example.com:5000/", True),
        ("*:5000", "https://registry.example.com/", False),
        ("", "https://registry.example.com/", False),
        (".", "https://registry.example.com/", False),
        ("[", "https://registry.example.com/", False),
        ("10.0.0.0/99", "https://10.0.0.1/", False),
        ("example.com:99999", "https://example.com/", False),
    ],
)
def test_an_exception_covers_names_below_it_addresses_networks_and_ports(
    exception: str, url: str, covered: bool
) -> None:
    made = through("unrelated.example.net", exception)
    assert (made.choose(URL(url)) is None) is covered


@pytest.mark.parametrize(
    ("text", "name", "login"),
    [
        ("http://proxy.example.com:3128", "proxy.example.com:3128", ("", "")),
        ("https://proxy.example.com/", "proxy.example.com:443", ("", "")),
        ("http://proxy.example.com", "proxy.example.com:80", ("", "")),
        ("http://reader:p%40ss%3A%2F@proxy.example.com:3128", "proxy.example.com:3128", ("reader", "p@ss:/")),
        ("http://127.0.0.1:3128", "127.0.0.1:3128", ("", "")),
        ("http://[2001:db8::1]:3128", "[2001:db8::1]:3128", ("", "")),
    ],
)
def test_a_proxy_is_shown_without_its_credentials(text: str, name: str, login: tuple[str, str]) -> None:
    made = proxies.proxy(text)
    assert made is not None
    assert (made.name, made.user, made.password) == (name, *login)
    assert login[1] == "" or login[1] not in repr(made)
    assert "@" not in str(made.url)


@pytest.mark.parametrize(
    "text",
    [
        "proxy.example.com:3128",
        "socks5://proxy.example.com",
        "http://",
        "http://:3128",
        "http://pro xy:3128",
        "http://proxy:0",
        "http://proxy:99999",
        "http://proxy/path",
        "http://proxy?x=1",
        "http://proxy#x",
        "http://a%3Ab:p@proxy",
        "http://a:p%0d%0aX@proxy",
        "http://[::1",
        "",
    ],
)
def test_what_is_no_proxys_address_is_refused(text: str) -> None:
    assert proxies.proxy(text) is None


@given(st.text(), st.text())
def test_any_text_is_read_without_failing(text: str, host: str) -> None:
    proxies.proxy(text)
    made = Proxies(HTTP, HTTPS, proxies.bypasses([text, f"{text}:80", f"{text}/8"]))
    try:
        url = URL(f"http://{host}/")
    except ValueError:
        return
    assert made.choose(url) in (None, HTTP)


def parse(proxy: object, environment: dict[str, str]) -> Proxies:
    upstream = {"id": "a", "scheme": "https", "host": "registry.example.com", "path": "p"}
    document = {"schema": 1, "version": "v", "alias": "a", "routes": [upstream], "proxy": proxy}
    return config.parse(json.dumps(document).encode(), environment=environment).routes[0].proxies


ENVIRONMENT = {
    "HTTP_PROXY": "http://env.example.com:1",
    "https_proxy": "env.example.com:2",
    "NO_PROXY": "a.example.com, 10.0.0.0/8",
}


def test_without_a_section_the_environment_counts() -> None:
    made = parse(None, ENVIRONMENT)
    assert made.http == proxies.proxy("http://env.example.com:1")
    assert made.https == proxies.proxy("http://env.example.com:2")
    assert made.exceptions == proxies.bypasses(["a.example.com", "10.0.0.0/8"])


def test_a_section_takes_the_environments_place() -> None:
    assert parse({}, ENVIRONMENT) == proxies.DIRECT
    section = {"https": "http://u:p@set.example.com:3", "except": [".corp"]}
    assert parse(section, ENVIRONMENT) == Proxies(
        None, proxies.proxy("http://u:p@set.example.com:3"), proxies.bypasses([".corp"])
    )


def test_capitals_come_before_small_letters() -> None:
    made = parse(None, {"HTTPS_PROXY": "http://big:1", "https_proxy": "http://small:1", "no_proxy": "x"})
    assert (made.http, made.https) == (None, proxies.proxy("http://big:1"))
    assert made.exceptions == proxies.bypasses(["x"])


def test_an_unusable_proxy_of_the_environment_is_named_without_its_value() -> None:
    with pytest.raises(config.ConfigError, match="environment variable HTTPS_PROXY: must be") as failed:
        parse(None, {"HTTPS_PROXY": "socks5://u:s3cr3t@proxy.example.com"})
    assert "s3cr3t" not in str(failed.value)
