"""What docs/policies says there is, and what there is, are the same."""

import re
from pathlib import Path

import pytest

from hasten_policy.registry import KINDS, describe, names, resolve

FOLDER = Path(__file__).parents[3] / "docs" / "policies"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \|", re.MULTILINE)
TEXT = re.compile(rf"`((?:{'|'.join(names('bundle'))}),[^`\s]+)`")


@pytest.mark.parametrize("kind", KINDS)
def test_every_policy_has_its_row_and_no_other_has(kind: str) -> None:
    text = (FOLDER / "README.md").read_text()
    section = re.split(r"^## ", text.partition(f"\n## {kind}\n")[2], flags=re.MULTILINE)[0]
    assert ROW.findall(section) == [(name, describe(kind, name)) for name in names(kind)]


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.name)
def test_every_text_in_the_pages_can_be_asked_for(page: Path) -> None:
    texts = TEXT.findall(page.read_text())
    assert texts
    for text in texts:
        assert resolve(text).name == text
