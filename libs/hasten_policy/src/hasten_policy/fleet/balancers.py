"""Which worker gets the next call: the shipped balancer is `hasten_policy.fleet.hasten`, the others
are what proxies of today do, to compare with.

These divide by the operator's weight where the original does, none knows measured service times
except peak-EWMA, and all leave out workers without a free credit.
"""

from collections.abc import Callable
from math import ceil, exp, inf
from typing import Final

from hasten_policy.chance import Chance
from hasten_policy.fleet.balancer import Balancer
from hasten_policy.fleet.hasten import Hasten
from hasten_policy.fleet.subset import PARTITION, affinity_score
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.named import Named

EWMA_S: Final = 10.0
"""Finagle's decay time of peak-EWMA."""
UNKNOWN_COST_S: Final = 1e6
"""Finagle's penalty for a worker that has calls and never answered one."""
TURNS_MAX: Final = 10_000
"""Models whose turn is remembered."""
BOUND: Final = 1.25
"""Times the mean load that a worker of "hash" may have: HAProxy's advice
for its hash-balance-factor; few calls move then, and no queue is long.
"""


class RoundRobin(Balancer):
    """The next in the order of names, by model."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, str] = {}

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.pick`."""
        del rng, now_s
        last = self._last.get(key, "")
        # Those after the last one come before those that begin the next round.
        found = min(
            _free(entries),
            key=lambda entry: (entry.worker.worker_id <= last, entry.worker.worker_id),
            default=None,
        )
        if found is not None:
            if len(self._last) >= TURNS_MAX:
                self._last.clear()
            self._last[key] = found.worker.worker_id
        return found


class WeightedRandom(Balancer):
    """At random, in proportion to the weights."""

    __slots__ = ()

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.pick`."""
        del key, now_s
        free = _free(entries)
        return rng.choices(free, _weights(free))[0] if free else None


class LeastLoad(Balancer):
    """The least (load + 1) / weight of all; ties at random.

    Args:
        load: Calls that the worker is believed to have.
    """

    __slots__ = ("_load",)

    def __init__(self, load: Callable[[WorkerRecord], int]) -> None:
        super().__init__()
        self._load = load

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.pick`."""
        del key, now_s
        least = inf
        best: list[ModelEntry] = []
        for entry in _free(entries):
            score = (self._load(entry.worker) + 1) * entry.worker.inverse_share
            if score < least:
                least, best = score, [entry]
            elif score == least:
                best.append(entry)
        return rng.choice(best) if best else None


class TwoChoices(Balancer):
    """The better of two drawn in proportion to the weights (Mitzenmacher, 2001)."""

    __slots__ = ()

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.pick`."""
        del key
        free = _free(entries)
        if not free:
            return None
        one, two = rng.choices(free, _weights(free), k=2)
        return one if self.load(one.worker, now_s) <= self.load(two.worker, now_s) else two

    def load(self, worker: WorkerRecord, now_s: float) -> float:
        """What the two are compared by."""
        del now_s
        return (worker.queue + 1) * worker.inverse_share


class PeakEwma(TwoChoices):
    """Two choices by latency times own calls in flight, where latency jumps up at once and decays
    slowly (Finagle's PeakEwma, Linkerd's default).
    """

    __slots__ = ("_peaks",)

    def __init__(self) -> None:
        super().__init__()
        self._peaks: dict[str, tuple[float, float]] = {}

    def load(self, worker: WorkerRecord, now_s: float) -> float:
        """As `TwoChoices.load`; the peak decays while nothing comes back."""
        cost_s, at_s = self._peaks.get(worker.worker_id, (0.0, now_s))
        cost_s *= exp(-(now_s - at_s) / EWMA_S)
        pending = len(worker.calls)
        if cost_s <= 0.0 and pending:
            return UNKNOWN_COST_S + pending
        return cost_s * (pending + 1)

    def answered(self, worker: WorkerRecord, trip_s: float, now_s: float) -> None:
        """As `Balancer.answered`."""
        cost_s, at_s = self._peaks.pop(worker.worker_id, (0.0, now_s))
        keep = exp(-(now_s - at_s) / EWMA_S)
        if trip_s < cost_s:
            trip_s = cost_s * keep + trip_s * (1.0 - keep)
        if len(self._peaks) >= TURNS_MAX:
            # Whoever answered longest ago is probably gone.
            del self._peaks[next(iter(self._peaks))]
        self._peaks[worker.worker_id] = (trip_s, now_s)


class BoundedHash(Balancer):
    """Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, SODA 2018).

    Each model has an order of the workers that moves little when workers come and go, and its calls
    go to the first worker of it whose load stays within `BOUND` times the mean, in proportion to
    the weights. So a model's calls meet on few workers, and a crowd spills over to the next ones.
    The order is that of the ranks, as in the rest of the mesh, in place of the paper's ring.
    """

    __slots__ = ()

    def pick(
        self, key: str, entries: list[ModelEntry], rng: Chance, now_s: float
    ) -> ModelEntry | None:
        """As `Balancer.pick`."""
        del rng, now_s
        free = _free(entries)
        total = 1 + sum(entry.worker.queue for entry in entries)
        mean = BOUND * total / (sum(_weights(entries)) or 1.0)
        ranked = sorted(
            free, key=lambda entry: affinity_score(key, entry.worker.worker_id), reverse=True
        )
        for entry in ranked:
            # Rounded up, as in the paper: together they have room for all calls.
            if entry.worker.queue < ceil(mean / entry.worker.inverse_share):
                return entry
        # Those within the bound have no credit left.
        return ranked[0] if ranked else None


def _free(entries: list[ModelEntry]) -> list[ModelEntry]:
    return [entry for entry in entries if len(entry.worker.calls) < entry.worker.window]


def _weights(entries: list[ModelEntry]) -> list[float]:
    return [1.0 / entry.worker.inverse_share for entry in entries]


def _snapshot(worker: WorkerRecord) -> int:
    """Depth as the last full report had it."""
    return worker.report.load.depth if worker.report is not None else 0


def _snapshot_own(worker: WorkerRecord) -> int:
    """The same and what we have sent since."""
    if worker.report is None:
        return 0
    load = worker.report.load
    return load.depth + max(0, worker.sent - load.received)


def _own(worker: WorkerRecord) -> int:
    """Our calls in flight there."""
    return len(worker.calls)


def _depth(worker: WorkerRecord) -> int:
    """Depth as its last reply had it, and what we have sent since."""
    return worker.queue


BALANCERS: Final[Named[Callable[[], Balancer]]] = Named(
    "balancer",
    {
        "hasten": (
            Hasten,
            "least (depth on each reply + own sends) x measured seconds; models have homes",
        ),
        "round_robin": (RoundRobin, "one after the other"),
        "weighted_random": (WeightedRandom, "at random, in proportion to the weights"),
        "snapshot_least_connections": (
            lambda: LeastLoad(_snapshot),
            "least depth / weight as the last periodic report had it",
        ),
        "snapshot_own": (
            lambda: LeastLoad(_snapshot_own),
            "least depth / weight of the last periodic report, plus own sends since",
        ),
        "least_connections": (
            lambda: LeastLoad(_own),
            "least own calls in flight / weight",
        ),
        "wlc_static": (
            lambda: LeastLoad(_depth),
            "least (depth on each reply + own sends) / weight, nothing measured",
        ),
        "p2c": (TwoChoices, "the better of two random workers by depth on each reply / weight"),
        "peak_ewma": (PeakEwma, "the better of two random workers by peak latency x own calls"),
        "hash": (
            BoundedHash,
            "each model its own order of the workers: the first below 1.25 times the mean load",
        ),
        PARTITION: (RoundRobin, "each model has a fixed share of the workers, in turn"),
    },
)
"""Balancers by name, the shipped one first."""
