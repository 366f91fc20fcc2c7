"""Settings of Proxy and Local: the store they ask for, and what is refused, by field and without its value."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.registry_module import quantities, settings
from lib.registry_module.storage_folder import mode_error, path_error
from lib.registry_module.store_settings import StoreSettings
from lib.registry_module.upstream import Upstream
from tests.unit.test_settings import ANY, GOOD
from tests.unit.test_settings import direct as of_direct

UPSTREAM = Upstream("https", "new.example.com", "deckhouse/ee", "user", "password-1")


def proxy(storage: Any = None, **fields: Any) -> settings.Verdict:
    return settings.parse({"mode": "Proxy", "proxy": {**GOOD, **fields}, "storage": storage})  # type: ignore[dict-item] # a literal of mixed values


def local(storage: Any = None, **fields: Any) -> settings.Verdict:
    return settings.parse({"mode": "Local", "local": fields, "storage": storage})


def store(verdict: settings.Verdict) -> StoreSettings:
    assert verdict.settings is not None, verdict.errors
    assert verdict.settings.store is not None
    return verdict.settings.store


def test_proxy_has_the_upstream_of_direct_and_a_cache() -> None:
    lists = {"failover": [{"host": "mirror.example.com"}], "tokenRealms": ["auth.example.com"]}
    verdict, direct = proxy(**lists, checkMode="Relax"), of_direct(**lists)
    assert verdict.settings is not None, verdict.errors
    assert direct.settings is not None
    assert verdict.settings.upstream == direct.settings.upstream
    assert verdict.settings.check_mode == "Relax"
    assert store(verdict) == StoreSettings(
        "cache",
        path="/opt/deckhouse/registry/store",
        owner=64535,
        mode="0750",
        min_free=5 * 2**30,
        scrub_rate=10 * 2**20,
        ttl=7 * 24 * 3600,
        size=50 * 2**30,
    )


def test_local_has_no_upstream_and_its_source_fills_the_copy() -> None:
    verdict = local(source=GOOD, fillRate="100Mi", keepReleases=5, checkMode="Relax")
    assert verdict.settings is not None, verdict.errors
    assert (verdict.settings.upstream, verdict.settings.check_mode) == (None, "Relax")
    copy = store(verdict)
    assert (copy.role, copy.fill, copy.fill_rate, copy.keep_releases) == ("copy", UPSTREAM, 100 * 2**20, 5)
    assert (copy.ttl, copy.size) == (0, 0)


@pytest.mark.parametrize("values", [{"mode": "Local"}, {"mode": "Local", "local": {}, "storage": {}}])
def test_local_needs_no_section(values: dict[str, Any]) -> None:
    copy = store(settings.parse(values))
    assert (copy.fill, copy.fill_rate, copy.keep_releases) == (None, 0, 3)


def test_storage_is_where_the_settings_say() -> None:
    storage = {"path": "/mnt/disk/", "owner": 1000, "mode": "0700", "minFree": "1Ti", "scrubRate": "1Gi"}
    for found in (store(proxy(storage)), store(local(storage))):
        assert (found.path, found.owner, found.mode) == ("/mnt/disk", 1000, "0700")
        assert (found.min_free, found.scrub_rate) == (2**40, 2**30)


@pytest.mark.parametrize("mode", ["Unmanaged", "Direct"])
def test_modes_without_a_store_do_not_look_at_storage(mode: str) -> None:
    verdict = settings.parse({"mode": mode, "direct": GOOD, "storage": {"path": "/"}})
    assert verdict.settings is not None
    assert verdict.settings.store is None
    assert "store" not in verdict.settings.to_dict()


PROXY = [
    ("host", "user:secret@h"),
    ("checkMode", "secret"),
    ("ttl", "4m59s"),
    ("ttl", "87601h"),
    ("ttl", "secret"),
    ("ttl", "h"),
    ("ttl", "5m1h"),
    ("ttl", "-5m"),
    ("ttl", "5m\n"),
    ("ttl", "9" * 5000 + "h"),
    ("ttl", 300),
    ("cacheSize", "secret"),
    ("cacheSize", "0Gi"),
    ("cacheSize", "1.5Gi"),
    ("cacheSize", "50G"),
    ("cacheSize", "50"),
    ("cacheSize", "1025Ti"),
    ("cacheSize", "9" * 5000 + "Ti"),
    ("cacheSize", 50),
]
STORAGE = [
    ("path", "/"),
    ("path", "//"),
    ("path", ""),
    ("path", "secret/store"),
    ("path", "/mnt/secret/../store"),
    ("path", "/mnt/./store"),
    ("path", "/mnt//store"),
    ("path", "/mnt/secret store"),
    ("path", "/mnt/store\n"),
    ("path", "/mnt/{{ .secret }}"),
    ("path", "/mnt/" + "a" * 200),
    ("path", "/etc"),
    ("path", "/etc/kubernetes/store"),
    ("path", "/var/lib/etcd/store"),
    ("path", "/var/lib/kubelet"),
    ("path", "/var/lib/containerd/store"),
    ("path", "/var"),
    ("path", "/var/lib"),
    ("path", "/opt"),
    ("path", "/mnt/"),
    ("path", "/home"),
    ("path", 5),
    ("owner", 0),
    ("owner", -1),
    ("owner", 2**31),
    ("owner", "secret"),
    ("owner", True),
    ("mode", "0777"),
    ("mode", "0752"),
    ("mode", "0650"),
    ("mode", "750"),
    ("mode", "0788"),
    ("mode", "4750"),
    ("mode", "secret"),
    ("mode", 0o750),
    ("minFree", "secret"),
    ("minFree", 5),
    ("scrubRate", "0Mi"),
]
LOCAL = [
    ("source", "secret"),
    ("source", []),
    ("keepReleases", 0),
    ("keepReleases", 101),
    ("keepReleases", "secret"),
    ("keepReleases", True),
    ("keep", "secret"),
    ("keep", ["secret"] * 101),
    ("fillRate", "0Mi"),
    ("fillRate", "secret"),
    ("checkMode", "secret"),
]


@pytest.mark.parametrize(("field", "value"), PROXY)
def test_wrong_field_of_proxy_is_named_and_its_value_is_not_shown(field: str, value: Any) -> None:
    refused(proxy(**{field: value}), "proxy." + field)


@pytest.mark.parametrize(("field", "value"), LOCAL)
def test_wrong_field_of_local_is_named_and_its_value_is_not_shown(field: str, value: Any) -> None:
    refused(local(**{field: value}), "local." + field)


@pytest.mark.parametrize(("field", "value"), STORAGE)
def test_wrong_field_of_storage_is_named_in_both_modes(field: str, value: Any) -> None:
    refused(proxy({field: value}), "storage." + field)
    refused(local({field: value}), "storage." + field)


def refused(verdict: settings.Verdict, field: str) -> None:
    assert (verdict.settings, verdict.reason) == (None, "SettingsInvalid")
    assert [error.field for error in verdict.errors] == [field]
    assert "secret" not in " ".join(map(str, verdict.errors))


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mode": "Proxy"}, "proxy"),
        ({"mode": "Proxy", "proxy": []}, "proxy"),
        ({"mode": "Proxy", "proxy": GOOD, "storage": "/mnt/disk"}, "storage"),
        ({"mode": "Local", "local": "secret"}, "local"),
        ({"mode": "Local", "storage": []}, "storage"),
    ],
)
def test_section_that_is_missing_or_no_object_is_refused(values: dict[str, Any], field: str) -> None:
    refused(settings.parse(values), field)


def test_mistakes_of_all_sections_are_told_at_once() -> None:
    verdict = local({"path": "/", "mode": "rwx"}, source={"host": "h", "path": "/.."}, keepReleases=0)
    fields = {error.field for error in verdict.errors}
    assert fields == {"storage.path", "storage.mode", "local.source.path", "local.keepReleases"}


@given(
    section=st.dictionaries(
        st.sampled_from(["host", "path", "ttl", "cacheSize", "source", "keepReleases", "fillRate"]), ANY
    ),
    storage=ANY | st.dictionaries(st.sampled_from(["path", "owner", "mode", "minFree", "scrubRate"]), ANY),
)
def test_whatever_comes_is_judged_without_an_exception(section: dict[str, Any], storage: Any) -> None:
    for verdict in (proxy(storage, **section), local(storage, **section)):
        assert (verdict.settings is None) == bool(verdict.errors)


@given(amount=st.integers(1, 1024), unit=st.sampled_from(["Mi", "Gi", "Ti"]))
def test_sizes_are_as_written(amount: int, unit: str) -> None:
    power = {"Mi": 20, "Gi": 30, "Ti": 40}[unit]
    assert store(proxy(cacheSize=f"{amount}{unit}")).size == amount << power


@given(seconds=st.integers(300, quantities.MAX_DURATION))
def test_durations_are_as_written(seconds: int) -> None:
    minutes, rest = divmod(seconds, 60)
    assert store(proxy(ttl=f"{minutes // 60}h{minutes % 60}m{rest}s")).ttl == seconds
    assert store(proxy(ttl=f"{seconds}s")).ttl == seconds


@given(text=st.text(max_size=30) | st.from_regex(r"[0-9hmsGi]{0,30}", fullmatch=True))
def test_no_text_makes_an_amount_that_is_out_of_bounds(text: str) -> None:
    verdict = proxy({"minFree": text}, ttl=text, cacheSize=text)
    assert verdict.settings is None  # no text is both a time and a size


PIECES = st.sampled_from(["var", "lib", "etc", "etcd", "opt", "mnt", "deckhouse", "bin", "..", ".", "", "a b", "store"])


@given(path=st.text(max_size=40) | st.lists(PIECES, max_size=5).map(lambda pieces: "/" + "/".join(pieces)))
def test_accepted_path_is_a_folder_of_its_own_and_safe_for_every_sink(path: str) -> None:
    if path_error(path):
        return
    path = path.rstrip("/")
    assert path.startswith("/")
    assert not set(path) & set(" \t\n\"'`$(){}<>|&;\\:@,")
    assert not {"", ".", ".."} & set(path.split("/")[1:])
    assert not (path + "/").startswith(("/etc/", "/var/lib/etcd/", "/usr/"))
    assert not any((folder + "/").startswith(path + "/") for folder in ("/etc", "/var/lib/etcd", "/opt/deckhouse/bin"))


@given(mode=st.from_regex(r"[0-9]{3,5}", fullmatch=True))
def test_accepted_mode_is_the_owners_and_not_writable_for_everybody(mode: str) -> None:
    if not mode_error(mode):
        bits = int(mode, 8)
        assert bits & 0o700 == 0o700
        assert not bits & 0o7002


@given(
    st.builds(
        StoreSettings,
        role=st.sampled_from(["cache", "copy"]),
        owner=st.integers(1, 2**31 - 1),
        size=st.integers(0, quantities.MAX_SIZE),
        keep_releases=st.integers(0, 100),
        fill=st.none() | st.just(UPSTREAM),
        fill_rate=st.integers(0, quantities.MAX_SIZE),
    )
)
def test_settings_survive_json(given: StoreSettings) -> None:
    whole = settings.Settings("Local", None, "Default", given)
    assert settings.Settings.from_dict(json.loads(json.dumps(whole.to_dict()))) == whole
