"""A worker in virtual time: the second shell around WorkerMachine."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from random import Random
from typing import Any, Final, assert_never

from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker.events import (
    BatchEnded,
    CallArrived,
    CallCancelled,
    Deliver,
    DrainBegan,
    Drained,
    LinkClosed,
    LinkOpened,
    LoadAsked,
    ModelIdle,
    ModelOpened,
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
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_sim.ask import Ask
from hasten_sim.cpu import Process
from hasten_sim.lanes import SimLanes
from hasten_sim.link import BREAKS_S, Link, Reply, ToRouter, ToWorker
from hasten_sim.loop import Act, Loop
from hasten_sim.runs import RunTimes, spec_of
from hasten_sim.scenario import Scenario
from hasten_sim.tally import Tally
from hasten_sim.thread import LEAST_S, Thread

NOTICE_S: Final = 1.0
"""A drained worker stays for so long: routers hear of it, and what is on its way is refused."""


@dataclass(slots=True)
class _Call:
    """One call here: whose it is, over which link, since when."""

    ask: Ask
    link: Link
    got_s: float


class SimWorker:
    """One worker. What it is told while it hangs waits until it goes on.

    Attributes:
        index: Its number; its name at the routers is "w" and this.
        links: One to each router.
        serving: Its process runs and its models are loaded.
        events: Events that its machine handled.
        lanes: What runs here.
        process: Its CPU; None when it has all that it wants.
    """

    def __init__(
        self,
        index: int,
        scenario: Scenario,
        policy: WorkerPolicy,
        loop: Loop,
        tally: Tally,
        process: Process | None = None,
    ) -> None:
        self.index = index
        self.worker_id = f"w{index:04d}"
        self.links: list[Link] = []
        self.serving = False
        self.events = 0
        self._scenario = scenario
        # How many lanes a worker has is a fact of the mesh, not a policy.
        self._policy = replace(policy, lanes=scenario.mesh.lanes)
        self._loop = loop
        self.process = process
        self.lanes = SimLanes(index, scenario, loop, tally, process, self._ended, self._delays)
        self._thread = Thread(process) if process is not None else None
        self._call_s = scenario.mesh.host.worker_s if scenario.mesh.host else 0.0
        self._hung = False
        self._gone: Callable[[int], None] | None = None
        self._hangs = 0
        self._delayed: list[tuple[Act, Any]] = []
        self._incarnation = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._machine = WorkerMachine(self._policy)
        self._calls: dict[int, _Call] = {}
        self._ids: dict[tuple[int, int], int] = {}
        self._last_call_id = 0
        self._wake_s = inf
        self._incarnation += 1
        self._told: dict[int, ToRouter] = {}
        self._load: LoadSample | None = None
        self._state: WorkerReport | None = None

    # --- its life -------------------------------------------------------------------------

    def give(self, models: list[int], seed: int) -> None:
        """Gives it its models and starts it, warm, at once."""
        mesh = self._scenario.mesh
        speed = mesh.speeds[self.index % len(mesh.speeds)]
        for number in models:
            shape = self._scenario.models[number]
            rng = Random(f"{seed}/runs/{self.index}/{number}")
            course = Random(f"{seed}/course/{self.index}/{number}")
            self.lanes.times[f"{shape.name}/1"] = RunTimes(shape, speed, rng, course)

    def start(self) -> None:
        """Opens its models and links."""
        for times in self.lanes.times.values():
            self._tell(ModelOpened(spec_of(times, self._scenario.mesh)))
        self.serving = True
        for link in self.links:
            link.open()
        self._report(self._incarnation)

    def crash(self) -> None:
        """The process dies: all that it had is lost, and its links break."""
        self.serving = False
        self._hung = False
        self._delayed.clear()
        self.lanes.die()
        if self._thread is not None:
            self._thread.clear()
        for link in self.links:
            link.breaks()
        self._begin_anew()

    def restart(self) -> None:
        """A new process begins to load its models, one after the other."""
        load_s = sum(times.shape.load_s for times in self.lanes.times.values())
        self._loop.at(self._loop.now_s + load_s, self._loaded, self._incarnation)

    def _loaded(self, incarnation: int) -> None:
        # One that crashes while it loads begins anew; one may have been started meanwhile.
        if incarnation == self._incarnation and not self.serving:
            self.start()

    def drain(self, gone: Callable[[int], None]) -> None:
        """Takes no new calls, ends those it has, and leaves; `gone` hears of that."""
        self._gone = gone
        self._tell(DrainBegan())
        self._told_all(self._incarnation)

    def _leave(self, incarnation: int) -> None:
        if incarnation == self._incarnation and self._gone is not None:
            gone, self._gone = self._gone, None
            self.crash()  # Nothing is left in it: what ends is the process.
            gone(self.index)

    @property
    def load(self) -> LoadSample | None:
        """Its load, as it would report it now; None while no router hears it."""
        link = next((each for each in self.links if each.up), None)
        report = None if link is None or self._hung else self._state_for(link)
        return None if report is None else report.load

    def hang(self) -> None:
        """Stands still; peers give its links up after a while."""
        self._hung = True
        self._hangs += 1
        self._loop.at(self._loop.now_s + BREAKS_S, self._given_up, self._hangs)

    def resume(self) -> None:
        """Goes on with all that came meanwhile."""
        if not self._hung:
            return
        self._hung = False
        delayed, self._delayed = self._delayed, []
        for act, payload in delayed:
            act(payload)
        for link in self.links:
            link.open()

    def _delays(self, act: Act, payload: Any) -> bool:  # noqa: ANN401  (whatever the act takes)
        """Keeps what happens while it hangs for later."""
        if self._hung:
            self._delayed.append((act, payload))
        return self._hung

    def _do(self, cost_s: float, act: Act, payload: Any) -> None:  # noqa: ANN401  (as above)
        """Does it when the thread of decisions comes to it."""
        if self._thread is None:
            act(payload)
        else:
            self._thread.do(cost_s, act, payload)

    def _given_up(self, hang: int) -> None:
        if self._hung and hang == self._hangs:
            for link in self.links:
                link.breaks()

    # --- links ------------------------------------------------------------------------------

    def link_opened(self, link: Link) -> None:
        """A router's stream opened."""
        self._tell(LinkOpened(link.link_id))
        link.to_router(ToRouter(report=self._state_for(link)))

    def link_closed(self, link: Link) -> None:
        """A router's stream closed."""
        if self.serving and not self._delays(self._close, link):
            self._close(link)

    def _close(self, link: Link) -> None:
        gone = [call_id for call_id, call in self._calls.items() if call.link is link]
        for call_id in gone:
            call = self._calls.pop(call_id)
            self._ids.pop((link.link_id, call.ask.call_id), None)
        self._tell(LinkClosed(link.link_id))

    def receive(self, link: Link, message: ToWorker) -> None:
        """A router's message came."""
        if self._hung:
            self._delayed.append((lambda sent: self.receive(link, sent), message))
        elif self._thread is None:
            self._read((link, message))
        else:
            self._thread.do(self._call_s * len(message.calls), self._read, (link, message))

    def _read(self, read: tuple[Link, ToWorker]) -> None:
        link, message = read
        for call_id in message.cancels:
            known = self._ids.pop((link.link_id, call_id), None)
            if known is not None:
                del self._calls[known]
                self._tell(CallCancelled(known))
        now_s = self._loop.now_s
        last = len(message.calls) - 1
        for index, (ask, left_s) in enumerate(message.calls):
            self._last_call_id = call_id = self._last_call_id + 1
            self._calls[call_id] = _Call(ask, link, now_s)
            self._ids[link.link_id, ask.call_id] = call_id
            shape = self._scenario.models[ask.model]
            self._tell(
                CallArrived(
                    call_id,
                    link.link_id,
                    f"{shape.name}/1",
                    ask.rows,
                    ask.length,
                    left_s,
                    ask.priority,
                    self._scenario.tenants[ask.tenant],
                    ask.payload_bytes,
                    more_follow=index != last,
                    elements=ask.elements,
                    reserved_s=ask.reserved_s,
                    refused_before=ask.refused_before,
                )
            )
        self._flush()

    def _flush(self) -> None:
        """Sends what ended together in one message, as the real stream does."""
        if not self._told:
            return
        told, self._told = self._told, {}
        for link in self.links:
            message = told.get(link.link_id)
            if message is not None:
                self._ask(LoadAsked(link.link_id))
                message.load = self._load
                link.to_router(message)

    # --- reports ----------------------------------------------------------------------------

    def _report(self, incarnation: int) -> None:
        if incarnation != self._incarnation or not self.serving:
            return
        if not self._hung:
            self._do(LEAST_S, self._told_all, incarnation)
        period_s = self._scenario.mesh.network.report_period_s
        self._loop.at(self._loop.now_s + period_s, self._report, incarnation)

    def _told_all(self, incarnation: int) -> None:
        if incarnation == self._incarnation and not self._hung:
            for link in self.links:
                if link.up:
                    link.report(self._state_for(link))

    def _state_for(self, link: Link) -> WorkerReport | None:
        self._ask(ReportAsked(link.link_id, str(self._incarnation)))
        return self._state

    # --- events and effects -------------------------------------------------------------------

    def _tell(self, event: WorkerEvent) -> None:
        self.events += 1
        self._ask(event)

    def _ask(self, event: WorkerEvent) -> None:
        """As `_tell` for a question, which is no event of the mesh: nothing has happened."""
        for effect in self._machine.on(event, now_s=self._loop.now_s):
            self._carry_out(effect)

    def _carry_out(self, effect: WorkerEffect) -> None:
        if isinstance(effect, StartBatch):
            self.lanes.start(effect, [self._calls[call_id].ask for call_id in effect.call_ids])
        elif isinstance(effect, Deliver):
            self._end(effect.call_id, effect.service_s, None)
        elif isinstance(effect, Refuse):
            self._end(effect.call_id, 0.0, effect)
        elif isinstance(effect, WakeAt):
            self._wake_s = effect.at_s
            self._loop.at(max(effect.at_s, self._loop.now_s), self._wake, self._incarnation)
        elif isinstance(effect, TellLoad | SendLoad | SendReport):
            self._note(effect)
        elif isinstance(effect, StopBatch):
            self.lanes.stop(effect.batch_id)
        elif isinstance(effect, Drained):
            self._loop.at(self._loop.now_s + NOTICE_S, self._leave, self._incarnation)
        elif isinstance(effect, ModelIdle):
            raise TypeError(f"a simulated worker closes no models: {effect}")
        else:
            assert_never(effect)

    def _note(self, effect: TellLoad | SendLoad | SendReport) -> None:
        """What the machine says of itself."""
        if isinstance(effect, TellLoad):
            self._told.setdefault(effect.link_id, ToRouter())
        elif isinstance(effect, SendLoad):
            self._load = effect.load
        else:
            self._state = effect.report

    def _wake(self, incarnation: int) -> None:
        if incarnation == self._incarnation and self._loop.now_s >= self._wake_s:
            self._do(LEAST_S, self._woken, incarnation)

    def _woken(self, incarnation: int) -> None:
        if incarnation != self._incarnation or self._loop.now_s < self._wake_s:
            return
        if self._delays(self._woken, incarnation):
            return
        self._wake_s = inf
        self._tell(Woke())
        self._flush()

    def _ended(self, event: BatchEnded) -> None:
        self._do(LEAST_S, self._heard, (self._incarnation, event))

    def _heard(self, heard: tuple[int, BatchEnded]) -> None:
        if heard[0] == self._incarnation and not self._delays(self._heard, heard):
            self._tell(heard[1])
            self._flush()

    def _end(self, call_id: int, service_s: float, refused: Refuse | None) -> None:
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        link = call.link
        self._ids.pop((link.link_id, call.ask.call_id), None)
        refusal = refused.refusal if refused is not None else None
        reply = Reply(call.ask.call_id, refusal, service_s, self._loop.now_s - call.got_s)
        self._told.setdefault(link.link_id, ToRouter()).replies.append(reply)
