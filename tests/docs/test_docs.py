"""Documents: twins of one structure, links that lead somewhere, and statements that the code agrees with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lib.registry_module import names
from lib.registry_module.settings import INVALID, parse
from lib.registry_module.stages import STAGES
from tests.docs import pages, reasons
from tests.platform.operator.schema import validate_settings

USER_PAGES = [*pages.ENGLISH, *pages.RUSSIAN]
ALL_PAGES = [*USER_PAGES, *pages.INTERNAL, *pages.ROOT_PAGES]
EXAMPLES = sorted((pages.ROOT / "examples").glob("*.yaml"))
CYRILLIC = re.compile(r"[\u0400-\u04ff]")


def named(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", paths, ids=[str(path.relative_to(pages.ROOT)) for path in paths])


def manifests(page: Path) -> list[dict[str, Any]]:
    blocks = [block for block in pages.code(page, "yaml") if block.startswith("apiVersion")]
    return [document for block in blocks for document in yaml.safe_load_all(block)]


def configs() -> list[Any]:
    """Each ModuleConfig of the pages and of examples/, to be judged by itself."""
    found = [(page, manifests(page)) for page in USER_PAGES]
    found += [(path, list(yaml.safe_load_all(pages.text(path)))) for path in EXAMPLES]
    return [pytest.param(c, id=f"{path.name}-{number}") for path, all_ in found for number, c in enumerate(all_, 1)]


CONFIGS = configs()


def test_each_page_has_a_twin() -> None:
    assert {path.name for path in pages.ENGLISH} >= {"README.md", "CONFIGURATION.md", "EXAMPLES.md", "FAQ.md"}
    assert [pages.twin(path) for path in pages.ENGLISH] == sorted(pages.RUSSIAN)


@named(pages.ENGLISH)
def test_twins_have_one_structure(page: Path) -> None:
    russian = pages.twin(page)
    assert [level for level, _ in pages.headings(page)] == [level for level, _ in pages.headings(russian)]
    shapes = [[(len(rows), len(rows[0])) for rows in pages.tables(path)] for path in (page, russian)]
    assert shapes[0] == shapes[1]


@named(pages.ENGLISH)
def test_twins_have_the_same_code(page: Path) -> None:
    languages = ("yaml", "shell", "text")
    assert pages.code(page, *languages) == pages.code(pages.twin(page), *languages)


@named(USER_PAGES)
def test_front_matter_is_title_and_description(page: Path) -> None:
    matter = pages.front_matter(page)
    assert set(matter) == {"title", "description"}
    assert all(matter.values())


@named([path for path in ALL_PAGES if not path.name.endswith(".ru.md")])
def test_english_pages_have_no_cyrillic(page: Path) -> None:
    assert CYRILLIC.findall(pages.text(page)) == []


@named(pages.RUSSIAN)
def test_russian_pages_are_russian(page: Path) -> None:
    assert all(CYRILLIC.search(value) for value in pages.front_matter(page).values())
    assert len(CYRILLIC.findall(pages.prose(page))) > len(re.findall(r"[A-Za-z]", pages.prose(page))) / 3


@named(ALL_PAGES)
def test_headings_do_not_repeat_and_lines_are_short_enough(page: Path) -> None:
    words = [words for _, words in pages.headings(page)]
    assert len(words) == len(set(words))
    assert max(map(len, pages.text(page).splitlines())) <= 1000


@named(USER_PAGES)
def test_code_fits_into_a_page(page: Path) -> None:
    assert [line for block in pages.code(page, "yaml", "shell") for line in block.splitlines() if len(line) > 128] == []


@named(ALL_PAGES)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert [target for target in pages.links(page) if not pages.resolved(page, target).exists()] == []


@pytest.mark.parametrize("config", CONFIGS)
def test_every_module_config_is_accepted_by_the_schema(config: dict[str, Any]) -> None:
    assert (config["kind"], config["metadata"]["name"]) == ("ModuleConfig", "registry")
    settings = config["spec"]["settings"]
    assert validate_settings(pages.ROOT, settings) == []
    verdict = parse(settings)
    assert (verdict.settings is not None, verdict.reason) == (True, ""), verdict.errors


def test_a_wrong_module_config_would_be_noticed() -> None:
    wrong = {"mode": "Direct", "direct": {"host": "registry.example.com:0", "path": "/a"}}
    assert parse(wrong).reason == INVALID
    assert validate_settings(pages.ROOT, {"mode": "Direct", "direct": {"host": "h"}})


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_each_example_file_is_shown(example: Path) -> None:
    assert yaml.safe_load(pages.text(example)) in manifests(pages.DOCS / "EXAMPLES.md")


@pytest.mark.parametrize("page", ["FAQ.md", "FAQ.ru.md"])
def test_faq_explains_every_reason_of_the_code_and_no_other(page: str) -> None:
    heads = ("Reason", "Причина")
    cells = [row[0] for rows in pages.tables(pages.DOCS / page) if rows[0][0] in heads for row in rows[1:]]
    # The first and the last stage hold nothing up, so `Ready` never names them.
    never = {STAGES[0].name, STAGES[-1].name}
    assert {reason for cell in cells for reason in pages.quoted(cell)} == reasons.in_code() - never


def test_reasons_are_read_from_the_code() -> None:
    found = reasons.in_code()
    assert {"Valid", "StoreUnusable", "RegistryUnreachable", "UpstreamError", "Stalled", "NodesPrepared"} <= found
    assert all(re.fullmatch(r"[A-Z][A-Za-z]+", reason) for reason in found)


@pytest.mark.parametrize("page", ["README.md", "README.ru.md"])
def test_table_of_stages_is_the_table_of_the_code(page: str) -> None:
    table = next(rows for rows in pages.tables(pages.DOCS / page) if pages.quoted(rows[1][1]) == ["SettingsValid"])
    limits = [str(stage.limit // 60) if stage.limit else "–" for stage in STAGES]
    assert [row[0] for row in table[1:]] == [str(number) for number in range(1, len(STAGES) + 1)]
    assert [pages.quoted(row[1]) for row in table[1:]] == [[stage.name] for stage in STAGES]
    assert [row[4].split()[0] for row in table[1:]] == limits


@named(USER_PAGES)
def test_table_of_modes_names_each_mode(page: Path) -> None:
    if not page.name.startswith("README"):
        return
    table = pages.tables(page)[0]
    assert tuple(pages.quoted(row[0])[0] for row in table[1:]) == names.MODES


def test_metrics_of_the_faq_exist() -> None:
    sources = [
        *(pages.ROOT / "images/gateway/registry_gateway").glob("*.py"),
        pages.ROOT / "hooks/lib/registry_module/status.py",
        pages.ROOT / "hooks/lib/registry_module/replica_metrics.py",
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    shown = set(re.findall(r"`(registry_[a-z_]+)`", pages.text(pages.DOCS / "FAQ.md")))
    assert len(shown) > 5
    for metric in shown:
        images = re.fullmatch(r"registry_images_(\w+)", metric)
        assert f'"{metric}"' in code or (images and f'"{images[1]}"' in code), metric
