"""The one owner of the worker's machine: turns what happens into events, effects into IO."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from hasten_policy.load import HostLag, LoadSample, WorkerReport
from hasten_policy.machines import Machine
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker.events import (
    CallArrived,
    CallCancelled,
    Deliver,
    DrainBegan,
    Drained,
    LinkClosed,
    LinkOpened,
    LoadAsked,
    ModelClosed,
    ModelIdle,
    ModelOpened,
    ModelPaused,
    ModelResumed,
    Refuse,
    ReportAsked,
    SendLoad,
    SendReport,
    StartBatch,
    StopBatch,
    TellLoad,
    WorkerEffect,
    WorkerEvent,
)
from hasten_policy.worker.refusals import unstoppable
from hasten_runtime import logs
from hasten_runtime.alarm import Alarm
from hasten_runtime.clock import Clock
from hasten_runtime.deferred import DeferredCounts
from hasten_worker.model import Model
from hasten_worker.shell.batch import Batch, no_answer
from hasten_worker.shell.call import Call
from hasten_worker.shell.catalogue import Catalogue
from hasten_worker.shell.lanes import Lanes
from hasten_worker.shell.link_end import LinkEnd
from hasten_worker.shell.observer import Observer
from hasten_worker.shell.stopping import Graces, Stopping

CANCELLED = Refusal(Reason.CANCELLED, "nobody waits for the answer any more")

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class ShellSettings:
    """Settings of the shell.

    Attributes:
        worker_id: Named in logs and timings.
        incarnation: Differs after each start.
        graces: For runs that are asked to stop.
    """

    worker_id: str
    incarnation: str
    graces: Graces


class Shell:
    """Feeds one machine and carries out its effects, in order, on one event loop.

    Everything but the lanes runs on that loop; nothing here takes a lock. It is the listener
    of the model store.
    """

    def __init__(
        self,
        settings: ShellSettings,
        machine: Machine[WorkerEvent, WorkerEffect],
        lanes: Lanes,
        *,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._machine = machine
        self._lanes = lanes
        self._clock = clock
        self._observer = observer
        self._counts = DeferredCounts()
        self._count_batch_later = self._counts.kind(self._count_batch)
        self._count_answered_later = self._counts.kind(self._count_answered)
        self._calls: dict[int, Call] = {}
        self._batches: dict[int, Batch] = {}
        self._stopping = Stopping(settings.graces, self._batches, self._stuck)
        self.models = Catalogue()
        """The model versions that take calls."""
        self._last_call_id = 0
        self._last_link_id = 0
        self._alarm = Alarm(clock, self._woke)
        self._links: dict[int, LinkEnd] = {}
        self._all_ended = asyncio.Event()
        """Draining, and the last call has ended."""
        self.broken = False
        """The worker cannot be trusted any more and must be started anew."""
        self.on_broken: Callable[[], None] = lambda: None
        """Told when that becomes so."""
        self.on_idle: Callable[[str], None] = lambda _: None
        """Told the key of a closed model version whose last call has ended."""
        self._asked: SendLoad | SendReport | None = None

    def open(self) -> None:
        """Starts the lanes on the running loop."""
        self._lanes.open(self._batch_ended)

    def close(self) -> None:
        """Refuses what is still here, stops the timer and the lanes."""
        self._alarm.close()
        leaving = Refusal(Reason.DRAINING, "this worker is shutting down; send elsewhere")
        for call in list(self._calls.values()):
            self._end_refused(call, leaving)
        for batch in self._batches.values():
            batch.terminate()
        self._lanes.close()
        self._counts.settle()

    # --- calls -------------------------------------------------------------------------

    def take(self, calls: Sequence[Call]) -> None:
        """Gives decoded calls that came together to the machine; the end of some may be told
        before this returns.
        """
        last = len(calls) - 1
        for index, call in enumerate(calls):
            served = call.served
            self._last_call_id = call.call_id = self._last_call_id + 1
            self._calls[call.call_id] = call
            served.statistics.last_ms = int(time.time() * 1000)
            self._observer.call_taken(call)
            call.taken_s = now_s = self._clock.now_s()
            self._tell(
                CallArrived(
                    call.call_id,
                    call.link_id,
                    served.key,
                    call.rows,
                    # A version loaded anew with other inputs must not share a batch with the
                    # one before.
                    hash((served.generation, call.shape_key)),
                    call.time_left_s - (now_s - call.arrived_s),
                    call.priority,
                    call.tenant,
                    call.payload_bytes,
                    more_follow=index != last,
                    elements=call.elements,
                    alone=call.alone,
                    reserved_s=call.reserved_s,
                    refused_before=call.refused_before,
                )
            )

    def cancel(self, call: Call) -> None:
        """Nobody waits for the call any more; harmless when it has ended."""
        if self._calls.pop(call.call_id, None) is not None:
            self._forget(call, CANCELLED)
            self._tell(CallCancelled(call.call_id))

    def refused_early(self, refusal: Refusal, model: str = "") -> None:
        """A request was refused before there was a call to tell the machine of.

        Args:
            refusal: Why.
            model: The model that it names, if that is here.
        """
        self._observer.request_refused(model, refusal)

    # --- links -------------------------------------------------------------------------

    def link_opened(self, end: LinkEnd) -> int:
        """A link opened; its number here."""
        self._last_link_id += 1
        self._links[self._last_link_id] = end
        self._tell(LinkOpened(self._last_link_id))
        return self._last_link_id

    def link_closed(self, link_id: int) -> None:
        """A link closed; its unanswered calls are cancelled."""
        del self._links[link_id]
        for call in [call for call in self._calls.values() if call.link_id == link_id]:
            del self._calls[call.call_id]
            self._forget(call, CANCELLED)
        self._tell(LinkClosed(link_id))

    def running_on(self, link_id: int) -> list[int]:
        """Wire ids of the link's unanswered calls that run."""
        return [
            call.wire_id
            for batch in self._batches.values()
            for call in batch.calls
            if call.link_id == link_id and not call.gone
        ]

    def load(self, link_id: int) -> LoadSample:
        """The load as that link should hear it."""
        self._tell(LoadAsked(link_id))
        assert isinstance(self._asked, SendLoad)  # noqa: S101  (the machine's contract)
        return self._asked.load

    def report(self, link_id: int = 0) -> WorkerReport:
        """The whole state as that link should hear it."""
        self._tell(ReportAsked(link_id, self._settings.incarnation))
        assert isinstance(self._asked, SendReport)  # noqa: S101  (the machine's contract)
        return self._asked.report

    def begin_drain(self) -> None:
        """Takes no new calls from now on; `drained` returns when the last has ended."""
        self._tell(DrainBegan())
        self._changed()

    async def drained(self) -> None:
        """Waits until it takes no new calls and the last one has ended."""
        await self._all_ended.wait()

    @property
    def unanswered(self) -> int:
        """Calls that have not ended."""
        return len(self._calls)

    def host_lagged(self, lag: HostLag) -> None:
        """The host let this process be late, or said that it did not."""
        self._tell(lag)

    # --- the model store's listener ----------------------------------------------------

    def opened(self, model: Model) -> None:
        """A model version is warm; a known key replaces the earlier model."""
        self.models.put(model)
        self._tell(ModelOpened(model.spec))
        self._changed()

    def closed(self, model_key: str) -> None:
        """A model version takes no new calls; `on_idle` follows."""
        self.models.drop(model_key)
        self._tell(ModelClosed(model_key))
        self._changed()

    def paused(self, model: Model, away_s: float) -> None:
        """A process of the model ended; with away_s, none is left until it is started again."""
        self._observer.process_ended(model.spec.name)
        if away_s:
            self._tell(ModelPaused(model.spec.key, away_s))

    def resumed(self, model_key: str) -> None:
        """The model runs again."""
        self._tell(ModelResumed(model_key))

    def _changed(self) -> None:
        for end in list(self._links.values()):
            end.state_changed()

    # --- events and effects --------------------------------------------------------------

    def _tell(self, event: WorkerEvent) -> None:
        try:
            for effect in self._machine.on(event, now_s=self._clock.now_s()):
                self._carry_out(effect)
        except Exception:
            # Its picture and ours may differ now: answers would be lost in silence.
            _log.critical("machine.failed", worker_event=type(event).__name__, exc_info=True)
            self._break()
            raise

    def _carry_out(self, effect: WorkerEffect) -> None:
        if isinstance(effect, Deliver):
            self._deliver(effect)
        elif isinstance(effect, StartBatch):
            self._start_batch(effect)
        elif isinstance(effect, SendLoad | SendReport):
            self._asked = effect
        elif isinstance(effect, WakeAt):
            self._alarm.set(effect.at_s)
        elif isinstance(effect, Refuse):
            self._refuse(effect)
        elif isinstance(effect, TellLoad):
            self._tell_load(effect.link_id)
        elif isinstance(effect, StopBatch):
            self._stop_batch(effect)
        elif isinstance(effect, ModelIdle):
            self.on_idle(effect.key)
        elif isinstance(effect, Drained):
            self._all_ended.set()
        else:
            assert_never(effect)

    def _tell_load(self, link_id: int) -> None:
        end = self._links.get(link_id)
        if end is not None:
            end.load_changed()

    def _break(self) -> None:
        self.broken = True
        self.on_broken()

    def _start_batch(self, effect: StartBatch) -> None:
        calls = [self._calls[call_id] for call_id in effect.call_ids]
        now_s = self._clock.now_s()
        for call in calls:
            call.formed_s = now_s
            call.batch_rows = effect.rows
        served = self.models.running_for(effect.model_key, calls[0].served)
        batch = Batch(effect, calls, served)
        self._batches[effect.batch_id] = batch
        self._observer.batch_started(batch)
        for link_id in {call.link_id for call in calls}:
            end = self._links.get(link_id)
            if end is not None:
                end.begins()
        self._lanes.start(batch)

    def _stop_batch(self, effect: StopBatch) -> None:
        batch = self._batches.get(effect.batch_id)
        if batch is not None:
            self._stopping.stop(batch)

    def _stuck(self, batch: Batch) -> None:
        # Were they lost with this worker, they would be tried on the next one.
        alone = len(batch.calls) == 1
        for call in [call for call in batch.calls if call.call_id in self._calls]:
            ran_s = self._clock.now_s() - call.formed_s
            self._end_refused(call, unstoppable(ran_s, batch.batch_id, alone=alone))
        self._break()

    def _batch_ended(self, batch: Batch) -> None:
        """Called on the loop when a lane has ended a batch."""
        del self._batches[batch.batch_id]
        if batch.begun:
            batch.rows_gone = sum([call.rows for call in batch.calls if call.gone])
        else:
            for call in batch.calls:
                call.batch_rows = 0
        if batch.span is not None:
            self._observer.sampled_batch_ended(batch)
        if (batch.lost is not None or not batch.begun) and (away_s := batch.served.model.away_s):
            # Nothing more is to be begun there, in what the end of the batch sets free.
            self._tell(ModelPaused(batch.served.key, away_s))
        self._tell(batch.end())
        if batch.begun:
            self._count_batch_later(batch)

    def _count_batch(self, batch: Batch) -> None:
        if batch.fault is None:
            batch.served.statistics.executed(batch)
        self._observer.batch_ended(batch)

    def _deliver(self, effect: Deliver) -> None:
        call = self._calls.get(effect.call_id)
        if call is None:
            return
        result = call.result
        if result is None:
            result = no_answer(call, "it gave none")
        if isinstance(result, Refusal):
            self._end_refused(call, result)
            return
        del self._calls[call.call_id]
        call.gone = True
        call.service_s = effect.service_s
        call.ended_s = self._clock.now_s()
        call.sink.answered(call, result, effect.service_s)
        if call.span is not None:
            self._observer.sampled_call_answered(call)
        self._count_answered_later(call)

    def _count_answered(self, call: Call) -> None:
        call.served.statistics.answered(call)
        self._observer.call_answered(call)

    def _refuse(self, effect: Refuse) -> None:
        call = self._calls.get(effect.call_id)
        if call is not None:
            self._end_refused(call, effect.refusal)

    def _end_refused(self, call: Call, refusal: Refusal) -> None:
        del self._calls[call.call_id]
        self._forget(call, refusal)
        call.sink.refused(call, refusal)

    def _forget(self, call: Call, refusal: Refusal) -> None:
        call.gone = True
        call.served.statistics.fail.add(self._clock.now_s() - call.arrived_s)
        self._observer.call_refused(call, refusal)

    def _woke(self) -> None:
        self._tell(Woke())
