"""The requests of a workload, one after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import repeat, tee
from math import inf
from operator import itemgetter
from random import Random
from typing import Any, cast

from hasten_sim.lengths import ONE
from hasten_sim.scenario import Arrival, ModelShape
from hasten_sim.workload import arrival_tables, draws, processes
from hasten_sim.workload.checks import rows_shares
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.request_tables import (
    FixedDeadlines,
    FixedPayload,
    MixedDeadlines,
    ScaledDeadlines,
)
from hasten_sim.workload.trace import Trace, replay


@dataclass(frozen=True, slots=True)
class Requests:
    """Seed to arrivals; see `hasten_sim.scenario.Arrivals`. It goes through process pools.

    Attributes:
        table: The workload file.
        models: Its models, one by one.
        trace: What is replayed, if anything.
        rate_per_s: At factor 1, of all tenants together; not used by a replay.
        speed_up: Of a replay.
        duration_s: Nothing comes from then on.
    """

    table: FileTable
    models: tuple[ModelShape, ...]
    trace: Trace | None
    rate_per_s: float
    speed_up: float
    duration_s: float

    def __call__(self, seed: int) -> Iterator[Arrival]:
        """The arrivals, in order of time."""
        times, models = self._times_and_models(seed)
        models, models_again, models_a_third_time = tee(models, 3)
        lengths, lengths_again = tee(self._lengths(seed, models_a_third_time))
        tenants, tenants_again = tee(self._tenants(seed))
        fields = zip(
            times,
            models,
            self._slacks(seed, models_again, lengths_again),
            self._priorities(seed, tenants_again),
            tenants,
            draws.values(Random(f"{seed}/rows"), rows_shares(self.table.rows)),
            self._payloads(seed),
            lengths,
            strict=False,  # only the times end
        )
        # As Arrival(*fields), without a Python frame for each.
        make: Callable[[tuple[Any, ...]], Arrival] = partial(tuple.__new__, Arrival)
        return map(make, fields)

    # --- when, and for which model -----------------------------------------------------------

    def _times_and_models(self, seed: int) -> tuple[Iterator[float], Iterator[int]]:
        if self.trace is None:
            return self._times(Random(f"{seed}/arrivals")), self._models(seed)
        pairs, pairs_again = tee(self._replayed(self.trace))
        times = map(itemgetter(0), pairs)
        if not self.trace.names:
            return times, self._models(seed)
        index = {model.name: number for number, model in enumerate(self.models)}
        numbers = [index[name] for name in self.trace.names]
        return times, (numbers[code] for _, code in pairs_again)

    def _models(self, seed: int) -> Iterator[int]:
        return draws.indices(Random(f"{seed}/models"), [model.share for model in self.models])

    def _replayed(self, trace: Trace) -> Iterator[tuple[float, int]]:
        said = cast("arrival_tables.TraceArrivals", self.table.arrivals)
        return replay(
            trace, self.duration_s, speed_up=self.speed_up, scale=said.scale, repeat=said.repeat
        )

    def _times(self, rng: Random) -> Iterator[float]:
        said, rate_per_s, duration_s = self.table.arrivals, self.rate_per_s, self.duration_s
        match said:
            case arrival_tables.PoissonArrivals():
                return processes.poisson(rng, rate_per_s, duration_s)
            case arrival_tables.GammaArrivals():
                return processes.renewal(rng, said.cv, rate_per_s, duration_s)
            case arrival_tables.DiurnalArrivals():
                gap = processes.gaps(rng, said.cv)
                return processes.diurnal(gap, rate_per_s, said.period_s, said.amplitude, duration_s)
            case arrival_tables.MmppArrivals():
                states = [(state.factor, state.mean_s) for state in said.states]
                pieces = processes.mmpp_pieces(rng, states)
            case arrival_tables.OnOffArrivals():
                pieces = processes.on_off_pieces(said.on_s, said.off_s, said.off_factor)
            case arrival_tables.StepArrivals():
                pieces = processes.step_pieces([(step.at_s, step.factor) for step in said.steps])
            case _:
                raise TypeError(f"a replay is not drawn: {said!r}")
        return processes.in_pieces(processes.gaps(rng, said.cv), rate_per_s, pieces, duration_s)

    # --- what it is like ---------------------------------------------------------------------

    def _lengths(self, seed: int, models: Iterator[int]) -> Iterator[int]:
        if all(model.lengths == ONE for model in self.models):
            return repeat(1)
        by_model = [
            draws.values(Random(f"{seed}/length/{number}"), model.lengths.choices)
            for number, model in enumerate(self.models)
        ]
        return (next(by_model[model]) for model in models)

    def _slacks(self, seed: int, models: Iterator[int], lengths: Iterator[int]) -> Iterator[float]:
        said = self.table.deadlines
        match said:
            case FixedDeadlines():
                return repeat(said.ms / 1e3)
            case ScaledDeadlines():
                times = [model.times for model in self.models]
                return (
                    said.factor * times[model].seconds(1, length)
                    for model, length in zip(models, lengths, strict=False)
                )
            case MixedDeadlines():
                choices = [
                    (inf if choice.ms is None else choice.ms / 1e3, choice.share)
                    for choice in said.choices
                ]
                return draws.values(Random(f"{seed}/deadlines"), choices)
            case _:
                return repeat(inf)

    def _tenants(self, seed: int) -> Iterator[int]:
        tenants = self.table.tenants
        if not tenants:
            return repeat(0)
        wanted = [tenant.share * tenant.rate_factor for tenant in tenants]
        return draws.indices(Random(f"{seed}/tenants"), wanted)

    def _priorities(self, seed: int, tenants: Iterator[int]) -> Iterator[int]:
        rng = Random(f"{seed}/priorities")
        shared = self.table.priorities.shares
        if all(tenant.priorities is None for tenant in self.table.tenants):
            return draws.values(rng, _classes(shared))
        by_tenant = [
            draws.values(rng, _classes(tenant.priorities or shared))
            for tenant in self.table.tenants
        ]
        return (next(by_tenant[tenant]) for tenant in tenants)

    def _payloads(self, seed: int) -> Iterator[int]:
        said = self.table.payload
        if isinstance(said, FixedPayload):
            return repeat(said.bytes)
        return draws.lognormal(Random(f"{seed}/payload"), said.mean_bytes, said.cv)


def _classes(shares: tuple[float, ...]) -> list[tuple[int, float]]:
    """Priority classes that occur, with their shares."""
    return [(number, share) for number, share in enumerate(shares) if share]
