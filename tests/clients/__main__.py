"""Prints the matrix, or builds the clients: `python -m tests.clients [--build] [LANGUAGE...]`."""

import argparse
import sys

from tests.clients.features import features
from tests.clients.languages import LANGUAGES, ToolMissing, built
from tests.clients.matrix import a_world, filled


def say(line: str) -> None:
    """To whoever waits."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Builds, asks, prints; 1 where something is wrong."""
    parser = argparse.ArgumentParser(description="Asks every client every row, or builds them.")
    names = [each.name for each in LANGUAGES]
    parser.add_argument("languages", nargs="*", metavar="LANGUAGE", help=", ".join(names))
    parser.add_argument("--build", action="store_true", help="build, and ask nothing")
    chosen = parser.parse_args()
    asked = chosen.languages or names
    languages = [each for each in LANGUAGES if each.name in asked]
    failed = False
    for language in languages:
        try:
            built(language, say)
        except ToolMissing as lack:
            say(str(lack))
        except RuntimeError as failure:
            failed = True
            say(str(failure))
    if chosen.build:
        return int(failed)
    with a_world(say) as world:
        matrix = filled(languages, world)
    print(matrix.table(languages, features()))
    return int(any(matrix.faults.values()) or bool(matrix.broken))


if __name__ == "__main__":
    sys.exit(main())
