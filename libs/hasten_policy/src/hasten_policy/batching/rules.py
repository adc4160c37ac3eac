"""Rules by which waiting calls become batches: the shipped one and those to compare it with."""

from math import inf
from typing import TYPE_CHECKING, Final, Protocol

from hasten_policy.batching.batcher import Batcher
from hasten_policy.batching.candidate import Candidate
from hasten_policy.batching.edf_queue import EdfQueue, WaitingCall
from hasten_policy.named import Named

if TYPE_CHECKING:
    from hasten_policy.batching.policy import BatchingPolicy


CONTROL_S: Final = 0.001
"""A deferred batch starts this much before it must: no timer is exact. As Clockwork allows."""


class ShrinkBatcher(Batcher):
    """The largest batch that lets its head finish, whatever that does to throughput.

    Under overload every head has little time left, so batches shrink to one (ALGORITHMS 4.2).
    """

    __slots__ = ()

    def _too_small(self, queue: EdfQueue, head: WaitingCall, rows_max: int, now_s: float) -> bool:
        del queue, head, rows_max, now_s
        return False


class WindowBatcher(Batcher):
    """Sheds every head that would force a batch below the target, overloaded or not.

    Nexus' early drop (Shen et al., SOSP 2019).
    """

    __slots__ = ()

    def _overloaded(self, queue: EdfQueue, head: WaitingCall, now_s: float) -> bool:
        del queue, head, now_s
        return True


class DeferralBatcher(WindowBatcher):
    """As window, and a batch waits for more calls until one more would no longer fit.

    Symphony's deferred batching (arXiv 2308.07470): a batch of b rows due at d starts at
    max(now, min(frontrun, latest)), frontrun = d - l(b + 1) - control, latest = d - l(b).
    """

    __slots__ = ()

    def _cut_to_preferred(self, queue: EdfQueue, head: WaitingCall, rows: int, now_s: float) -> int:
        cut = super()._cut_to_preferred(queue, head, rows, now_s)
        model = queue.model
        if not cut or self.eager or model.closing or queue.solo or rows >= model.spec.batch_max:
            return cut
        if head.deadline_s == inf:
            return cut
        one_more_s = model.predictor.predict_s(rows + 1, queue.size, self._policy.start_quantile)
        frontrun_s = head.deadline_s - self.margin.seconds - one_more_s - CONTROL_S
        if now_s >= frontrun_s:
            return cut
        self.wait_until_s = min(self.wait_until_s, frontrun_s)
        return 0


class EagerBatcher(Batcher):
    """Whatever waits, now, up to the model's maximum: dynamic batching without delay.

    No call's time left limits the batch that it is in. A call that could not even finish alone
    is still shed, where the worker keeps deadlines.
    """

    __slots__ = ()

    def _candidate(self, queue: EdfQueue, now_s: float, quantile: float) -> Candidate | None:
        first = self._first_feasible(queue, now_s, quantile)
        if first < 0:
            return None
        head = queue.calls[first]
        rows_max = head.rows if queue.solo else queue.model.spec.batch_max
        return Candidate(queue, first, rows_max, (0, head.order_s, queue.serial))

    def _first_of(self, found: list[Candidate], now_s: float, quantile: float) -> Candidate:
        del now_s, quantile
        return min(found, key=lambda candidate: candidate.rank)

    def _bearable_rows(self, call: WaitingCall, now_s: float) -> int:
        del now_s
        return call.model.spec.batch_max


class _MakesBatcher(Protocol):
    def __call__(self, policy: "BatchingPolicy", *, lanes: int) -> Batcher: ...


RULES: Final[Named[_MakesBatcher]] = Named(
    "rule",
    {
        "hybrid": (
            Batcher,
            "largest batch that lets its head finish; sheds small heads under overload",
        ),
        "shrink": (ShrinkBatcher, "largest batch that lets its head finish, never sheds for size"),
        "window": (WindowBatcher, "always sheds heads that force a batch below the target (Nexus)"),
        "eager": (EagerBatcher, "whatever waits, now, up to the maximum"),
        "deferral": (
            DeferralBatcher,
            "window, and waits until one more call would not fit (Symphony)",
        ),
    },
)
"""Rules by name."""
