"""What the user is told at apply (platform contracts, section 10), through the real API server."""

import re
from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import CONFIG_SCHEMA, Demo
from tests.operator.waiting import Start
from tests.platform.operator.admission import ALLOW_DISABLING, review
from tests.platform.operator.cluster import ApiError
from tests.platform.operator.conversions import Conversions


def test_wrong_settings_are_refused_with_the_field_and_without_the_value(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    lines: list[str] = []
    start(on_log=lines.append)
    with pytest.raises(ApiError, match=re.escape(f"{demo.key}.password should match '^[a-z0-9-]+$'")) as refused:
        api.create(demo.config(password="Tell Nobody"))
    assert refused.value.status == 403
    assert "Tell Nobody" not in str(refused.value)
    assert not any("Tell Nobody" in line for line in lines)
    with pytest.raises(ApiError, match="low must not exceed high"):
        api.create(demo.config(low=20))
    api.create(demo.config(low=2))
    with pytest.raises(ApiError, match=f"{demo.key}.color should be one of"):
        api.merge(demo.config(color="Green"))


def test_disabled_module_and_other_modules_may_say_anything(api: ApiServer, demo: Demo, start: Start) -> None:
    start()
    api.create(demo.config(enabled=False, color="Green"))
    other = {**demo.config(color="Green"), "metadata": {"name": f"other-{demo.name}"}}
    api.create(other)


def _review(demo: Demo, new: dict[str, Any] | None, old: dict[str, Any] | None = None, confirm: str = "") -> Any:
    conversions = Conversions(demo.folder)
    return review(new, old, check=lambda *_: [], conversions=conversions, disable_confirmation=confirm)


def test_settings_need_a_version(demo: Demo) -> None:
    config = demo.config(color="Red")
    del config["spec"]["version"]
    verdict = _review(demo, config)
    assert (verdict.allowed, verdict.message) == (False, "spec.version is required when spec.settings are given")


def test_version_without_settings_is_a_warning(demo: Demo) -> None:
    config = {**demo.config(), "spec": {"enabled": True, "version": 1}}
    verdict = _review(demo, config)
    assert verdict.allowed
    assert verdict.warnings == ["spec.version has no effect without spec.settings"]


def test_unknown_version_is_refused_and_an_older_one_converted_with_a_warning(demo: Demo) -> None:
    demo.yaml(
        "openapi/conversions/v2.yaml", {"version": 2, "conversions": ['.color = (.colour // "Red") | del(.colour)']}
    )
    assert Conversions(demo.folder).convert({"colour": "Blue"}, 1) == {"color": "Blue"}
    older = _review(demo, demo.config(colour="Blue"))
    assert older.allowed
    assert older.warnings == ["spec.version 1 is outdated, the newest is 2"]
    newer = demo.config(color="Blue")
    newer["spec"]["version"] = 3
    assert "version 3 is unknown, the newest is 2" in _review(demo, newer).message


def test_converted_settings_reach_the_values(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.yaml("openapi/config-values.yaml", {**CONFIG_SCHEMA, "x-config-version": 2})
    demo.yaml("openapi/conversions/v2.yaml", {"version": 2, "conversions": [".color = .colour | del(.colour)"]})
    operator = start()
    api.create(demo.config(colour="Blue"))
    operator.wait_converged(60)
    assert operator.values()[demo.key]["color"] == "Blue"


def test_disabling_waits_for_its_confirmation(demo: Demo) -> None:
    on, off = demo.config(), demo.config(enabled=False)
    assert not _review(demo, off, on, "this stops pulls").allowed
    assert not _review(demo, None, on, "this stops pulls").allowed
    off["metadata"]["annotations"] = on["metadata"]["annotations"] = {ALLOW_DISABLING: "true"}
    assert _review(demo, off, on, "this stops pulls").allowed
    assert _review(demo, None, on, "this stops pulls").allowed
    assert _review(demo, off, None, "this stops pulls").allowed
