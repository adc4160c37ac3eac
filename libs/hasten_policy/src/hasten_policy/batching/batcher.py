"""Forms the next batch: which model, which calls, how many; and who can no longer make it."""

from dataclasses import dataclass
from math import floor, inf
from typing import TYPE_CHECKING, Final

from hasten_policy.batching.candidate import Candidate, first_kept
from hasten_policy.batching.edf_queue import EdfQueue, WaitingCall
from hasten_policy.batching.margin import Margin
from hasten_policy.batching.model_state import ModelState

if TYPE_CHECKING:
    from hasten_policy.batching.policy import BatchingPolicy


CALLED_S: Final = 1.0
"""So long after a call others are expected."""


@dataclass(slots=True, eq=False)
class FormedBatch:
    """Calls taken out of their queue to run together."""

    model: ModelState
    calls: list[WaitingCall]
    rows: int


class Batcher:
    """Waiting calls of all models, and the rule by which they become batches.

    Each queue (one model, one shape) is kept by earliest effective deadline. The batch of a
    queue is the largest that still lets its head finish in time. Under overload that rule
    alone collapses: one head with little time left forces a small batch, throughput falls,
    and every next head has little time left. So when the work due before a fresh call of
    the head's kind exceeds a share of the head's slack, heads that would force a batch
    below the model's target are shed (window drop, after Nexus), provided that more rows
    per second are then served. Judging by the head's own slack keeps a hurried call from
    being shed for the sake of a backlog that has plenty of time.

    Among queues the one with the earliest effective deadline goes first, less what its batch
    takes beyond its head alone: single calls go by EDF, full batches before small ones. A tie
    goes to the model that has had less of the lanes. Where that order would make a later head
    miss, the batch that brings least for its time gives way (see `first_kept`).

    Args:
        policy: Parameters.
        lanes: Batches that may run at once.
    """

    __slots__ = (
        "_active",
        "_called_s",
        "_chances",
        "_lanes",
        "_policy",
        "_queues",
        "_serial",
        "eager",
        "margin",
        "shed",
        "wait_until_s",
    )

    def __init__(self, policy: "BatchingPolicy", *, lanes: int) -> None:
        self._policy = policy
        self._lanes = lanes
        self._active: dict[int, EdfQueue] = {}
        self._queues: dict[tuple[str, int, bool, bool], EdfQueue] = {}
        self._serial = 0
        self._called_s = -inf
        self._chances = False
        self.shed: list[WaitingCall] = []
        """Calls given up since the owner last emptied this list; already out of their queue."""
        self.wait_until_s = inf
        """When a batch that waits for a preferred size must go; set by `next_batch`."""
        self.margin = Margin()
        """How long before a deadline a batch must have ended."""
        self.eager = False
        """Wait for no preferred size: nothing more will come."""

    def add(self, call: WaitingCall) -> None:
        """Lets a call wait."""
        if not call.guest_rows:
            self._called_s = max(self._called_s, call.arrived_s)
        queue = self._queue_for(call)
        if not queue.calls:
            self._lift(call.model)
            self._active[queue.serial] = queue
        queue.push(call)
        call.model.waiting += 1

    def remove(self, call: WaitingCall) -> None:
        """Takes a waiting call out."""
        queue = call.queue
        if queue is not None:
            queue.remove(call)
            self._left(queue, 1)

    def queue_of(self, call: WaitingCall) -> EdfQueue | None:
        """The queue that the call waits in or would join; None when there is none yet."""
        queue = self._queues.get(_key(call))
        # A version that was unloaded and came back is another model under the same key.
        return None if queue is None or queue.model is not call.model else queue

    def waiting_models(self) -> set[ModelState]:
        """Models of which calls wait."""
        return {queue.model for queue in self._active.values()}

    def latest_start_s(self, call: WaitingCall) -> float:
        """Last moment at which the call may start; math.inf without a deadline."""
        if call.deadline_s == inf:
            return inf
        if call.trial:
            return call.deadline_s
        run_s = call.model.predictor.predict_s(call.rows, call.size, self._policy.chance_quantile)
        return call.deadline_s - self.margin.seconds - run_s

    def clear_s(self) -> float:
        """Typical seconds of one lane until all that waits has run."""
        seconds = 0.0
        for queue in self._active.values():
            seconds += queue.clear_s()
        return seconds

    def clear_guests_s(self) -> float:
        """What of `clear_s` is due to calls that all with a deadline go before."""
        return sum(queue.clear_guests_s() for queue in self._active.values())

    def clear_due_s(self, order_s: float, own: EdfQueue | None) -> float:
        """Typical seconds of one lane for what is due by `order_s`, `own` queue aside."""
        seconds = 0.0
        for queue in self._active.values():
            if queue is own:
                continue
            if queue.keys[-1][0] <= order_s:
                seconds += queue.clear_s()
            elif queue.keys[0][0] <= order_s:
                seconds += queue.model.clear_s(queue.rows_due_by(order_s), queue.size)
        return seconds

    def starts_s(self, residual_s: float) -> dict[int, float]:
        """Seconds until the next batch of each waiting model begins, by the model's place, if
        nothing more came.

        Args:
            residual_s: Seconds until a lane is free.
        """
        waiting: list[tuple[float, int, EdfQueue, float]] = []
        for queue in self._active.values():
            model = queue.model
            curve = model.predictor.curve(queue.size)
            head = queue.calls[0].rows
            rows = min(queue.rows, max(head, model.target_rows(queue.size)))
            typical_s = curve.seconds(rows)
            extra_s = typical_s - curve.seconds(head)
            waiting.append((queue.keys[0][0] - extra_s, queue.serial, queue, typical_s))
        waiting.sort()
        starts: dict[int, float] = {}
        at_s = residual_s
        for _, _, queue, typical_s in waiting:
            starts.setdefault(queue.model.place, at_s)
            at_s += typical_s / self._lanes
        return starts

    def next_batch(self, now_s: float) -> FormedBatch | None:
        """Takes the batch that should start now, if any may; sheds what stands in its way."""
        self.wait_until_s = inf
        self._chances = False
        best = self._best(now_s, self._policy.start_quantile)
        if best is None and self._chances:
            best = self._best(now_s, self._policy.chance_quantile)
        return None if best is None else self._take(best, now_s)

    def _best(self, now_s: float, quantile: float) -> Candidate | None:
        found: list[Candidate] = []
        suspected = {queue.model for queue in self._active.values() if queue.suspect}
        for queue in list(self._active.values()):
            model = queue.model
            if model.back_s or model.on_trial:
                continue
            if model in suspected and (model.running or not queue.suspect):
                # A call that may end the process has the model for itself: then it will be known
                # whether it does.
                continue
            if model.running < model.spec.instances:
                candidate = self._candidate(queue, now_s, quantile)
                if candidate is not None:
                    found.append(candidate)
        if len(found) < 2:
            return found[0] if found else None
        return self._first_of(found, now_s, quantile)

    def _first_of(self, found: list[Candidate], now_s: float, quantile: float) -> Candidate:
        return first_kept(found, now_s + self.margin.seconds, self._lanes, quantile)

    def _candidate(self, queue: EdfQueue, now_s: float, quantile: float) -> Candidate | None:
        model = queue.model
        while True:
            first = self._first_feasible(queue, now_s, quantile)
            if first < 0:
                return None
            head = queue.calls[first]
            rows_max = head.rows
            if not queue.solo:
                budget_s = head.deadline_s - now_s - self.margin.seconds
                within = model.predictor.rows_within(budget_s, queue.size, quantile)
                rows_max = max(head.rows, min(within, model.target_rows(queue.size)))
                if head.guest_rows and now_s - self._called_s < CALLED_S:
                    # A call that comes meanwhile waits for its end.
                    within = model.predictor.rows_within(
                        self._policy.guest_run_s, queue.size, quantile
                    )
                    rows_max = max(head.rows, min(within, rows_max))
            if quantile < self._policy.start_quantile:
                break
            if not self._too_small(queue, head, rows_max, now_s):
                break
            self._give_up(head)
        rows = min(rows_max, queue.rows)
        cut = self._cut_to_preferred(queue, head, rows, now_s)
        if not cut:
            return None
        if cut < rows:
            rows = rows_max = cut
        predictor = model.predictor
        curve = predictor.curve(queue.size)
        batch_s = (curve.seconds(rows) - curve.seconds(head.rows)) * predictor.factor(quantile)
        tick = floor((head.order_s - now_s - batch_s) / self._policy.laxity_tick_s)
        return Candidate(queue, first, rows_max, (tick, model.charged_s, queue.serial))

    def _first_feasible(self, queue: EdfQueue, now_s: float, quantile: float) -> int:
        """Index of the first call that can finish in time alone, or -1; sheds the hopeless."""
        index = 0
        predictor = queue.model.predictor
        while index < len(queue.calls):
            call = queue.calls[index]
            budget_s = call.deadline_s - now_s - self.margin.seconds
            if call.trial:
                if call.deadline_s > now_s:
                    return index
            elif predictor.predict_s(call.rows, queue.size, quantile) <= budget_s:
                return index
            if predictor.predict_s(call.rows, queue.size, self._policy.chance_quantile) <= budget_s:
                self._chances = True
                index += 1
            else:
                self._give_up(call)
        return -1

    def _too_small(self, queue: EdfQueue, head: WaitingCall, rows_max: int, now_s: float) -> bool:
        """Overload asks to shed this head, as it would force too small a batch."""
        model = queue.model
        target = min(queue.rows, model.target_rows(queue.size))
        if queue.solo or head.reserved or rows_max >= target or head.rows >= target:
            return False
        quantile = self._policy.start_quantile
        served_s = model.predictor.predict_s(max(rows_max, 1), queue.size, quantile)
        target_s = model.predictor.predict_s(target, queue.size, quantile)
        if target * served_s <= rows_max * target_s:
            return False
        return self._overloaded(queue, head, now_s)

    def _overloaded(self, queue: EdfQueue, head: WaitingCall, now_s: float) -> bool:
        """The work due before a fresh call of the head's kind needs too much of its slack."""
        model = queue.model
        bar_s = self._policy.over_fraction * head.slack_s
        lanes = min(self._lanes, model.spec.instances)
        if self.clear_s() <= bar_s * lanes:
            return False
        horizon_s = now_s + head.slack_s
        # The head itself is no reason: where its slack is but a few runs long, any call alone
        # would else count as overload.
        own_s = model.clear_s(max(0, queue.rows_due_by(horizon_s) - head.rows), queue.size)
        clear_s = own_s + self.clear_due_s(horizon_s, queue)
        return clear_s > bar_s * self._lanes or own_s > bar_s * lanes

    def _cut_to_preferred(self, queue: EdfQueue, head: WaitingCall, rows: int, now_s: float) -> int:
        """Rows to start with: `rows`, a preferred size below it, or 0 to wait for one."""
        spec = queue.model.spec
        delay_s = spec.queue_delay_max_s
        if delay_s <= 0.0 or self.eager or queue.model.closing or queue.solo or head.reserved:
            return rows
        if now_s >= head.arrived_s + delay_s:
            return rows
        sizes = spec.preferred_sizes or (spec.batch_max,)
        for size in reversed(sizes):
            if size <= rows:
                return size
        wanted_s = queue.model.predictor.predict_s(
            sizes[0], queue.size, self._policy.start_quantile
        )
        # To wait costs nobody a deadline: the run is given twice its time, and some of the slack is
        # kept for all that no worker can measure of the way back.
        share = self._policy.company_slack_share
        due_s = min(call.reserved_s(share) for call in queue.calls)
        due_s -= self.margin.seconds + 2.0 * wanted_s
        go_s = min(due_s, min(call.arrived_s for call in queue.calls) + delay_s)
        if now_s >= go_s:
            return rows
        self.wait_until_s = min(self.wait_until_s, go_s)
        return 0

    def _take(self, candidate: Candidate, now_s: float) -> FormedBatch:
        queue = candidate.queue
        calls = queue.calls
        head = calls[candidate.first]
        chosen = [candidate.first]
        rows = head.rows
        rows_max = 0 if queue.solo else candidate.rows_max
        wanted = min(rows_max, queue.rows)
        hurried: list[tuple[int, int]] = []
        passed_over = 0
        index = candidate.first
        while rows < rows_max and index + 1 < len(calls):
            index += 1
            call = calls[index]
            bearable = 0
            if rows + call.rows <= rows_max:
                in_time = call.deadline_s >= head.deadline_s
                bearable = rows_max if in_time else self._bearable_rows(call, now_s)
            if bearable >= wanted:
                chosen.append(index)
                rows += call.rows
                continue
            if bearable:
                hurried.append((index, bearable))
            passed_over += 1
            if passed_over > self._policy.look_ahead_max:
                break
        # Passed over for the sake of a batch that has become smaller than it could have been.
        for index, bearable in hurried:
            rows_with = rows + calls[index].rows
            if rows_with <= min(rows_max, bearable):
                chosen.append(index)
                rows = rows_with
                rows_max = min(rows_max, bearable)
        chosen.sort()
        taken = queue.take(chosen)
        self._left(queue, len(taken))
        return FormedBatch(queue.model, taken, rows)

    def _bearable_rows(self, call: WaitingCall, now_s: float) -> int:
        """Rows of the largest batch that ends in time for a call due before the head.

        Such a call (their classes differ) must not shrink the batch.
        """
        budget_s = call.deadline_s - now_s - self.margin.seconds
        return call.model.predictor.rows_within(budget_s, call.size, self._policy.start_quantile)

    def _give_up(self, call: WaitingCall) -> None:
        self.remove(call)
        self.shed.append(call)

    def _queue_for(self, call: WaitingCall) -> EdfQueue:
        queue = self.queue_of(call)
        if queue is None:
            if len(self._queues) - len(self._active) >= self._policy.shapes_kept_max:
                self._queues = {key: kept for key, kept in self._queues.items() if kept.calls}
            self._serial += 1
            queue = EdfQueue(call.model, self._serial, solo=call.solo, size=call.size)
            queue.suspect = bool(call.lost)
            self._queues[_key(call)] = queue
        return queue

    def _left(self, queue: EdfQueue, count: int) -> None:
        queue.model.waiting -= count
        if not queue.calls:
            del self._active[queue.serial]

    def _lift(self, model: ModelState) -> None:
        """Ends the credit of idleness when a model becomes busy again."""
        if model.waiting or model.running or not self._active:
            return
        least_s = min(queue.model.charged_s for queue in self._active.values())
        model.charged_s = max(model.charged_s, least_s)


def _key(call: WaitingCall) -> tuple[str, int, bool, bool]:
    """Calls with one key wait in one queue."""
    return call.model.spec.key, call.shape_key, call.solo, bool(call.lost)
