"""The documents: links lead somewhere, the index of decisions is complete, the README is short."""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import ROOT

README_WORDS_MAX = 1000
DECISIONS = ROOT / "docs" / "decisions"
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def pages() -> Iterator[Path]:
    for folder in ("docs", "libs", "services", "examples", "loadtest", "clients"):
        yield from (
            page for page in (ROOT / folder).rglob("*.md") if "node_modules" not in page.parts
        )
    yield from ROOT.glob("*.md")


def test_every_link_of_a_page_leads_to_a_file_of_the_tree() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for target in LINK.findall(CODE.sub("", page.read_text()))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken, "\n".join(broken)


def test_the_index_of_decisions_lists_each_of_them_once() -> None:
    index = (DECISIONS / "README.md").read_text()
    for page in sorted(DECISIONS.glob("0*.md")):
        assert index.count(f"({page.name})") == 1, page.name


def test_no_two_decisions_have_one_number() -> None:
    numbers = [page.name[:4] for page in DECISIONS.glob("0*.md")]
    assert len(numbers) == len(set(numbers))


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= README_WORDS_MAX
