"""All workers and all models that a router knows, kept consistent with each other."""

from hasten_policy.admission.calibration import Shared, Theta
from hasten_policy.fleet.models import ModelEntry, ModelView
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.fleet.workers import PlainWorkerRecord, WorkerRecord
from hasten_policy.load import WorkerReport
from hasten_policy.ordering.orders import ORDERS
from hasten_policy.router.policy import RouterPolicy


class Registry:
    """Workers by id and views by requested name."""

    def __init__(self, policy: RouterPolicy) -> None:
        self._policy = policy
        self._fleet = policy.fleet
        self._new_queue = ORDERS.get(policy.hold.order).queue
        self.workers: dict[str, WorkerRecord] = {}
        self.views: dict[str, ModelView] = {}
        self.thetas: dict[str, Theta] = {}
        self._shared = Shared(policy.plan)

    # --- workers ----------------------------------------------------------------------

    def join(self, worker_id: str, weight: float, now_s: float) -> WorkerRecord:
        """Adds a worker, in place of one of the same name. Weight is > 0."""
        rank = affinity_score(self._fleet.router_id, worker_id)
        record = (
            WorkerRecord(worker_id, weight, now_s, rank)
            if self._fleet.late_binding
            else PlainWorkerRecord(worker_id, weight, now_s, rank, self._policy.hold.hold_calls_max)
        )
        self.workers[worker_id] = record
        return record

    def leave(self, worker: WorkerRecord) -> None:
        """Forgets a worker and its models."""
        self.workers.pop(worker.worker_id, None)
        touched = self._views_of(worker)
        self._take_out(worker, touched)
        for view in touched:
            view.refresh_open(self._fleet)
        self.forget_unreported(touched)

    def report(self, worker: WorkerRecord, report: WorkerReport) -> bool:
        """Takes a full report over. True if who can get which calls has changed."""
        before = worker.report
        was_open = worker.open
        worker.report = report
        worker.lanes = max(1, report.lanes)
        if before is not None and self._same_models(before, report):
            ready = [model for model in report.models if model.ready]
            faster = False
            for entry, load in zip(worker.entries, ready, strict=True):
                faster = faster or entry.best_s != load.best_s
                if entry.refresh(load):
                    self.theta_of(entry.name).restart()
            if faster or was_open != worker.open:
                self.refresh_open_of(worker)
            return was_open != worker.open
        self._rebuild(worker, report)
        return True

    def refresh_open_of(self, worker: WorkerRecord) -> None:
        """After the worker's standing has changed."""
        for view in self._views_of(worker):
            view.refresh_open(self._fleet)

    # --- models -----------------------------------------------------------------------

    def find(self, model: str, version: str) -> ModelView | None:
        """What a request named; None when no worker has reported it."""
        return self.views.get(f"{model}/{version}" if version else model)

    def theta_of(self, model: str) -> Theta:
        """The model's calibration, kept even while no worker has the model."""
        found = self.thetas.get(model)
        if found is None:
            found = self.thetas[model] = Theta(self._policy.plan, self._shared)
        return found

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

    def forget_unreported(self, views: list[ModelView]) -> None:
        """Forgets those views that no worker reports any more and no held call needs."""
        for view in views:
            if not view.reporters and not view.held:
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
            view.refresh_open(self._fleet)
        self.forget_unreported(touched)

    @staticmethod
    def _take_out(worker: WorkerRecord, views: list[ModelView]) -> None:
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

    def _view(self, key: str, model: str) -> ModelView:
        view = self.views.get(key)
        if view is None:
            view = self.views[key] = ModelView(key, self.theta_of(model), self._new_queue())
        return view

    def _views_of(self, worker: WorkerRecord) -> list[ModelView]:
        keys: list[str] = []
        if worker.report is not None:
            for load in worker.report.models:
                keys += (f"{load.name}/{load.version}", load.name)
        for entry in worker.entries:
            keys += (f"{entry.name}/{entry.version}", entry.name)
        return [self.views[key] for key in dict.fromkeys(keys) if key in self.views]
