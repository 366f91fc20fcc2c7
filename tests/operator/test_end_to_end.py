"""The whole way once: ModuleConfig → hooks → values → Helm → objects, and a hook built on lib-python as shipped."""

import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.waiting import Start, wait_for

REPOSITORY = Path(__file__).parents[2]

NODES = {"name": "nodes", "apiVersion": "v1", "kind": "Node", "jqFilter": ".metadata.name"}


def _ship_lib_python(demo: Demo) -> None:
    subprocess.run([REPOSITORY / "tools/python-dist"], check=True)
    shutil.copytree(REPOSITORY / "lib/python/dist", demo.folder / "lib/python/dist")


def test_enabled_module_renders_what_its_hook_found(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook(
        "find.py",
        {"beforeHelm": 1, "kubernetes": [{**NODES, "labelSelector": {"matchLabels": {"test": demo.name}}}]},
        """
        found = [item["filterResult"] for item in contexts[-1].get("snapshots", {}).get("nodes", [])]
        patch("add", f"/{key}/internal/seen", found)
        """,
    )
    api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "first", "labels": {"test": demo.name}}})
    operator = start()
    api.create(demo.config(color="Blue"))
    operator.wait_converged(60)
    found = api.get("v1", "ConfigMap", demo.namespace, demo.name)
    assert found is not None
    assert found["data"] == {"color": "Blue", "seen": "first", "zone": "none"}


@pytest.mark.root
def test_lib_python_hook_runs_with_packages_of_module_and_platform(api: ApiServer, demo: Demo, start: Start) -> None:
    _ship_lib_python(demo)
    hook = """\
    #!/usr/bin/env python3
    import sys
    from deckhouse import hook
    from cryptography import x509

    def main(ctx):
        packages = [sys.modules[name].__file__ for name in ("deckhouse", "cryptography")]
        ctx.values[KEY]["internal"]["seen"] = [*packages, sys.path[-1]]

    if __name__ == "__main__":
        hook.run(main, config="configVersion: v1\\nonStartup: 1\\n")
    """
    demo.text("hooks/real.py", textwrap.dedent(hook).replace("KEY", repr(demo.key)), mode=0o755)
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    own, platforms, last = operator.values()[demo.key]["internal"]["seen"]
    assert own.endswith(f"900-{demo.name}/lib/python/dist/deckhouse/__init__.py")
    assert platforms == "/deckhouse/python_lib/cryptography/__init__.py"
    assert last.endswith("/lib/python/dist")


def test_map_key_with_a_slash_breaks_the_patch_of_lib_python_on_every_retry(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    _ship_lib_python(demo)
    hook = """\
    #!/usr/bin/env python3
    from deckhouse import hook

    def main(ctx):
        labels = ctx.values[KEY]["internal"].setdefault("labels", {})
        labels["example.com/role"] = "x" if labels else "y"

    if __name__ == "__main__":
        hook.run(main, config="configVersion: v1\\nbeforeHelm: 1\\nafterHelm: 1\\n")
    """
    demo.text("hooks/slash.py", textwrap.dedent(hook).replace("KEY", repr(demo.key)), mode=0o755)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: len(operator.hook_runs()) >= 4)
    path = f"/{demo.key}/internal/labels/example.com/role"
    assert path in operator.queue_errors()["main"]
    assert [bool(run.error) for run in operator.hook_runs()[:4]] == [False, True, True, True]


def test_hooks_in_the_chart_fail_the_release_when_helmignore_forgets_them(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    demo.text(".helmignore", "openapi\n")
    demo.text("hooks/lib/large.bin", "x" * (5 * 1024 * 1024 + 1))
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors())
    assert "large.bin" in operator.queue_errors()["main"]
