"""Which files are hooks, and what happens when one of them cannot be loaded (hook contract, sections 1 and 12)."""

from pathlib import Path

from tests.operator.api_server import ApiServer
from tests.operator.demo import Demo
from tests.operator.waiting import Start, wait_for
from tests.platform.operator.discovery import find_hooks, has_own_python


def _names(demo: Demo, warnings: list[str]) -> list[str]:
    return [str(path.relative_to(demo.folder)) for path in find_hooks(demo.folder, warnings.append)]


def test_find_hooks_takes_executables_in_path_order_and_skips_the_rest(demo: Demo) -> None:
    for path in ("b.py", "a/z.sh", "a.py", "lib/pure.py", "venv/bin/python3", ".git/hook.py", "x/lib/pure.py"):
        demo.text(f"hooks/{path}", "#!/bin/sh\n", mode=0o755)
    for path in ("notes.md", "data.json", "data.yaml", "data.txt", ".hidden.py"):
        demo.text(f"hooks/{path}", "", mode=0o755)
    warnings: list[str] = []
    assert _names(demo, warnings) == ["hooks/a/z.sh", "hooks/a.py", "hooks/b.py"]
    assert warnings == []


def test_find_hooks_warns_about_a_file_without_the_owners_exec_bit(demo: Demo) -> None:
    demo.text("hooks/forgotten.py", "", mode=0o655)
    warnings: list[str] = []
    assert _names(demo, warnings) == []
    assert warnings == ["file hooks/forgotten.py has no executable permissions and is not a hook"]


def test_find_hooks_drops_links_that_do_not_survive_unpacking(demo: Demo, tmp_path: Path) -> None:
    inside = demo.text("hooks/real.py", "#!/bin/sh\n", mode=0o755)
    outside = tmp_path / "outside.py"
    outside.touch(0o755)
    (demo.folder / "hooks/absolute.py").symlink_to(inside)
    (demo.folder / "hooks/escaping.py").symlink_to("../../outside.py")
    (demo.folder / "hooks/dangling.py").symlink_to("nothing.py")
    (demo.folder / "hooks/good.py").symlink_to("real.py")
    assert _names(demo, []) == ["hooks/good.py", "hooks/real.py"]


def test_has_own_python_asks_for_a_regular_executable(demo: Demo) -> None:
    python = demo.text("hooks/venv/bin/python3", "", mode=0o755)
    assert has_own_python(demo.folder)
    python.unlink()
    python.symlink_to("/usr/bin/python3")
    assert not has_own_python(demo.folder)


def test_executable_helper_stops_the_module_with_no_more_than_its_exit_status(
    api: ApiServer, demo: Demo, start: Start
) -> None:
    demo.text("hooks/helper.py", "#!/usr/bin/env python3\nraise RuntimeError('told to nobody')\n", mode=0o755)
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors(), what="an error in main")
    assert operator.queue_errors() == {"main": "hooks/helper.py --config: exit status 1"}
    assert operator.helm_revision() == 0


def test_unknown_key_in_a_configuration_stops_the_module(api: ApiServer, demo: Demo, start: Start) -> None:
    demo.hook("wrong.py", {"beforeHelm": 1, "beforeAll": 2})
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors(), what="an error in main")
    assert "'beforeAll' was unexpected" in operator.queue_errors()["main"]


def test_python_hooks_without_their_own_interpreter_are_warned_about(api: ApiServer, demo: Demo, start: Start) -> None:
    lines: list[str] = []
    demo.hook("plain.py", {"onStartup": 1})
    api.create(demo.config())
    start(on_log=lines.append).wait_converged(60)
    assert any("has no python virtual environment" in line for line in lines)


def test_plain_venv_cannot_start(api: ApiServer, demo: Demo, start: Start) -> None:
    python = Path("/usr/bin/python3").resolve()
    target = demo.text("hooks/venv/bin/python3", "", mode=0o755)
    target.write_bytes(python.read_bytes())
    demo.hook("plain.py", {"onStartup": 1})
    api.create(demo.config())
    operator = start()
    wait_for(lambda: operator.queue_errors(), what="an error in main")
    assert operator.queue_errors() == {"main": "hooks/plain.py --config: exit status 1"}


def test_venv_with_its_standard_library_runs(api: ApiServer, demo: Demo, start: Start) -> None:
    # Links to the system's library stand for a copy: what counts is what PYTHONHOME leads to.
    python = Path("/usr/bin/python3").resolve()
    target = demo.text("hooks/venv/bin/python3", "", mode=0o755)
    target.write_bytes(python.read_bytes())
    version = python.name
    (demo.folder / "hooks/venv/lib").mkdir()
    (demo.folder / "hooks/venv/lib" / version).symlink_to(f"/usr/lib/{version}")
    demo.hook("plain.py", {"onStartup": 1}, 'patch("add", f"/{key}/internal/seen", [sys.prefix])')
    api.create(demo.config())
    operator = start()
    operator.wait_converged(60)
    assert operator.values()[demo.key]["internal"]["seen"][0].endswith("hooks/venv")
