"""The diagram of the stages says what the table says."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from lib.registry_module.stages import STAGES
from tools.stages.__main__ import BEGIN, PAGE, placed, render


def test_the_page_shows_the_diagram_of_the_table() -> None:
    page = PAGE.read_text()
    assert placed(page) == page, "write it: .venv/bin/python -m tools.stages"


def test_each_row_is_a_box_that_leads_to_the_next() -> None:
    lines = render().splitlines()
    boxes = [line.split(":")[0].strip() for line in lines if re.match(r"  \w+: ", line)]
    assert boxes == [stage.name for stage in STAGES]
    arrows = [line.strip().split(" --> ") for line in lines if " --> " in line]
    names = ["[*]", *boxes]
    assert [tuple(arrow) for arrow in arrows[:-1]] == list(pairwise(names))
    assert arrows[-1][0] == boxes[-1]


def test_a_page_without_its_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="once each"):
        placed(f"{BEGIN}\n{BEGIN}")
