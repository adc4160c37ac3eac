"""What the system counts of CPU that was taken away: by the hypervisor, or by a limit.

A hypervisor's share is "steal" of `/proc/stat`. A limit, as Kubernetes sets it, is a cgroup's
quota; its `cpu.stat` counts how long the group was throttled, in microseconds (v2) or nanoseconds
(v1). Where the system counts neither, nothing was taken.
"""

from pathlib import Path
from typing import Final, NamedTuple

import psutil

UNITS: Final = {"throttled_usec": 1e-6, "throttled_time": 1e-9}
"""The line of `cpu.stat`, v2 and v1, and what one is in seconds."""


class HostCounters:
    """Reads the counters and says what was taken since the last time.

    Args:
        root: Of the file system; another for tests.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._stat = _stat_file(root)
        self._last: _Counted | None = None

    def stolen(self, now_s: float) -> float:
        """Share of the CPU time since the last call that was taken, 0 to 1; 0 the first time."""
        last, self._last = self._last, _Counted(now_s, *_machine_s(), self._throttled_s())
        if last is None:
            return 0.0
        machine_s = self._last.machine_s - last.machine_s
        passed_s = self._last.at_s - last.at_s
        share = 0.0
        if machine_s > 0.0:
            share += max(0.0, self._last.steal_s - last.steal_s) / machine_s
        if passed_s > 0.0:
            share += max(0.0, self._last.throttled_s - last.throttled_s) / passed_s
        return min(1.0, share)

    def _throttled_s(self) -> float:
        if self._stat is None:
            return 0.0
        try:
            lines = self._stat.read_text().splitlines()
        except OSError:
            return 0.0
        for line in lines:
            name, _, value = line.partition(" ")
            if name in UNITS and value.strip().isdigit():
                return int(value) * UNITS[name]
        return 0.0


class _Counted(NamedTuple):
    at_s: float
    machine_s: float
    steal_s: float
    throttled_s: float


def _machine_s() -> tuple[float, float]:
    """(all time of all cores, what of it was stolen) so far."""
    times = psutil.cpu_times()
    return sum(times[:8]), float(getattr(times, "steal", 0.0))


def _stat_file(root: Path) -> Path | None:
    """The `cpu.stat` of this process's group, or of the one above that is to be seen."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    mounted = root / "sys/fs/cgroup"
    for line in groups:
        _, controllers, path = ([*line.split(":", 2), "", ""])[:3]
        below = path.lstrip("/")
        if not controllers:
            folders = [mounted, mounted / "unified"]
        elif "cpu" in controllers.split(","):
            folders = [mounted / controllers, mounted / "cpu"]
        else:
            continue
        for folder in folders:
            for found in (folder / below / "cpu.stat", folder / "cpu.stat"):
                if _counts_throttling(found):
                    return found
    return None


def _counts_throttling(stat: Path) -> bool:
    try:
        return any(name in stat.read_text() for name in UNITS)
    except (OSError, UnicodeDecodeError):
        return False
