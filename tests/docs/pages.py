"""Pages as the tests read them: headings, code blocks, tables, links."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ENGLISH = sorted(path for path in DOCS.glob("*.md") if not path.name.endswith(".ru.md"))
RUSSIAN = sorted(DOCS.glob("*.ru.md"))
INTERNAL = sorted((DOCS / "internal").rglob("*.md"))
ROOT_PAGES = sorted(ROOT.glob("*.md"))

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def twin(page: Path) -> Path:
    """The Russian page of an English one."""
    return page.with_name(page.stem + ".ru.md")


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def front_matter(page: Path) -> dict[str, Any]:
    """Front matter; {} when there is none."""
    found = _FRONT.match(text(page))
    return dict(yaml.safe_load(found[1])) if found else {}


def code(page: Path, *languages: str) -> list[str]:
    """Code blocks of these languages, without the indent of a list."""
    return [textwrap.dedent(body) for _, language, body in _FENCE.findall(text(page)) if language in languages]


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return _FENCE.sub("", text(page))


def headings(page: Path) -> list[tuple[int, str]]:
    """(level, words) of each heading."""
    return [(len(marks), words) for marks, words in re.findall(r"^(#+) (.+)$", prose(page), re.MULTILINE)]


def tables(page: Path) -> list[list[list[str]]]:
    """Tables as rows of cells, each with its head and without the line below it."""
    found: list[list[list[str]]] = []
    inside = False
    for line in prose(page).splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return [[rows[0], *rows[2:]] for rows in found]


def quoted(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def links(page: Path) -> list[str]:
    """Relative links, without their fragments."""
    targets = (target.partition("#")[0] for target in _LINK.findall(prose(page)))
    return [target for target in targets if target and "://" not in target]


def resolved(page: Path, target: str) -> Path:
    """The file a link means; on the platform's site `faq.html` is made from FAQ.md."""
    path = page.parent / target
    if path.suffix != ".html":
        return path
    return path.with_name(path.stem.upper() + (".ru.md" if page.name.endswith(".ru.md") else ".md"))
