"""Cleans up after a supervisor that was killed: its processes and its folder.

Run as a script, in a session of its own: `python -I -S guard.py FOLDER`. Standard input
carries "+pid" and "-pid" for process groups that began and ended, and "done" when nothing is
left to do. If the input ends without "done", the supervisor is dead, however it died: the
groups are killed and the folder is removed. A pipe's end reaches us on every system and for
grandchildren too, where the parent-death signal of Linux knows only children.
"""

import os
import signal
import sys
import time

GONE_S_MAX = 3.0
POLL_S = 0.02


def kill_groups(groups: set[int]) -> None:
    """Kills the process groups and waits, for a bounded time, until they are gone."""
    ends_s = time.monotonic() + GONE_S_MAX
    while groups and time.monotonic() < ends_s:
        for group in list(groups):
            try:
                os.killpg(group, signal.SIGKILL)
            except ProcessLookupError:
                groups.discard(group)
        if groups:
            time.sleep(POLL_S)


def remove_folder(folder: str) -> None:
    """Removes the folder and all that is in it; follows no links."""
    for path, folders, files in os.walk(folder, topdown=False):
        for name in files:
            _quietly(os.unlink, os.path.join(path, name))  # noqa: PTH118  (pathlib is slow to import)
        for name in folders:
            inner = os.path.join(path, name)  # noqa: PTH118  (as above)
            _quietly(os.unlink if os.path.islink(inner) else os.rmdir, inner)  # noqa: PTH114
    _quietly(os.rmdir, folder)


def _quietly(action: object, path: str) -> None:
    try:
        action(path)  # type: ignore[operator]  # a callable; typing is not worth an import here
    except OSError:
        return


def main() -> None:
    """Entry point."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "done":
            return
        if word.startswith("+"):
            groups.add(int(word[1:]))
        elif word.startswith("-"):
            groups.discard(int(word[1:]))
    kill_groups(groups)
    remove_folder(sys.argv[1])


if __name__ == "__main__":
    main()
