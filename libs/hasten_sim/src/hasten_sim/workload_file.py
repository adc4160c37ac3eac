"""A workload file as a source of scenarios for many processes."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hasten_sim.scenario import Scenario
from hasten_sim.workload import Workload, parse


@dataclass(frozen=True, slots=True)
class WorkloadFile:
    """The text of a workload file: every process reads the same, whatever happens to the file.

    Attributes:
        text: TOML.
        path: Where it was read; paths inside the text are relative to its folder.
    """

    text: str
    path: Path

    @classmethod
    def read(cls, path: Path) -> "WorkloadFile":
        """Raises OSError or UnicodeDecodeError."""
        return cls(path.read_text(encoding="utf-8"), path)

    def workload(self) -> Workload:
        """What it says. Raises WorkloadError."""
        return _parsed(self)

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """As `Source`."""
        return self.workload().scenario(load=load, workers=workers, routers=routers)


@lru_cache(maxsize=8)
def _parsed(file: WorkloadFile) -> Workload:
    return parse(file.text, file.path)
