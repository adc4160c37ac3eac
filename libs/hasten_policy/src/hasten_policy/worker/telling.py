"""What the other ends of links hear of the worker's load."""

from math import ceil

from hasten_policy.batching.batcher import Batcher
from hasten_policy.batching.model_state import ModelState
from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.ordering.orders import BATCH_ORDERS
from hasten_policy.worker.calls import OpenCalls
from hasten_policy.worker.events import LoadAsked, ReportAsked, SendLoad, SendReport
from hasten_policy.worker.lanes import Lanes
from hasten_policy.worker.policy import WorkerPolicy
from hasten_policy.worker.report import model_load, waiting_of
from hasten_policy.worker.windows import LinkWindows

WINDOW_WEIGHT = 0.2
"""Weight of one started batch in the average that the window is made of."""


class Telling:
    """Makes load samples and reports.

    Args:
        policy: Parameters.
        batcher: What waits.
        lanes: What runs.
        book: Open calls and models.
        links: Who hears.

    Attributes:
        service_s: Measured busy seconds per call of the model last answered; 0 before the first.
    """

    __slots__ = (
        "_batcher",
        "_book",
        "_guests_stand_back",
        "_lanes",
        "_links",
        "_policy",
        "_seq",
        "_window_calls",
        "service_s",
    )

    def __init__(
        self,
        policy: WorkerPolicy,
        batcher: Batcher,
        lanes: Lanes,
        book: OpenCalls,
        links: LinkWindows,
    ) -> None:
        self._policy = policy
        self._batcher = batcher
        self._lanes = lanes
        self._book = book
        self._links = links
        # Where calls go by arrival, one without a deadline does not wait for those that have one.
        self._guests_stand_back = BATCH_ORDERS.get(policy.batching.order).due_factor > 0.0
        self._seq = 0
        self._window_calls = 0.0
        self.service_s = 0.0

    def opened(self, model: ModelState) -> None:
        """A model opened before the first batch started: the window is made for it too."""
        self._window_calls = max(self._window_calls, model.window_calls())

    def started(self, model: ModelState, *, first: bool) -> None:
        """A batch of the model started, the first of all or a later one."""
        weight = 1.0 if first else WINDOW_WEIGHT
        self._window_calls += weight * (model.window_calls() - self._window_calls)

    def asked(self, event: LoadAsked | ReportAsked, now_s: float) -> SendLoad | SendReport:
        """The load, or the whole state, as the other end of the link should hear it."""
        load = self._sample(event.link_id, now_s)
        if isinstance(event, LoadAsked):
            return SendLoad(event.link_id, load)
        draining = self._book.draining
        report = WorkerReport(
            incarnation=event.incarnation,
            draining=draining,
            lanes=self._policy.lanes,
            load=load,
            models=tuple(
                model_load(model, draining=draining) for model in self._book.models.values()
            ),
        )
        return SendReport(event.link_id, report)

    def _sample(self, link_id: int, now_s: float) -> LoadSample:
        self._seq += 1
        lanes = self._lanes
        work_s = self._batcher.clear_s() + lanes.residuals_s(now_s)
        stand_back = self._guests_stand_back and self._book.waiting_batch
        guests_s = self._batcher.clear_guests_s() if stand_back else 0.0
        policy = self._policy
        waiting: tuple[tuple[int, int], ...] = ()
        starts_s: tuple[float, ...] = ()
        if self._book.waiting:
            waiting = waiting_of(self._batcher.waiting_models())
            starts = self._batcher.starts_s(lanes.residual_s(now_s))
            starts_s = tuple([starts[place] for place, _ in waiting])
        total = max(2, ceil(policy.lanes * policy.window_batches * self._window_calls))
        total = min(total, policy.waiting_max)
        return LoadSample(
            seq=self._seq,
            depth=len(self._book.calls),
            backlog_s=work_s / lanes.count,
            residual_s=lanes.residual_s(now_s),
            received=self._links.received(link_id),
            window=0 if self._book.draining else self._links.share(link_id, total, now_s),
            service_s=self.service_s,
            waiting=self._book.waiting,
            arrived=self._links.arrived,
            waiting_of=waiting,
            starts_s=starts_s,
            waiting_batch=self._book.waiting_batch,
            arrived_batch=self._links.arrived_batch,
            backlog_guests_s=guests_s / lanes.count,
            refused=self._links.refused,
        )
