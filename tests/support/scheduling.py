"""Which tests run in the same process, and which first, when pytest-xdist runs them in several.

The tests of a file run together, for they share its fixtures; files of one `xdist_group` too, for
they share a mesh. A file marked `apart` has long tests that share nothing: each goes where there
is room. What starts processes is long and goes first; short files fill the rest.

xdist's own `--dist loadgroup` writes the group into the test's id, which pytest 9.2 does not let it
do any more: each group ran in every process, with a mesh of its own in each.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling

GROUP: Final = re.compile(r'mark\.xdist_group\("([^"]+)"\)')
APART: Final = "mark.apart"


class Schedule(LoadScopeScheduling):
    """Hands out files, and groups of files, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid, self.config.rootpath)


def unit_of(nodeid: str, root: Path) -> str:
    """What is handed out together. The process that hands out knows no marks, only files."""
    name = nodeid.partition("::")[0]
    source = _source(root / name)
    if group := GROUP.search(source):
        return group[1]
    return nodeid if APART in source else name


@cache
def _source(path: Path) -> str:
    return path.read_text()


def place(item: pytest.Item) -> int:
    """The longer, the earlier: 0 goes first."""
    if item.get_closest_marker("apart") or item.get_closest_marker("xdist_group"):
        return 0
    return 1 if item.get_closest_marker("integration") else 2
