"""Which workers a model is at home on, so that under load its calls meet and fill batches.

A batch costs its fixed part once. Calls of many models that are spread over all workers meet few of
their own kind in each queue; where the same calls are kept to a share of the workers that fits
their demand, batches come out as full as one central queue would make them. The models are laid
along the workers in a fixed order, each over as much of them as its share of the demand takes, as
in the duty cycles of Nexus (Shen et al., SOSP 2019) but refreshed every second and never binding:
a worker that would stand idle takes what it can get.

Every router sees a fair sample of the calls, and the order is the same for all, so routers come to
nearly the same layout without talking to each other.
"""

from collections.abc import Iterable
from typing import Final

from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord

PERIOD_S: Final = 1.0
"""Between two layouts."""
FIRST_PERIOD_S: Final = 0.25
"""After the first call; the periods double until they are PERIOD_S."""
WEIGHT: Final = 0.25
"""Of the newest period in the demand."""
LEAST_SHARE: Final = 0.3
"""Of a worker: a smaller place is not worth the batches that it breaks, ..."""
KEPT_SHARE: Final = 0.2
"""... but one that is there is kept while it is at least so large. Routers see different calls:
were the two the same, a place of about that size would be there for some routers only.
"""
ROUNDING: Final = 1e-9


class Homes:
    """The layout of the models on the workers.

    Attributes:
        due_s: When it is to be made again.
    """

    __slots__ = ("_at_home", "_began_s", "_period_s", "due_s")

    def __init__(self) -> None:
        self.due_s = float("-inf")
        self._at_home: list[ModelEntry] = []
        self._began_s = float("-inf")
        self._period_s = FIRST_PERIOD_S

    def renew(self, views: Iterable[ModelView], now_s: float) -> None:
        """Takes the calls since the last time into the demand and lays the models out anew."""
        if self._began_s == float("-inf"):
            self._began_s = now_s
            self.due_s = now_s + self._period_s
            return
        passed_s = max(now_s - self._began_s, 1e-3)
        self._began_s = now_s
        self._period_s = min(PERIOD_S, 2.0 * self._period_s)
        self.due_s = now_s + self._period_s
        asked: list[ModelView] = []
        for view in views:
            rate = view.arrivals / passed_s
            view.arrivals = 0
            view.demand_per_s += (WEIGHT if view.demand_per_s else 1.0) * (rate - view.demand_per_s)
            if view.demand_per_s < 1e-3:
                view.demand_per_s = 0.0
            view.homes = []
            if view.demand_per_s and view.open:
                asked.append(view)
        self._at_home = lay_out(asked, self._at_home)


def lay_out(views: list[ModelView], before: Iterable[ModelEntry] = ()) -> list[ModelEntry]:
    """Gives each view its homes, in proportion to its demand.

    Args:
        views: Those of models that are asked for and have open workers.
        before: Entries that are at home by the layout that ends, whoever asks for them now.

    Returns:
        The entries that are at home.
    """
    views = sorted(views, key=_place)
    kept = set(before)
    for entry in kept:
        entry.home = 0.0
        entry.worker.homes = []
        entry.worker.home_lanes = 0.0
    workers: dict[str, WorkerRecord] = {}
    wanted_s = 0.0
    for view in views:
        wanted_s += view.demand_per_s * _mean_cost_s(view)
        for entry in view.open:
            workers[entry.worker.worker_id] = entry.worker
    if not wanted_s:
        return []
    scale = sum(worker.lanes for worker in workers.values()) / wanted_s
    left = {worker_id: float(worker.lanes) for worker_id, worker in workers.items()}
    for view in views:
        _settle(view, scale, left, kept)
    return [entry for view in views for entry in view.homes]


def _settle(view: ModelView, scale: float, left: dict[str, float], kept: set[ModelEntry]) -> None:
    """Takes as many lanes as the view's demand needs, worker by worker, in their order."""
    calls = view.demand_per_s
    for at, entry in enumerate(view.open):
        worker = entry.worker
        free = left[worker.worker_id]
        need = calls * entry.full_cost_s * scale
        least = KEPT_SHARE if entry in kept else LEAST_SHARE
        if free + ROUNDING < min(need, least * worker.lanes):
            continue
        goes_on = not kept.isdisjoint(view.open[at + 1 :])
        least = KEPT_SHARE if goes_on else LEAST_SHARE
        taken = need if need - free < least * worker.lanes else free
        left[worker.worker_id] = free - taken
        view.homes.append(entry)
        _live(view, entry, taken)
        if taken == need:
            return
        calls -= taken / (entry.full_cost_s * scale)
    # No worker that holds it has room: they are all too small for what is asked of them.
    crowded = view.homes or view.open
    view.homes = list(crowded)
    for entry in crowded:
        _live(view, entry, calls * entry.full_cost_s * scale / len(crowded))


def _live(view: ModelView, entry: ModelEntry, lanes: float) -> None:
    if not entry.home:
        entry.worker.homes.append((entry, view.key))
    entry.home += lanes
    entry.worker.home_lanes += lanes


def _place(view: ModelView) -> tuple[int, str]:
    """Its place in the order, the same in every router; versions of a model are neighbours."""
    name = view.key.partition("/")[0]
    return affinity_score(name, ""), view.key


def _mean_cost_s(view: ModelView) -> float:
    return sum(entry.full_cost_s for entry in view.open) / len(view.open)
