"""The tree's own Python files, for tests that read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent.parent
GENERATED: Final = ROOT / "libs" / "hasten_protos"


def python_files(*folders: str) -> Iterator[Path]:
    """The files below these folders, generated stubs left out."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if GENERATED not in path.parents:
                yield path
