"""What hard schedules have reserved at the workers: which worker gets their turns, and what others
may not send there.

A turn with a reservation goes before all other tasks, at the worker that its schedule is laid out
on, whatever its tenant has had and whether calls wait there: what may still be in its way are runs
that have begun, and turns of other schedules. Both are in the test that the schedule has passed.
"""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, inf, log
from typing import Final

from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.registry import Registry
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.scheduler.jobs.periods.reserving import Bench, Layout, Reservation, lay_out
from hasten_policy.scheduler.policy import ReservePolicy

LAYOUT_S: Final = 1.0
"""Pace at which it is looked at whether the layout still holds: times of models change."""
STEPS: Final = 10
"""For each factor of e: a layout is looked at again when a time has changed by a tenth."""
_TASK_END: Final = "/"
"""Comes before the time of a turn in its task's id."""


class Reservations:
    """Those that are known.

    Args:
        policy: Parameters.

    Attributes:
        layout: Who is where.
    """

    __slots__ = ("_at_s", "_blocks", "_figures", "_policy", "_there", "_workers", "layout", "told")

    def __init__(self, policy: ReservePolicy) -> None:
        self._policy = policy
        self._at_s = -inf
        self._blocks: dict[str, int] = {}
        self._there: Counter[str] = Counter()
        self._workers: tuple[str, ...] = ()
        self.told: tuple[Reservation, ...] = ()
        self.layout = Layout({})
        self._figures: list[tuple[object, ...]] = []

    def take(self, reservations: Sequence[Reservation]) -> None:
        """These are all, from now on."""
        self.told = tuple(sorted(reservations, key=lambda each: each.name))
        self._at_s = -inf
        self._figures = []
        if not self.told:
            self.layout = Layout({})
            self._blocks.clear()

    def tend(self, registry: Registry[ModelView], now_s: float) -> bool:
        """Lays them out anew where the old layout holds no more; True when others are somewhere."""
        there = tuple(each.worker_id for each in registry.workers.values() if each.open)
        if now_s < self._at_s + LAYOUT_S and there == self._workers:
            return False
        self._at_s = now_s
        self._workers = there
        benches = benches_of(self._policy, registry)
        figures = [_figures(bench, self.told) for bench in benches]
        if figures == self._figures:
            return False
        self._figures = figures
        before = self.layout.workers
        self.layout = lay_out(self.told, benches, share_max_of(self._policy), before)
        self._there = Counter(self.layout.workers.values())
        self._blocks = {
            each.worker_id: each.block_us for each in benches if each.worker_id in self._there
        }
        return self.layout.workers != before

    def worker_id(self, task_id: str) -> str:
        """The worker of a turn's schedule; "" for none."""
        return self.layout.workers.get(task_id.rpartition(_TASK_END)[0], "")

    def bars(self, entry: ModelEntry, rows: int, elements: int) -> bool:
        """A task without a reservation would be in the way of others: it would take the last place
        there, or run for longer than their test allows for.
        """
        worker = entry.worker
        block_us = self._blocks.get(worker.worker_id)
        if block_us is None:
            return False
        if len(worker.calls) >= max(1, worker.window - self._there[worker.worker_id]):
            return True
        return _run_us(self._policy, entry, rows, elements) > block_us


def share_max_of(policy: ReservePolicy) -> Fraction:
    """The share of a worker that may be reserved, exactly as it is written."""
    return Fraction(str(policy.reserve_share_max))


def benches_of(policy: ReservePolicy, registry: Registry[ModelView]) -> list[Bench]:
    """The workers that are open, for those who reserve."""
    return [_bench(policy, registry, worker) for worker in registry.workers.values() if worker.open]


def _bench(policy: ReservePolicy, registry: Registry[ModelView], worker: WorkerRecord) -> Bench:
    def run_us(wanted: Reservation) -> int | None:
        view = registry.views.get(wanted.model)
        entry = view.by_worker.get(worker.worker_id) if view is not None else None
        return None if entry is None else _run_us(policy, entry, wanted.rows, wanted.elements)

    block_us = max((_run_us(policy, entry, 1, 0) for entry in worker.entries), default=0)
    return Bench(worker.worker_id, run_us, block_us, _us(policy.reserve_jitter_s))


def _figures(bench: Bench, told: Sequence[Reservation]) -> tuple[object, ...]:
    """What the layout depends on, in steps: small changes of times are no reason for another."""
    runs = {each.model: _step(bench.run_us(each) or 0) for each in told}
    return bench.worker_id, _step(bench.block_us), tuple(runs.items())


def _step(time_us: int) -> int:
    return round(log(max(1, time_us)) * STEPS)


def _run_us(policy: ReservePolicy, entry: ModelEntry, rows: int, elements: int) -> int:
    """The longest run of a call of this size: it may share its batch with others."""
    full_s = entry.batch_s(max(entry.target_rows, entry.rows_there(rows)))
    run_s = max(full_s, entry.call_s(rows, elements))
    return _us(run_s * policy.reserve_spread + policy.reserve_overhead_s)


def _us(seconds: float) -> int:
    return ceil(seconds * 1e6)
