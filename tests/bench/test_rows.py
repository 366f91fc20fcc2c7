"""The format of the bench's results, and each of its parts once on small inputs. No figure is judged here."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import measured, process_tree
from bench.hook_run import run
from bench.rounds import alternate, compared
from bench.rows import ratio, row, table, write

FIELDS = ["name", "value", "unit", "aim", "holds"]
HOOK = Path(__file__).parents[2] / "hooks" / "discover_nodes.py"


def test_json_has_a_list_of_rows_with_exactly_the_agreed_fields(tmp_path: Path) -> None:
    write([row("a.time", 0.123456, "s"), ratio("a.ratio", 1.1, aim=1.2)], tmp_path / "out.json")
    rows = json.loads((tmp_path / "out.json").read_text())
    assert [list(one) for one in rows] == [FIELDS, FIELDS]
    assert rows[0] == {"name": "a.time", "value": 0.1235, "unit": "s", "aim": None, "holds": None}
    assert rows[1] == {"name": "a.ratio", "value": 1.1, "unit": "x", "aim": 1.2, "holds": True}


@pytest.mark.parametrize(("value", "holds"), [(1.05, True), (1.0499, True), (1.05001, False), (2.0, False)])
def test_an_aim_is_met_by_the_figure_itself_and_not_by_its_rounding(value: float, holds: bool) -> None:
    assert ratio("a", value, aim=1.05).holds is holds


def test_table_marks_missed_aims_and_leaves_rows_without_aim_blank() -> None:
    heading, first, second = table([ratio("missed", 2, aim=1), row("plain", 3, "s")]).splitlines()
    assert heading.split() == FIELDS
    assert first.split() == ["missed", "2", "x", "<=", "1", "NO"]
    assert second.split() == ["plain", "3", "s"]


def test_subjects_take_turns_and_every_second_round_goes_backwards() -> None:
    turns = itertools.count()
    figures = alternate({"a": lambda: next(turns), "b": lambda: next(turns)}, rounds=3)
    assert figures == {"a": [0, 3, 4], "b": [1, 2, 5]}


def test_out_of_time_the_least_rounds_are_made_and_no_more() -> None:
    assert alternate({"a": lambda: 1}, rounds=10, seconds=0) == {"a": [1, 1, 1]}


def test_ratios_are_taken_round_by_round() -> None:
    assert compared([2, 20, 30], [1, 10, 30]) == 2


def test_a_hook_run_costs_something_and_leaves_a_patch() -> None:
    cost = run(HOOK, {"binding": "nodes", "snapshots": {"nodes": []}}, {"global": {}, "registry": {"internal": {}}})
    assert cost.cpu > 0
    assert cost.wall > 0
    assert cost.values["registry"]["internal"]["facts"]["nodes"]["total"] == 0
    assert cost.patch > 2
    assert 2**20 < cost.peak < 2**28


def test_a_hook_that_fails_is_an_error_of_the_bench() -> None:
    with pytest.raises(RuntimeError, match=r"discover_nodes\.py failed"):
        run(HOOK, {}, {"registry": "not an object"})


def test_peak_memory_is_the_commands_own_and_not_that_of_who_measures(capfd: pytest.CaptureFixture[str]) -> None:
    ballast = bytearray(os.urandom(1) * (256 * 2**20))
    command = [sys.executable, "-I", "-S", measured.__file__, sys.executable, "-I", "-S", "-c", ""]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(finished.stdout)["peak"] < 64 * 2**20 < len(ballast)


def test_figures_of_a_process_include_its_children() -> None:
    child = "print('started', flush=True); input()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-I', '-S', '-c', {child!r}])"
    command = [sys.executable, "-I", "-S", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        first, second = process_tree.members(parent.pid)
        assert first == parent.pid
        assert process_tree.resident(first) > process_tree.resident(second) > 0
        now = process_tree.resident(first)
        assert process_tree.peak(first) >= now
        assert process_tree.cpu_seconds(first) > process_tree.cpu_seconds(second) > 0
        parent.stdin.write(b"\n")
