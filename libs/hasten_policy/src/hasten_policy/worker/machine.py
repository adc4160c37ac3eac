"""The worker's machine: admits calls, forms batches, watches runs, answers each call once."""

from collections.abc import Iterable
from math import inf, isfinite
from typing import assert_never

from hasten_policy.batching.batcher import FormedBatch
from hasten_policy.batching.edf_queue import WaitingCall
from hasten_policy.batching.margin import Margin
from hasten_policy.batching.model_state import ModelState
from hasten_policy.batching.rules import RULES
from hasten_policy.load import HostLag, ModelSpec
from hasten_policy.prediction.predictor import ServicePredictor
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker import refusals
from hasten_policy.worker.admission import Admission
from hasten_policy.worker.calls import OpenCalls
from hasten_policy.worker.events import (
    BatchEnded,
    CallArrived,
    CallCancelled,
    DrainBegan,
    LinkClosed,
    LinkOpened,
    LoadAsked,
    ModelClosed,
    ModelEvent,
    ModelOpened,
    ModelPaused,
    ModelResumed,
    ReportAsked,
    StartBatch,
    StopBatch,
    TellLoad,
    WorkerEffect,
    WorkerEvent,
)
from hasten_policy.worker.lanes import Lanes, RunningBatch, Stop
from hasten_policy.worker.policy import WorkerPolicy
from hasten_policy.worker.telling import Telling
from hasten_policy.worker.windows import LinkWindows


class WorkerMachine:
    """All decisions of one worker.

    Every accepted or refused `CallArrived` ends in exactly one of Deliver, Refuse, or the
    CallCancelled or LinkClosed that took it away. A batch is started only for calls that can
    finish in time by its typical seconds. Time comes in with each event and never goes back.

    Args:
        settings: Parameters.
    """

    __slots__ = (
        "_admission",
        "_armed_s",
        "_batch_id",
        "_batcher",
        "_book",
        "_lanes",
        "_links",
        "_policy",
        "_telling",
        "_wait_s",
    )

    def __init__(self, settings: WorkerPolicy) -> None:
        self._policy = settings
        self._batcher = RULES.get(settings.batching.rule)(settings.batching, lanes=settings.lanes)
        self._batcher.margin = Margin(settings.finish_margin_s, settings.lag_max_s)
        self._links = LinkWindows(settings.link_idle_s)
        self._book = OpenCalls(self._batcher, self._links)
        self._lanes = Lanes(
            settings.lanes,
            overdue_grace_s=settings.overdue_grace_s,
            stop_patience_s=settings.stop_patience_s,
        )
        self._admission = Admission(settings, self._batcher, self._lanes, self._book)
        self._armed_s = inf
        self._wait_s = inf
        self._batch_id = 0
        self._telling = Telling(settings, self._batcher, self._lanes, self._book, self._links)

    @property
    def waiting(self) -> int:
        """Calls accepted and not running."""
        return self._book.waiting

    @property
    def running(self) -> int:
        """Batches running."""
        return len(self._lanes)

    def predictor(self, model_key: str) -> ServicePredictor:
        """The service-time prediction of an open model version.

        Raises:
            KeyError: No such model version is open.
        """
        return self._book.models[model_key].predictor

    def on(self, event: WorkerEvent, *, now_s: float) -> list[WorkerEffect]:
        """Takes one event in and returns what is to be done, in order."""
        if isinstance(event, LoadAsked | ReportAsked):
            return [self._telling.asked(event, now_s)]
        effects = self._book.begin(now_s)
        whom: Iterable[int] = ()
        if isinstance(event, CallArrived):
            self._arrived(event, now_s)
            if event.more_follow:
                return effects
        elif isinstance(event, BatchEnded):
            whom = self._ended(event, now_s)
        elif isinstance(event, CallCancelled):
            self._cancelled(event.call_id, now_s)
        else:
            self._on_rare(event, now_s)
        if now_s >= self._lanes.check_s:
            self._check_runs(now_s)
        self._start_batches(now_s)
        if not self._lanes.free and isinstance(event, BatchEnded | CallArrived):
            # Batch follows batch, and calls of many routers gather for the next.
            whom = self._links.to_tell(now_s)
        for link_id in whom:
            self._links.load_leaves(link_id, now_s)
            effects.append(TellLoad(link_id))
        due_s = min(self._book.expiry.next_s, self._lanes.check_s, self._wait_s)
        if due_s < self._armed_s:
            self._armed_s = due_s
            effects.append(WakeAt(due_s))
        return effects

    def _on_rare(
        self,
        event: ModelEvent | HostLag | LinkOpened | LinkClosed | DrainBegan | Woke,
        now_s: float,
    ) -> None:
        book = self._book
        match event:
            case ModelOpened() | ModelClosed() | ModelPaused() | ModelResumed():
                self._on_model(event, now_s)
            case HostLag():
                self._batcher.margin.host_lagged(event, now_s)
            case LinkOpened():
                self._links.open(event.link_id, now_s)
            case LinkClosed():
                self._links.close(event.link_id)
                for call in [call for call in book.calls.values() if call.link_id == event.link_id]:
                    self._cancelled(call.call_id, now_s)
            case DrainBegan():
                book.draining = True
                self._batcher.eager = True
                book.end_drain()
            case Woke():
                self._armed_s = inf
            case _:
                assert_never(event)

    def _on_model(self, event: ModelEvent, now_s: float) -> None:
        if isinstance(event, ModelOpened):
            self._opened(event.spec)
            return
        book = self._book
        model = book.models.get(event.key)
        if model is None:
            return
        match event:
            case ModelClosed():
                model.closing = True
            case ModelPaused():
                model.back_s = now_s + event.back_s
            case ModelResumed():
                model.back_s = 0.0
            case _:
                assert_never(event)
        if model.back_s:
            book.refuse_waiting(model)
        book.end_model(model)

    # --- calls ------------------------------------------------------------------------

    def _arrived(self, event: CallArrived, now_s: float) -> None:
        if event.call_id in self._book.calls:
            raise ValueError(f"call id {event.call_id} is in use")
        self._links.count(event.link_id, event.priority, now_s)
        self._links.refused += event.refused_before
        verdict = self._admission.judge(event, now_s)
        if isinstance(verdict, WaitingCall):
            verdict.solo = event.alone
            self._book.accept(verdict)
        else:
            self._book.turn_away(event.call_id, event.link_id, verdict)

    def _cancelled(self, call_id: int, now_s: float) -> None:
        call = self._book.calls.get(call_id)
        if call is None:
            return
        if call.queue is not None:
            self._book.withdraw(call)
        else:
            batch = self._lanes.leave(call)
            if batch is not None:
                self._stop(batch, Stop.ABANDONED, now_s)
        self._book.close(call)

    def _opened(self, spec: ModelSpec) -> None:
        book = self._book
        model = book.models.get(spec.key)
        if model is None:
            policy = self._policy
            model = ModelState(
                spec,
                policy.prediction,
                policy.batching,
                lanes=policy.lanes,
                margin=self._batcher.margin,
            )
            book.add_model(model)
        else:
            model.open(spec, self._policy.prediction)
            for call in [call for call in book.calls.values() if call.model is model]:
                if call.queue is not None and call.rows > spec.batch_max:
                    book.withdraw(call)
                    book.refuse(call, refusals.batch_too_large(spec, call.rows))
        if not self._batch_id:
            self._telling.opened(model)

    # --- batches ----------------------------------------------------------------------

    def _start_batches(self, now_s: float) -> None:
        self._wait_s = inf
        book = self._book
        while book.waiting and self._lanes.free:
            formed = self._batcher.next_batch(now_s)
            book.refuse_shed()
            self._wait_s = self._batcher.wait_until_s
            if formed is None:
                break
            book.taken(formed.calls)
            self._start(formed, now_s)
        if book.fresh:
            book.set_timers()

    def _start(self, formed: FormedBatch, now_s: float) -> None:
        model = formed.model
        predictor = model.predictor
        padded_rows = predictor.padded(formed.rows)
        self._batch_id += 1
        batch_id = self._batch_id
        for call in formed.calls:
            call.batch_id = batch_id
        size = formed.calls[0].size
        typical_s = predictor.typical_s(padded_rows, size)
        cautious_s = typical_s * predictor.factor(self._policy.batching.start_quantile)
        limit_s = model.spec.run_s_max
        if not (isfinite(limit_s) and limit_s > 0.0):
            limit_s = max(self._policy.watchdog_min_s, self._policy.watchdog_factor * cautious_s)
        self._lanes.start(
            RunningBatch(
                batch_id=batch_id,
                model=model,
                predictor=predictor,
                calls=formed.calls,
                rows=formed.rows,
                padded_rows=padded_rows,
                size=size,
                started_s=now_s,
                typical_s=typical_s,
                cautious_s=cautious_s,
                limit_s=now_s + limit_s,
                live=len(formed.calls),
            )
        )
        model.began(formed.rows)
        model.on_trial = bool(formed.calls[0].lost)
        self._telling.started(model, first=batch_id == 1)
        self._book.effects.append(
            StartBatch(
                batch_id=batch_id,
                model_key=model.spec.key,
                call_ids=tuple([call.call_id for call in formed.calls]),
                rows=formed.rows,
                padded_rows=padded_rows,
                expected_s=typical_s,
                begin_by_s=min([call.deadline_s for call in formed.calls]),
            )
        )

    def _ended(self, event: BatchEnded, now_s: float) -> Iterable[int]:
        """Links to be told the load if the lane stays free."""
        batch = self._lanes.end(event.batch_id)
        if batch is None:
            return ()
        # An answer tells its router that the run is over. When nobody waits for the run any more,
        # as when it was stopped, all of them would refuse calls behind it until the next report.
        unheard = self._links.ids() if not batch.live and not self._book.waiting else ()
        model = batch.model
        model.charged_s += event.took_s
        # A call that is tried alone has the model for itself, so that it was this batch.
        model.on_trial = False
        self._book.overran = now_s - batch.started_s > batch.cautious_s
        self._batcher.margin.lagged(now_s - batch.started_s - event.took_s, now_s)
        if not event.begun:
            # Whoever still has time runs with the next batch.
            for call in batch.live_calls():
                self._book.run_again(call)
        elif event.lost:
            self._after_loss(batch, event)
        elif not event.failed:
            batch.predictor.observe(batch.padded_rows, batch.size, event.took_s, now_s=now_s)
            self._deliver(batch, event.took_s)
        elif event.terminated:
            # A stopped run took at least this long: else a model that became slow would be
            # started and stopped for ever, and never be known to be slow.
            if event.took_s > batch.cautious_s:
                batch.predictor.observe(batch.padded_rows, batch.size, event.took_s, now_s=now_s)
            else:
                batch.predictor.evidence.add(
                    batch.padded_rows, batch.padded_rows * batch.size, event.took_s, now_s
                )
            self._after_stop(batch, event.took_s)
        else:
            self._after_failure(batch, event.took_s)
        self._book.end_model(model)
        return unheard

    def _deliver(self, batch: RunningBatch, took_s: float) -> None:
        model = batch.model
        count = len(batch.calls)
        per_call_s = took_s / count
        if model.service_s:
            weight = 1.0 - (1.0 - self._policy.service_weight) ** count
            model.service_s += weight * (per_call_s - model.service_s)
        else:
            model.service_s = per_call_s
        self._telling.service_s = model.service_s
        per_row_s = took_s / batch.rows
        for call in batch.live_calls():
            self._book.deliver(call, per_row_s * call.rows)

    def _after_failure(self, batch: RunningBatch, took_s: float) -> None:
        """Only a call that fails alone is at fault; the others of its batch run again."""
        for call in batch.live_calls():
            if len(batch.calls) > 1:
                self._book.run_again(call, alone=True)
            else:
                self._book.deliver(call, took_s, failed=True)

    def _after_loss(self, batch: RunningBatch, event: BatchEnded) -> None:
        """Its process ended. Who alone may have ended it is at fault; who shared a batch, or the
        process, with others is tried once more, alone; whom others took along goes on.
        """
        book = self._book
        alone = len(batch.calls) == 1 and event.suspects == 1
        for call in batch.live_calls():
            if not event.suspects:
                book.run_again(call)
                continue
            call.lost = (*call.lost, event.lost)
            if alone and event.terminated:
                book.refuse(call, refusals.overstayed(event.took_s, call.lost))
            elif alone or len(call.lost) > 1:
                key = batch.model.spec.key
                book.refuse(call, refusals.crashed(key, event.fault, call.lost, guilty=alone))
            else:
                book.run_again(call, alone=True)

    def _after_stop(self, batch: RunningBatch, took_s: float) -> None:
        for call in batch.live_calls():
            if batch.stop is Stop.OVERDUE:
                self._book.refuse(call, refusals.overdue())
            elif len(batch.calls) > 1:
                self._book.run_again(call, alone=True)
            else:
                self._book.refuse(call, refusals.overstayed(took_s))

    # --- watchdog ---------------------------------------------------------------------

    def _check_runs(self, now_s: float) -> None:
        for batch in self._lanes.due(now_s):
            if batch.stop is Stop.NOT:
                why = Stop.OVERSTAYED if now_s >= batch.limit_s else Stop.OVERDUE
                self._stop(batch, why, now_s)
                continue
            # It does not end although it was asked to: its calls need not wait for that.
            for call in self._lanes.abandon(batch):
                refusal = refusals.overdue()
                if batch.stop is Stop.OVERSTAYED:
                    ran_s = now_s - batch.started_s
                    refusal = refusals.unstoppable(
                        ran_s, batch.batch_id, alone=len(batch.calls) == 1
                    )
                self._book.refuse(call, refusal)

    def _stop(self, batch: RunningBatch, why: Stop, now_s: float) -> None:
        self._lanes.ask_to_stop(batch, why, now_s)
        self._book.effects.append(StopBatch(batch.batch_id))
