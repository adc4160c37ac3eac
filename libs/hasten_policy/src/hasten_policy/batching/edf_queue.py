"""Accepted calls, and the queue of those of one model and one shape."""

from bisect import bisect_left
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from hasten_policy.batching.model_state import ModelState
from hasten_policy.priorities import LOWEST

if TYPE_CHECKING:
    from hasten_policy.prediction.curve import Curve

CALL_ID_MAX: Final = 2**63
"""Above any call id."""


@dataclass(slots=True, eq=False)
class WaitingCall:
    """One accepted call, from arrival to its end.

    Attributes:
        call_id: Unique; the last word in every order.
        link_id: Stream it came over.
        model: What it asks for.
        rows: Rows it brings.
        size: Elements of its inputs per row, at least 1.
        shape_key: Calls batch together only if equal.
        deadline_s: Absolute; math.inf for none.
        slack_s: Seconds it had on arrival; math.inf for none.
        arrived_s: When it was accepted.
        order_s: Place in the queue: the least goes first (see `ordering.orders`).
        latest_start_s: Last moment at which it could start, as seen when it was accepted.
        payload_bytes: Bytes held for it.
        queue: Where it waits; None while it runs.
        batch_id: Batch it runs in; 0 while it waits.
        priority: Class 0 (most urgent) to 3.
        solo: Its batch failed before, here or where it ended the worker: it runs alone, and only
            once more.
        reserved: It has a reservation: nothing is waited for, or let go first, for the sake of
            others.
        lost: Names of the processes that ended while it ran, and that it may have ended.
        trial: It was let in on no evidence that it is late, whatever is predicted, and may start
            until its deadline.
    """

    call_id: int
    link_id: int
    model: ModelState
    rows: int
    size: float
    shape_key: int
    deadline_s: float
    slack_s: float
    arrived_s: float
    order_s: float
    latest_start_s: float
    payload_bytes: int
    priority: int = 0
    queue: "EdfQueue | None" = None
    batch_id: int = 0
    solo: bool = False
    trial: bool = False
    reserved: bool = False
    lost: tuple[str, ...] = ()

    @property
    def guest_rows(self) -> int:
        """Its rows, if whatever has a deadline goes before it."""
        return self.rows if self.priority == LOWEST and self.deadline_s == inf else 0

    def reserved_s(self, share: float) -> float:
        """Its deadline, earlier by a share of its slack; math.inf for none."""
        return self.deadline_s if self.slack_s == inf else self.deadline_s - share * self.slack_s


class EdfQueue:
    """Calls that may run together, earliest effective deadline first, ties by call id.

    A sorted array rather than a heap: a batch takes a run of its front in one memory move,
    a cancelled call leaves at once, and nothing dead stays behind. At the bounded lengths
    it holds, an insertion costs a binary search and a short memory move.

    Args:
        model: Whose calls these are.
        serial: Unique per queue; settles ties between queues.
        solo: Its calls run one by one.
        size: Elements per row of its calls, at least 1.
    """

    __slots__ = (
        "_clear_counts",
        "_clear_curve",
        "_clear_s",
        "_clear_target",
        "calls",
        "guest_rows",
        "keys",
        "model",
        "rows",
        "serial",
        "size",
        "solo",
        "suspect",
    )

    def __init__(self, model: ModelState, serial: int, *, solo: bool, size: float = 1.0) -> None:
        self.model = model
        self.serial = serial
        self.solo = solo
        self.suspect = False
        """Its calls may have ended a process: each runs when nothing else of the model does."""
        self.size = size
        self.keys: list[tuple[float, int]] = []
        self.calls: list[WaitingCall] = []
        self.rows = 0
        self.guest_rows = 0
        self._clear_s = 0.0
        self._clear_counts = (0, 0)
        self._clear_curve: Curve | None = None
        self._clear_target = 0

    def push(self, call: WaitingCall) -> None:
        """Puts the call in its place."""
        key = (call.order_s, call.call_id)
        keys = self.keys
        index = len(keys)
        if index and keys[-1] > key:
            index = bisect_left(keys, key)
        keys.insert(index, key)
        self.calls.insert(index, call)
        self.rows += call.rows
        self.guest_rows += call.guest_rows
        call.queue = self

    def remove(self, call: WaitingCall) -> None:
        """Takes out a call that waits here."""
        index = bisect_left(self.keys, (call.order_s, call.call_id))
        del self.keys[index]
        del self.calls[index]
        self.rows -= call.rows
        self.guest_rows -= call.guest_rows
        call.queue = None

    def take(self, indices: list[int]) -> list[WaitingCall]:
        """Takes out the calls at ascending `indices` (at least one), in that order."""
        first, last = indices[0], indices[-1]
        if last - first + 1 == len(indices):
            taken = self.calls[first : last + 1]
            del self.keys[first : last + 1]
            del self.calls[first : last + 1]
        else:
            taken = [self.calls[index] for index in indices]
            for index in reversed(indices):
                del self.keys[index]
                del self.calls[index]
        for call in taken:
            self.rows -= call.rows
            self.guest_rows -= call.guest_rows
            call.queue = None
        return taken

    def rows_due_by(self, order_s: float) -> int:
        """Rows due by `order_s`, taking all calls here as of mean size."""
        index = bisect_left(self.keys, (order_s, CALL_ID_MAX))
        count = len(self.keys)
        return self.rows if index == count else self.rows * index // count

    def clear_s(self) -> float:
        """Typical seconds of one lane until all that waits here has run."""
        model = self.model
        # The curve itself is the key: a counter of fits could start again with a model loaded anew.
        curve = model.predictor.curve(self.size)
        target = model.target_rows(self.size)
        counts = (self.rows, len(self.calls))
        if (
            counts != self._clear_counts
            or curve is not self._clear_curve
            or target != self._clear_target
        ):
            if self.solo:
                count = len(self.calls)
                mean_rows = -(-self.rows // count) if count else 0
                self._clear_s = count * model.clear_s(mean_rows, self.size)
            else:
                self._clear_s = model.clear_s(self.rows, self.size)
            self._clear_counts = counts
            self._clear_curve = curve
            self._clear_target = target
        return self._clear_s

    def clear_guests_s(self) -> float:
        """What of `clear_s` is due to calls that all with a deadline go before."""
        guests = self.guest_rows
        if guests in {0, self.rows} or self.solo:
            return self.clear_s() * guests / self.rows if guests else 0.0
        return self.clear_s() - self.model.clear_s(self.rows - guests, self.size)
