"""Which worker each hard schedule is reserved a part of, and the figure that fails where there is
none.

Workers are told apart and filled one by one ("first fit by decreasing utilisation", Oh and Baker,
1998), with the response-time test on each. A worker counts as one lane, whatever lanes it has: what
runs side by side slows each other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from hasten_policy.scheduler.jobs.periods.feasibility import Need, late
from hasten_policy.short import short


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a hard schedule needs.

    Attributes:
        name: Of the schedule, unique among those of all tenants.
        model: As in Lane.
        period_us: No two of its turns are closer.
        deadline_us: A turn must end so long after its time.
        run_us: A run takes so long, as its owner says; 0 where the measured time alone counts.
        rows: First dimension of the first input.
        elements: Of all input tensors together.
    """

    name: str
    model: str
    period_us: int
    deadline_us: int
    run_us: int = 0
    rows: int = 1
    elements: int = 0


@dataclass(frozen=True, slots=True)
class Bench:
    """A worker, as one who reserves a part of it sees it.

    Attributes:
        worker_id: Its name.
        run_us: The longest run of a schedule there; None where its model is not served.
        block_us: The longest run of anything else there.
        jitter_us: A turn gets there so long after its time at most.
    """

    worker_id: str
    run_us: Callable[[Reservation], int | None]
    block_us: int
    jitter_us: int = 0

    def need(self, wanted: Reservation) -> Need | None:
        """What a schedule needs there."""
        run_us = self.run_us(wanted)
        if run_us is None:
            return None
        run_us = max(1, run_us, wanted.run_us)
        return Need(wanted.name, run_us, wanted.period_us, wanted.deadline_us, self.jitter_us)


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a schedule has no place on any worker.

    Attributes:
        name: The schedule.
        figure: For people: what fails, on the worker on which least does.
    """

    name: str
    figure: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Who is where.

    Attributes:
        workers: Worker by schedule.
        misfits: Schedules that are nowhere.
    """

    workers: Mapping[str, str]
    misfits: tuple[Misfit, ...] = ()


def lay_out(
    wanted: Sequence[Reservation],
    benches: Sequence[Bench],
    share_max: Fraction,
    before: Mapping[str, str] | None = None,
) -> Layout:
    """Finds a worker for each schedule.

    Args:
        wanted: The schedules.
        benches: The workers.
        share_max: Of a worker's time that may be reserved.
        before: An earlier layout, which is kept as far as it goes.
    """
    kept = _Filling(benches, share_max)
    left = kept.fill(kept.keep(wanted, before or {}))
    if not left or not before:
        return Layout(kept.workers, left)
    fresh = _Filling(benches, share_max)
    still = fresh.fill(wanted)
    return Layout(fresh.workers, still) if len(still) < len(left) else Layout(kept.workers, left)


class _Filling:
    """Benches that are filled."""

    def __init__(self, benches: Sequence[Bench], share_max: Fraction) -> None:
        self._benches = sorted(benches, key=lambda bench: bench.worker_id)
        self._share_max = share_max
        self._there: dict[str, list[Need]] = {bench.worker_id: [] for bench in benches}
        self.workers: dict[str, str] = {}

    def keep(self, wanted: Sequence[Reservation], before: Mapping[str, str]) -> list[Reservation]:
        """Puts those where they were whom it still fits together; the others."""
        rest = list(wanted)
        for bench in self._benches:
            there = [each for each in wanted if before.get(each.name) == bench.worker_id]
            needs = [need for each in there if (need := bench.need(each)) is not None]
            if needs and len(needs) == len(there) and self._fits(bench, needs):
                self._there[bench.worker_id] = needs
                self.workers.update({each.name: bench.worker_id for each in there})
                rest = [each for each in rest if each not in there]
        return rest

    def _fits(self, bench: Bench, needs: Sequence[Need]) -> bool:
        share = sum((each.share for each in needs), Fraction(0))
        return share <= self._share_max and late(needs, bench.block_us) is None

    def fill(self, wanted: Sequence[Reservation]) -> tuple[Misfit, ...]:
        """Puts each where it fits first; those that fit nowhere."""
        return tuple(
            misfit for each in self._largest_first(wanted) if (misfit := self._first_fit(each))
        )

    def _largest_first(self, wanted: Sequence[Reservation]) -> list[Reservation]:
        def share(each: Reservation) -> Fraction:
            needs = [bench.need(each) for bench in self._benches]
            return max((need.share for need in needs if need is not None), default=Fraction(0))

        return sorted(wanted, key=lambda each: (-share(each), each.name))

    def _first_fit(self, wanted: Reservation) -> Misfit | None:
        best: tuple[Fraction, str] | None = None
        for bench in self._benches:
            failing = self.put(wanted, bench)
            if failing is None:
                return None
            if best is None or failing[0] < best[0]:
                best = failing
        figure = best[1] if best is not None else f"no worker serves {short(wanted.model)!r} now"
        return Misfit(wanted.name, figure)

    def put(self, wanted: Reservation, bench: Bench) -> tuple[Fraction, str] | None:
        """Puts a schedule on a worker; by how much it fails there, and how, if it does not fit."""
        need = bench.need(wanted)
        if need is None:
            return Fraction(1 << 62), f"no worker serves {short(wanted.model)!r} now"
        there = [*self._there[bench.worker_id], need]
        share = sum((each.share for each in there), Fraction(0))
        if share > self._share_max:
            return share / self._share_max, (
                f"{float(share):.3g} of worker {bench.worker_id}'s time would be reserved, and at "
                f"most {float(self._share_max):.3g} may be: a run takes {_ms(need.run)}, each "
                f"{_ms(need.period)}"
            )
        failing = late(there, bench.block_us)
        if failing is not None:
            return _failing(bench, there, *failing)
        self._there[bench.worker_id].append(need)
        self.workers[wanted.name] = bench.worker_id
        return None


def _failing(
    bench: Bench, there: Sequence[Need], victim: Need, response_us: int | None
) -> tuple[Fraction, str]:
    block_us = max([bench.block_us, *(each.run for each in there if each is not victim)])
    about = f"its run takes {_ms(victim.run)}, and a run before it up to {_ms(block_us)}"
    if response_us is None:
        return Fraction(1 << 61), (
            f"on worker {bench.worker_id} {victim.name} would fall behind for ever; {about}"
        )
    return Fraction(response_us, victim.deadline), (
        f"on worker {bench.worker_id} {victim.name} could end {_ms(response_us)} after its time, "
        f"and its deadline is {_ms(victim.deadline)}; {about}"
    )


def _ms(time_us: int) -> str:
    return f"{time_us / 1e3:.6g} ms"
