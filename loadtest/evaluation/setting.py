"""A workload file with some of it changed."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from hasten_sim.scenario import Scenario
from hasten_sim.workload import Workload, parse

WORKLOADS: Final = Path(__file__).resolve().parent.parent / "workloads"
CENTRAL: Final = "[mesh]\nrouters = 1\nworkers = 1\nlanes = 8\nweights = []\n"
"""One router before one worker of eight lanes: all that waits is in one queue."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A `hasten_sim.points.Source`: plain texts, so that it can go to another process.

    Attributes:
        file: Name of a file of loadtest/workloads.
        change: TOML tables on top of it.
        duration_s: Virtual seconds; None for as many as the file says.
        warmup_s: Of these, not counted.
    """

    file: str
    change: str = ""
    duration_s: float | None = None
    warmup_s: float = 0.0

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """As `Source`."""
        return _workload(self).scenario(load=load, workers=workers, routers=routers)


@lru_cache(maxsize=256)
def _workload(setting: Setting) -> Workload:
    lasts = ""
    if setting.duration_s is not None:
        lasts = f"duration_s = {setting.duration_s}\nwarmup_s = {setting.warmup_s}\n"
    text = f'extends = "{setting.file}"\n{lasts}{setting.change}'
    return parse(text, str(WORKLOADS / "changed.toml"))
