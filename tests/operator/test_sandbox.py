"""Where hooks run: no /etc, no network, nothing writable but the temporary folder (hook contract, section 2)."""

from typing import Any

import pytest

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.waiting import Start

pytestmark = pytest.mark.root

PROBE = """
import errno, importlib.util, os, socket, tempfile

def outcome(action):
    try:
        action()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno] if error.errno in errno.errorcode else type(error).__name__

def create(folder):
    with open(os.path.join(folder, "probe"), "w", encoding="utf-8"):
        pass

module = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
report = {
    "cwd": os.getcwd(),
    "module": module,
    "root": ",".join(sorted(os.listdir("/"))),
    "etc": outcome(lambda: os.listdir("/etc")),
    "null": outcome(lambda: open("/dev/null", "wb").write(b"x")),
    "connect": outcome(lambda: socket.create_connection(("198.51.100.1", 443), 1)),
    "connect-loopback": outcome(lambda: socket.create_connection(("127.0.0.1", PORT), 1)),
    "write-root": outcome(lambda: create("/")),
    "write-usr": outcome(lambda: create("/usr")),
    "write-python-lib": outcome(lambda: create("/deckhouse/python_lib")),
    "write-module": outcome(lambda: create(module)),
    "write-tmp": outcome(lambda: create(tempfile.gettempdir())),
    "yaml": str(importlib.util.find_spec("yaml")),
    "pythonpath": os.environ["PYTHONPATH"],
    "leaked": os.environ.get("OPERATOR_TEST_LEAK", "no"),
    "added": os.environ.get("ADDED", "no"),
}
patch("add", f"/{key}/internal/labels", report)
"""


@pytest.fixture
def report(api: ApiServer, demo: Demo, start: Start, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a hook saw of its surroundings."""
    monkeypatch.setenv("OPERATOR_TEST_LEAK", "yes")
    port = api.kubeconfig.read_text(encoding="utf-8").split("127.0.0.1:")[1].split()[0]
    demo.hook("probe.py", {"onStartup": 1}, PROBE.replace("PORT", port))
    api.create(demo.config())
    operator = start(environment={"ADDED": "yes"})
    operator.wait_converged(60)
    return dict(operator.values()[demo.key]["internal"]["labels"])


def test_hook_sees_only_the_platforms_tree(report: dict[str, Any], demo: Demo) -> None:
    assert report["etc"] == "ENOENT"
    assert report["root"] == "bin,deckhouse,dev,lib,lib64,tmp,usr"
    assert report["null"] == "ok"
    assert report["cwd"] == "/"
    assert report["module"] == f"/deckhouse/modules/900-{demo.name}"
    assert report["yaml"] == "None"
    assert report["pythonpath"] == "/deckhouse/python_lib"
    assert (report["leaked"], report["added"]) == ("no", "yes")
    assert {name: report[name] for name in report if name.startswith("connect")} == {
        "connect": "ENETUNREACH",
        "connect-loopback": "ENETUNREACH",
    }
    assert {name: report[name] for name in report if name.startswith("write")} == {
        "write-root": "EROFS",
        "write-usr": "EROFS",
        "write-python-lib": "EROFS",
        "write-module": "EROFS",
        "write-tmp": "ok",
    }
