"""The autoscaler's process: `hasten-autoscaler`."""

import sys
from collections.abc import Sequence

from hasten_runtime import imports


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the autoscaler until it is told to leave; returns the exit code."""
    with imports.kept():
        from hasten_autoscaler import command
    return command.run(argv)


if __name__ == "__main__":
    sys.exit(main())
