"""A process that takes a core only where the others of this machine leave it one."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

AGAIN_S: Final = 0.12
"""Linux takes one change a tenth of a second of all sessions from those without rights."""
TRIES_MAX: Final = 20


async def give_way(pid: int, niceness: int) -> None:
    """Lets a process that leads a session give way to others by so many steps of niceness.

    Where Linux groups processes by session (`sched_autogroup_enabled`), the niceness of a process
    counts inside its session alone, and each service leads one: the session's own niceness is set
    too. What the system does not know, or does not allow, changes nothing.

    Args:
        pid: The process, just started: threads that it has by now keep what they have.
        niceness: 0 to 19, on top of what it was started with.
    """
    with suppress(OSError):
        before = os.getpriority(os.PRIO_PROCESS, pid)
        os.setpriority(os.PRIO_PROCESS, pid, min(19, before + niceness))
    for _ in range(TRIES_MAX):
        try:
            _set_session(pid, niceness)
        except BlockingIOError:
            await asyncio.sleep(AGAIN_S)
        except OSError:
            return
        else:
            return


def _set_session(pid: int, niceness: int) -> None:
    Path(f"/proc/{pid}/autogroup").write_text(str(niceness))
