"""Why tasks were given to workers more than once, by the logs of schedulers that were broken."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ADOPTED: Final = "its shard has another owner"
_NAMES: Final = re.compile(r"'[^']*'")
"""Of processes, each of which would be a cause of its own."""


def causes(logs: Path) -> Counter[str]:
    """Attempts after which the task waited again, by cause.

    Args:
        logs: Folder of the processes' logs; the schedulers' have debug lines.
    """
    found: Counter[str] = Counter()
    for log in sorted(logs.glob("scheduler*.log")):
        for line in _lines(log):
            if line.get("event") == "shard.adopted":
                found[ADOPTED] += line["tasks"]
            elif line.get("event") == "attempt.again":
                found[f"{line['reason']}: {_NAMES.sub('...', line['cause'])}"] += 1
    return found


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                # No line of ours, or its process was killed while it wrote.
                continue
