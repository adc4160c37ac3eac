"""Prints the matrix: `python -m tests.clients [LANGUAGE...]`."""

import sys

from tests.clients.features import features
from tests.clients.languages import LANGUAGES, ToolMissing, built
from tests.clients.matrix import a_world, filled


def say(line: str) -> None:
    """To whoever waits."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Builds, asks, prints; 1 where something is wrong."""
    asked = sys.argv[1:]
    languages = [each for each in LANGUAGES if not asked or each.name in asked]
    for language in languages:
        try:
            built(language, say)
        except (ToolMissing, RuntimeError) as lack:
            say(str(lack))
    with a_world(say) as world:
        matrix = filled(languages, world)
    print(matrix.table(languages, features()))
    return int(any(matrix.faults.values()) or bool(matrix.broken))


if __name__ == "__main__":
    sys.exit(main())
