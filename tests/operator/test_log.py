"""The operator's log: what tests search for secrets (hook contract, section 4)."""

from pathlib import Path

from tests.platform.operator.log import MAX_LINE, Log


def test_json_lines_of_a_hook_become_fields(tmp_path: Path) -> None:
    lines: list[str] = []
    log = Log(path=tmp_path / "log", callback=lines.append)
    log.hook_output("hooks/a.py", "stdout", '{"level": "info", "msg": "hello"}\nplain\n')
    log.close()
    assert '{"level": "info", "msg": "hello", "hook": "hooks/a.py", "output": "stdout"}' in lines[0]
    assert '{"msg": "plain", "hook": "hooks/a.py", "output": "stdout"}' in lines[1]
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == lines


def test_overlong_lines_of_a_hook_are_cut() -> None:
    lines: list[str] = []
    Log(callback=lines.append).hook_output("hooks/a.py", "stderr", "x" * (MAX_LINE + 5))
    assert lines[0].count("x") == MAX_LINE
