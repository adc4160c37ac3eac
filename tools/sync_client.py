"""Generates the synchronous clients from the asyncio ones, or checks that they are current.

python tools/sync_client.py           write them
python tools/sync_client.py --check   exit 1, if one would change

What really differs between the two (threads, tasks, gRPC's two libraries) is written by hand, in
`transport.py` and `transport_aio.py`; in the clients only words differ, and those are below.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).resolve().parent.parent / "libs/hasten_client/src/hasten_client"
FILES = {
    "aio.py": "client.py",
    "aio_batches.py": "batches.py",
    "aio_caller.py": "caller.py",
    "aio_dags.py": "dags.py",
    "aio_tasks.py": "tasks.py",
}
"""Source and what is made of it."""

HEADER = "# Generated from {source} by `make client`: change that file.\n"

SENTENCES = {
    "in `async with`, or `await close()` it. One client\n"
    "    serves any number of tasks of one event loop at once; its calls": "in `with`, or"
    " `close()` it. One client serves any\n    number of threads at once; its calls",
}
"""Text for readers; each has to be in the source, so that none becomes stale."""

WORDS = {
    r"asyncio client": "synchronous client",
    r"async def ": "def ",
    r"async with ": "with ",
    r"async for ": "for ",
    r"await ": "",
    r"__aenter__": "__enter__",
    r"__aexit__": "__exit__",
    r"aclosing\b": "closing",
    r"AsyncIterator\b": "Iterator",
    r"AsyncGenerator\[(\w+), None\]": r"Generator[\1, None, None]",
    r"AsyncGenerator\b": "Generator",
    r"AsyncCaller\b": "Caller",
    r"AsyncBatchClient\b": "BatchClient",
    r"AsyncTaskClient\b": "TaskClient",
    r"AsyncDagClient\b": "DagClient",
    r"aio_caller\b": "caller",
    r"AsyncClient\b": "Client",
    r"AsyncTransport\b": "Transport",
    r"transport_aio\b": "transport",
}

LEFT_OVER = re.compile(r"\b(async|await|asyncio|a?io|Async\w+|__a\w+__)\b")


def synchronous(source: str, name: str) -> str:
    """A synchronous client's source, not yet formatted, made of the source of this name.

    Raises:
        ValueError: A sentence is not there, or a word of asyncio is left over.
    """
    made = source
    for old, new in SENTENCES.items():
        if old not in made:
            raise ValueError(f"the source no longer has {old!r}: change SENTENCES")
        made = made.replace(old, new)
    for pattern, new in WORDS.items():
        made = re.sub(rf"\b{pattern}", new, made)
    left = LEFT_OVER.search(made)
    if left:
        raise ValueError(f"{left.group()!r} has no synchronous form: change WORDS")
    return HEADER.format(source=name) + made


def formatted(source: str, target: str) -> str:
    """As `make format` would leave it: words of another length move lines and imports."""
    for command in (["check", "--fix", "--quiet", "--select=I"], ["format", "--quiet"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, f"--stdin-filename={CLIENT / target}", "-"],
            input=source,
            capture_output=True,
            text=True,
            check=True,
        )
        source = ended.stdout
    return source


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    stale = []
    for source, target in FILES.items():
        wanted = formatted(synchronous((CLIENT / source).read_text(), source), target)
        path = CLIENT / target
        if arguments.check and (not path.exists() or path.read_text() != wanted):
            stale.append(target)
        elif not arguments.check:
            path.write_text(wanted)
    if stale:
        print(f"not current: {', '.join(stale)}; run `make client`")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
