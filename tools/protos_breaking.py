"""Compares protos/ with those of the last release tag, by `buf breaking`.

Without a tag there is nothing released, so nothing can be broken: says so and ends well.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def last_tag() -> str | None:
    """The newest `v*` tag that is an ancestor of HEAD."""
    found = subprocess.run(
        ["git", "describe", "--tags", "--match", "v*", "--abbrev=0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() if found.returncode == 0 else None


def main() -> None:
    """Entry point."""
    tag = last_tag()
    if tag is None:
        print("protos: no release tag yet, nothing to break")
        return
    against = f".git#tag={tag},subdir=protos"
    sys.exit(
        subprocess.run(
            ["buf", "breaking", "protos", "--against", against], cwd=ROOT, check=False
        ).returncode
    )


if __name__ == "__main__":
    main()
