"""The model versions that take calls, and what was counted of each."""

from collections.abc import Iterable
from typing import Final

from hasten_worker.model import Model
from hasten_worker.shell.served import Served
from hasten_worker.shell.statistics import Statistics

STATISTICS_MAX: Final = 4096
"""Model versions whose totals are kept after they have gone."""


class Catalogue:
    """Served model versions by key."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}
        self._statistics: dict[str, Statistics] = {}
        self._last_generation = 0

    def __len__(self) -> int:
        return len(self._served)

    def all(self) -> Iterable[Served]:
        """The versions that take calls."""
        return self._served.values()

    def get(self, model_key: str) -> Served | None:
        """The version that calls with this key run on now."""
        return self._served.get(model_key)

    def statistics(self, model_key: str) -> Statistics:
        """What was counted of the version; zeros when nothing was."""
        return self._statistics.get(model_key) or Statistics()

    def put(self, model: Model) -> None:
        """Adds a version or replaces it; its totals go on."""
        key = model.spec.key
        served = Served(model, self._kept_statistics(key))
        previous = self._served.get(key)
        if previous is not None and served.takes_the_calls_of(previous):
            served.generation = previous.generation
        else:
            self._last_generation += 1
            served.generation = self._last_generation
        self._served[key] = served

    def drop(self, model_key: str) -> None:
        """Takes a version out; calls that have it keep it."""
        self._served.pop(model_key, None)

    def running_for(self, model_key: str, asked: Served) -> Served:
        """Who runs a batch of calls that were decoded for `asked`: the version as it is now,
        unless it has other inputs or has gone.
        """
        served = self._served.get(model_key)
        if served is None or served.generation != asked.generation:
            return asked
        return served

    def _kept_statistics(self, key: str) -> Statistics:
        statistics = self._statistics.get(key)
        if statistics is None:
            if len(self._statistics) >= STATISTICS_MAX:
                for old in self._statistics.keys() - self._served.keys():
                    del self._statistics[old]
            statistics = self._statistics[key] = Statistics()
        return statistics
