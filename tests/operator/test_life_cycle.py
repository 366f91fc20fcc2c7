"""The life of a module: order, Helm, schedules, restarts, removal (hook contract, sections 6 and 12)."""

from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import VALUES_SCHEMA, Demo
from tests.operator.waiting import Start, ran, wait_for


def test_life_cycle_hooks_run_by_order_and_then_by_path(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook("c.py", {"onStartup": 10, "beforeHelm": 10, "afterHelm": 5})
    demo.hook("b.py", {"onStartup": 10, "beforeHelm": 2, "afterDeleteHelm": 1})
    demo.hook("a.py", {"onStartup": 20, "beforeHelm": 10, "beforeDeleteHelm": 1})
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert ran(operator) == [
        *(("b.py", "onStartup"), ("c.py", "onStartup"), ("a.py", "onStartup")),
        *(("b.py", "beforeHelm"), ("a.py", "beforeHelm"), ("c.py", "beforeHelm")),
        ("c.py", "afterHelm"),
    ]
    api.delete("deckhouse.io/v1alpha1", "ModuleConfig", "", demo.name)
    operator.wait_converged(60)
    assert ran(operator)[7:] == [("a.py", "beforeDeleteHelm"), ("b.py", "afterDeleteHelm")]
    assert operator.helm_revision() == 0
    assert api.get("v1", "ConfigMap", demo.namespace, demo.name) is None


def test_after_helm_change_of_values_runs_the_module_again(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook("before.py", {"beforeHelm": 1})
    demo.hook("later.py", {"afterHelm": 1}, 'patch("add", f"/{key}/internal/seen", ["after"])')
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert ran(operator) == [("before.py", "beforeHelm"), ("later.py", "afterHelm")] * 2
    assert operator.helm_revision() == 2


def test_global_change_runs_the_module(api: ApiServer, demo: Demo, start: Start) -> None:
    api.create(demo.config())
    operator = start()
    operator.set_global({"zone": "a"})
    operator.wait_converged(60)
    operator.set_global({"zone": "a"})
    operator.set_global({"zone": "b"})
    operator.wait_converged(60)
    found = api.get("v1", "ConfigMap", demo.namespace, demo.name)
    assert found is not None
    assert found["data"]["zone"] == "b"
    assert operator.helm_revision() == 2


def test_values_checks_keep_the_module_in_main_until_they_hold(api: ApiServer, demo: Demo, start: Start) -> None:
    internal = {**VALUES_SCHEMA["properties"]["internal"], "x-required-for-helm": ["count"]}
    properties = {**VALUES_SCHEMA["properties"], "internal": internal}
    demo.yaml("openapi/values.yaml", {**VALUES_SCHEMA, "properties": properties})
    body = """
    if values[key]["color"] == "Blue":
        patch("add", f"/{key}/internal/count", 1)
    """
    demo.hook("fill.py", {"beforeHelm": 1}, body)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors())
    assert operator.queue_errors() == {"main": f"{demo.key}.internal.count is required"}
    assert operator.helm_revision() == 0
    api.merge(demo.config(color="Blue"))
    operator.wait_converged(60)
    assert operator.helm_revision() == 1


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('patch("add", f"/{key}/internal/unknown", 1)', "internal.unknown is a forbidden property"),
        ('patch("add", f"/{key}/high", 0)', "low must not exceed high"),
        ('patch("add", f"/{key}/internal/labels/a", "1")', "does not apply"),
    ],
)
def test_wrong_values_patch_is_retried_and_the_old_values_stay(
    api: ApiServer, demo: Demo, start: Start, line: str, error: str
) -> None:
    demo.hook("wrong.py", {"beforeHelm": 1}, line)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: len(operator.hook_runs()) >= 2)
    assert error in operator.queue_errors()["main"]
    assert operator.values()[demo.key]["internal"] == {}


def test_settings_that_slipped_in_wrong_are_retried_and_named_in_the_status(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    api.create(demo.config(color="Green"))  # no webhook stands yet
    operator = start()
    wait_for(lambda: operator.queue_errors())
    assert f"{demo.key}.color should be one of" in operator.queue_errors()["main"]
    config = api.get("deckhouse.io/v1alpha1", "ModuleConfig", "", demo.name)
    assert config is not None
    assert f"{demo.key}.color should be one of" in config["status"]["message"]
    api.merge(demo.config(color="Blue"))
    operator.wait_converged(60)
    config = api.get("deckhouse.io/v1alpha1", "ModuleConfig", "", demo.name)
    assert config is not None
    assert config["status"] == {"version": "1", "message": ""}


def test_crds_of_the_module_are_installed_and_updated_with_it(api: ApiServer, demo: Demo, start: Start) -> None:
    group = f"{demo.name}.example.com"
    names = {"plural": "things", "singular": "thing", "kind": "Thing"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}

    def definition(*short: str) -> dict[str, Any]:
        version = {"name": "v1", "served": True, "storage": True, "schema": schema}
        spec = {"group": group, "scope": "Cluster", "names": {**names, "shortNames": [*short]}, "versions": [version]}
        kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
        return {**kind, "metadata": {"name": f"things.{group}"}, "spec": spec}

    demo.yaml("crds/thing.yaml", definition())
    demo.yaml("crds/doc-ru-thing.yaml", {"spec": {"versions": []}})
    demo.hook("maker.py", {"kubernetes": [{"name": "things", "apiVersion": f"{group}/v1", "kind": "Thing"}]})
    api.create(demo.config())
    first = start()
    first.wait_converged(60)
    assert first.queue_errors() == {}
    first.kill()
    demo.yaml("crds/thing.yaml", definition("th"))
    start().wait_converged(60)
    found = api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"things.{group}")
    assert found is not None
    assert found["spec"]["names"]["shortNames"] == ["th"]
