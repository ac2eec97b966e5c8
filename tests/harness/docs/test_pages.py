"""Every page opens with what it is for, is listed by the index, and its links lead somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from ptycho.fingerprint import ROOT
from tests.support import prose

INDEX = "docs/README.md"
PAGES = sorted(path for path in prose.tracked(ROOT) if path.suffix == ".md")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PUNCTUATION = re.compile(r"[^\w\- ]")


def anchors(page: str) -> set[str]:
    """Anchors of a page's headings, as the services that show Markdown make them."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {_PUNCTUATION.sub("", heading.lower().strip()).replace(" ", "-") for heading in plain}


def dead(page: Path) -> Iterator[str]:
    """Links of a page to files or headings of this repository that are not there."""
    text = prose.without_code(page.read_text(encoding="utf-8"), fences_only=True)
    for target in _LINK.findall(text):
        name, _, anchor = unquote(target).partition("#")
        if "://" in target:
            continue
        file = page.parent / name if name else page
        if not file.exists():
            yield f"{page.name}: {target}: there is no such file"
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"{page.name}: {target}: there is no such heading"


def opening(page: str) -> str:
    """The first paragraph below the title."""
    return next((part for part in page.split("\n\n")[1:] if not part.startswith("#")), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead(page)) == []


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("[a](b.md)", []),
        ("[a](b.md#two-words)", []),
        ("[a](#title)", []),
        ("[a](https://example.org/b)", []),
        ("[a](c.md)", ["page.md: c.md: there is no such file"]),
        ("[a](b.md#three)", ["page.md: b.md#three: there is no such heading"]),
        ("![a](c.png)", ["page.md: c.png: there is no such file"]),
        ("```\n[a](c.md)\n```\n", []),
    ],
)
def test_a_dead_link_is_found(tmp_path: Path, link: str, found: list[str]) -> None:
    (tmp_path / "page.md").write_text(f"# Title\n\n{link}\n")
    (tmp_path / "b.md").write_text("# B\n\n## Two `words`\n")
    assert list(dead(tmp_path / "page.md")) == found


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.name)
def test_every_page_opens_with_what_it_is_for(page: Path) -> None:
    assert opening(page.read_text(encoding="utf-8")).startswith("This page ")


def test_the_index_lists_every_page_once() -> None:
    listed = _LINK.findall((ROOT / INDEX).read_text(encoding="utf-8").partition("\n## ")[2])
    pages = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "README.md")
    assert sorted(name for name in listed if name.endswith(".md") and "/" not in name) == pages
