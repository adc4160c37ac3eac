"""All workers and all models that a machine knows, kept consistent with each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.plain_worker import PlainWorkerRecord
from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.load import WorkerReport

V = TypeVar("V", bound=ModelView)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a full report has changed.

    Attributes:
        who: Who can get which calls.
        times: Names of models that take another time on the worker than they did.
    """

    who: bool
    times: tuple[str, ...] = ()


class Registry(Generic[V]):
    """Workers by id and views by requested name.

    Args:
        policy: Parameters.
        new_view: Makes the view of a key, "model" or "model/version", and the model's name.
        calls_max: Most calls at one worker without late binding.
        overlooks_guests: As WorkerRecord.
    """

    __slots__ = ("_calls_max", "_new_view", "_overlooks_guests", "_policy", "views", "workers")

    def __init__(
        self,
        policy: FleetPolicy,
        new_view: Callable[[str, str], V],
        calls_max: int,
        *,
        overlooks_guests: bool = False,
    ) -> None:
        self._policy = policy
        self._overlooks_guests = overlooks_guests
        self._new_view = new_view
        self._calls_max = calls_max
        self.workers: dict[str, WorkerRecord] = {}
        self.views: dict[str, V] = {}

    # --- workers ----------------------------------------------------------------------

    def join(self, worker_id: str, weight: float, now_s: float) -> WorkerRecord:
        """Adds a worker, in place of one of the same name. Weight is > 0."""
        rank = affinity_score(self._policy.router_id, worker_id)
        record = (
            WorkerRecord(worker_id, weight, now_s, rank, self._overlooks_guests)
            if self._policy.late_binding
            else PlainWorkerRecord(worker_id, weight, now_s, rank, self._calls_max)
        )
        self.workers[worker_id] = record
        return record

    def leave(self, worker: WorkerRecord) -> None:
        """Forgets a worker and its models."""
        self.workers.pop(worker.worker_id, None)
        touched = self._views_of(worker)
        self._take_out(worker, touched)
        for view in touched:
            view.refresh_open(self._policy)
        self.forget_unreported(touched)

    def report(self, worker: WorkerRecord, report: WorkerReport) -> Changes:
        """Takes a full report over."""
        before = worker.report
        was_open = worker.open
        worker.report = report
        worker.lanes = max(1, report.lanes)
        if before is not None and self._same_models(before, report):
            ready = [model for model in report.models if model.ready]
            faster = False
            moved: list[str] = []
            for entry, load in zip(worker.entries, ready, strict=True):
                faster = faster or entry.best_s != load.best_s
                if entry.refresh(load):
                    moved.append(entry.name)
            if faster or was_open != worker.open:
                self.refresh_open_of(worker)
            return Changes(who=was_open != worker.open, times=tuple(moved))
        self._rebuild(worker, report)
        return Changes(who=True)

    def refresh_open_of(self, worker: WorkerRecord) -> None:
        """After the worker's standing has changed."""
        for view in self._views_of(worker):
            view.refresh_open(self._policy)

    # --- models -----------------------------------------------------------------------

    def find(self, model: str, version: str) -> V | None:
        """What a request named; None when no worker has reported it."""
        return self.views.get(f"{model}/{version}" if version else model)

    def knows_name(self, model: str) -> bool:
        """Some worker has reported a version of it, ready or not."""
        return model in self.views

    def is_loading(self, model: str, version: str) -> bool:
        """Some worker has it, but not ready; on one that leaves it never will be."""
        return any(
            load.name == model and not load.ready and version in {"", load.version}
            for worker in self.workers.values()
            if worker.report is not None and not worker.draining
            for load in worker.report.models
        )

    def needs(self, worker: WorkerRecord) -> bool:
        """Something that may be asked for has no other open worker."""
        return any(
            all(entry.worker is worker for entry in view.open)
            for view in self._views_of(worker)
            if view.open
        )

    def forget_unreported(self, views: list[V]) -> None:
        """Forgets those views that no worker reports any more and nobody needs."""
        for view in views:
            if not view.reporters and not view.wanted:
                self.views.pop(view.key, None)

    # --- inner ------------------------------------------------------------------------

    @staticmethod
    def _same_models(before: WorkerReport, after: WorkerReport) -> bool:
        return before.models is after.models or [
            (m.name, m.version, m.ready, m.serves_unversioned, m.default_timeout_s)
            for m in before.models
        ] == [
            (m.name, m.version, m.ready, m.serves_unversioned, m.default_timeout_s)
            for m in after.models
        ]

    def _rebuild(self, worker: WorkerRecord, report: WorkerReport) -> None:
        kept = {(entry.name, entry.version): entry for entry in worker.entries}
        touched = self._views_of(worker)
        self._take_out(worker, touched)
        worker.places = []
        for load in report.models:
            view = self._view(f"{load.name}/{load.version}", load.name)
            named = [view, self._view(load.name, load.name)]
            for each in named:
                each.reporters.add(worker.worker_id)
                if each not in touched:
                    touched.append(each)
            worker.places.append(None)
            if not load.ready:
                continue
            entry = kept.get((load.name, load.version)) or ModelEntry(worker, load)
            entry.refresh(load)
            self._begin_at_the_median(entry, view)
            worker.entries.append(entry)
            worker.places[-1] = entry
            for each in named if load.serves_unversioned else named[:1]:
                each.entries.append(entry)
                each.default_timeout_s = load.default_timeout_s
        for view in touched:
            view.entries.sort(key=lambda entry: entry.worker.worker_id)
            view.refresh_open(self._policy)
        self.forget_unreported(touched)

    @staticmethod
    def _take_out(worker: WorkerRecord, views: list[V]) -> None:
        for view in views:
            view.reporters.discard(worker.worker_id)
            view.entries = [entry for entry in view.entries if entry.worker is not worker]
        worker.entries = []

    @staticmethod
    def _begin_at_the_median(entry: ModelEntry, view: ModelView) -> None:
        # A fresh worker starts at the pool's median, not at its own guess: were it too low, it
        # would look free and receive a whole burst before its first answer.
        costs = sorted(other.cost_s for other in view.entries if other.measured)
        if costs and not entry.measured:
            entry.cost_s = max(entry.cost_s, costs[len(costs) // 2])

    def _view(self, key: str, model: str) -> V:
        view = self.views.get(key)
        if view is None:
            view = self.views[key] = self._new_view(key, model)
        return view

    def _views_of(self, worker: WorkerRecord) -> list[V]:
        keys: list[str] = []
        if worker.report is not None:
            for load in worker.report.models:
                keys += (f"{load.name}/{load.version}", load.name)
        for entry in worker.entries:
            keys += (f"{entry.name}/{entry.version}", entry.name)
        return [self.views[key] for key in dict.fromkeys(keys) if key in self.views]
