"""`python -m tests.platform.operator`, and the operator without root."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.waiting import Start
from tests.platform.operator import webhook

REPOSITORY = Path(__file__).parents[2]


def test_command_line_runs_a_module_and_ends_in_good_order(api: ApiServer, demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "global.json").write_text(json.dumps({"zone": "hand"}), encoding="utf-8")
    api.create(demo.config())
    command = [sys.executable, "-m", "tests.platform.operator", "--kubeconfig", str(api.kubeconfig)]
    options = ["--module", str(demo.folder), "--global", str(tmp_path / "global.json")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}  # what a killed one would leave goes with the test's folder
    process = subprocess.Popen([*command, *options], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        upgraded = any("helm release upgraded" in line for line in process.stdout)  # ends at the first that says so
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert upgraded
    found = api.get("v1", "ConfigMap", demo.namespace, demo.name)
    assert found is not None
    assert found["data"]["zone"] == "hand"
    kind = "ValidatingWebhookConfiguration"
    assert api.get("admissionregistration.k8s.io/v1", kind, "", webhook.NAME) is None


def test_without_root_hooks_are_plain_processes_and_the_log_says_so(
    api: ApiServer, demo: Demo, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    body = """
    import cryptography
    patch("add", f"/{key}/internal/seen", [sys.argv[0], sys.path[-1]])
    """
    demo.hook("plain.py", {"onStartup": 1}, body)
    api.create(demo.config())
    lines: list[str] = []
    operator = start(on_log=lines.append)
    operator.wait_converged(60)
    assert any("not root" in line for line in lines)
    seen = operator.values()[demo.key]["internal"]["seen"]
    assert seen == [str(demo.folder / "hooks/plain.py"), str(demo.folder / "lib/python/dist")]
