"""A router in virtual time, and its callers: the second shell around RouterMachine."""

from math import inf
from random import Random
from typing import Any, assert_never

from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.fleet.events import (
    LoadTold,
    StandingChanged,
    WorkerJoined,
    WorkerLost,
    WorkerReported,
)
from hasten_policy.reasons import Reason
from hasten_policy.router.events import (
    AttemptAnswered,
    AttemptRefused,
    BarLifted,
    BarSet,
    CallAbandoned,
    CallArrived,
    Deliver,
    InputBanned,
    Refuse,
    Revoke,
    RouterEvent,
    Send,
)
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.router.turned_away import TurnedAway
from hasten_policy.timers import WakeAt, Woke
from hasten_sim.ask import Ask
from hasten_sim.cpu import Process
from hasten_sim.front import Front
from hasten_sim.link import Link, Reply, ToRouter
from hasten_sim.loop import Act, Loop
from hasten_sim.outgoing import Outgoing
from hasten_sim.scenario import Arrival, MeshShape, Scenario
from hasten_sim.tally import Tally


class SimRouter:
    """One router and those who call it.

    Attributes:
        index: Its number.
        links: To each worker, by the worker's name.
        events: Events that its machine handled.
        leave_at_deadline: Callers cancel at their deadline. Where the machine itself ends calls
            at their deadlines nobody can tell the difference, and the events are saved.
        process: Its CPU; None when its decisions take no time.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (its place in the mesh)
        self,
        index: int,
        scenario: Scenario,
        policy: RouterPolicy,
        loop: Loop,
        tally: Tally,
        seed: int,
        process: Process | None = None,
    ) -> None:
        self.index = index
        self.links: dict[str, Link] = {}
        self.events = 0
        self.process = process
        self._front = Front(process, scenario.mesh.host, loop, self._turn_of) if process else None
        self.leave_at_deadline = scenario.callers_leave and (
            self._front is not None or not policy.keeps_deadlines
        )
        self._scenario = scenario
        self._loop = loop
        self._tally = tally
        self._weights = _weights(scenario.mesh, policy)
        named = policy.but({"router_id": f"router{index}"})
        self._machine = RouterMachine(named, rng=Random(f"{seed}/router/{index}"))
        self._asks: dict[int, Ask] = {}
        self._turned_away: TurnedAway[int] = TurnedAway()
        self._last_call_id = 0
        self._wake_s = inf
        self._outgoing = Outgoing(self.links)
        self._reply: Reply | None = None
        self._arriving = 0

    # --- callers --------------------------------------------------------------------------

    def ask(self, arrival: Arrival) -> None:
        """A request comes in, now."""
        at_s = self._loop.now_s
        self._last_call_id = call_id = self._last_call_id + 1
        ask = Ask(
            call_id,
            at_s,
            at_s + arrival.slack_s,
            arrival.model,
            arrival.priority,
            arrival.tenant,
            arrival.rows,
            arrival.payload_bytes,
            at_s >= self._scenario.warmup_s,
            arrival.length,
        )
        self._asks[call_id] = ask
        self._tally.arrived(ask)
        if self._front is None:
            self._decide(ask, arrival.slack_s)
        elif not self._front.call(ask):
            del self._asks[call_id]
            self._tally.refused(ask, at_s, Reason.CANCELLED.label, at_the_door=True)
        if self.leave_at_deadline and call_id in self._asks and ask.deadline_s != inf:
            self._loop.at(ask.deadline_s, self._leave, call_id)

    def _turn_of(self, ask: Ask) -> None:
        self._decide(ask, ask.deadline_s - self._loop.now_s)

    def _decide(self, ask: Ask, left_s: float) -> None:
        """The machine hears of a request, now."""
        self._tally.taken += 1
        self._arriving = ask.call_id
        self._tell(
            CallArrived(
                ask.call_id,
                self._scenario.models[ask.model].name,
                "",
                left_s,
                ask.priority,
                self._scenario.tenants[ask.tenant],
                ask.payload_bytes,
                rows=ask.rows,
                elements=ask.elements,
            )
        )
        self._arriving = 0
        self._flush()

    def _leave(self, call_id: int) -> None:
        ask = self._asks.get(call_id)
        if ask is None:
            return
        ask.left = True
        self._tally.left(ask)
        if self._front is None:
            self._abandon(call_id)
        elif not self._front.undecided(call_id):
            self._front.do(self._abandon, call_id)

    def _abandon(self, call_id: int) -> None:
        if self._forget(call_id) is not None:
            self._tell(CallAbandoned(call_id))
            self._flush()

    def _forget(self, call_id: int) -> Ask | None:
        """A request that the machine has heard of has ended; None if it had before."""
        ask = self._asks.pop(call_id, None)
        if ask is not None:
            self._tally.taken -= 1
        return ask

    @property
    def asking(self) -> int:
        """Requests that have not ended."""
        return len(self._asks)

    def give_up(self) -> None:
        """The run is over: whoever still waits has heard nothing."""
        for ask in self._asks.values():
            if not ask.left:
                self._tally.left(ask)
        self._asks.clear()

    # --- links ------------------------------------------------------------------------------

    def joined(self, link: Link) -> None:
        """A stream to a worker opened."""
        self._do(self._joined, link)

    def _joined(self, link: Link) -> None:
        self._outgoing.to(link.worker.worker_id).clear()
        weight = self._weights[link.worker.index % len(self._weights)]
        self._tell(WorkerJoined(link.worker.worker_id, weight))
        self._flush()

    def lost(self, link: Link) -> None:
        """The stream broke."""
        self._do(self._lost, link)

    def _lost(self, link: Link) -> None:
        self._outgoing.to(link.worker.worker_id).clear()
        self._tell(WorkerLost(link.worker.worker_id))
        self._flush()

    def _do(self, act: Act, payload: Any) -> None:  # noqa: ANN401  (whatever the act takes)
        """Does it, when the front comes to it."""
        if self._front is None:
            act(payload)
        else:
            self._front.do(act, payload)

    def receive(self, link: Link, message: ToRouter) -> None:
        """A worker's message came."""
        if self._front is None:
            self._read((link, message))
        else:
            self._front.hear(len(message.replies), self._read, (link, message))

    def _read(self, read: tuple[Link, ToRouter]) -> None:
        link, message = read
        worker_id = link.worker.worker_id
        outbox = self._outgoing.to(worker_id)
        if message.load is not None:
            outbox.counted(message.load)
        if message.report is not None:
            outbox.counted(message.report.load)
        for reply in message.replies:
            self._reply = reply
            event = (
                AttemptAnswered(
                    reply.call_id, worker_id, message.load, reply.service_s, reply.server_s
                )
                if reply.refusal is None
                else AttemptRefused(reply.call_id, worker_id, message.load, reply.refusal)
            )
            self._tell(event)
        if message.load is not None and not message.replies:
            self._tell(LoadTold(worker_id, message.load))
        if message.report is not None:
            self._tell(WorkerReported(worker_id, message.report))
        self._flush()

    def _flush(self) -> None:
        self._outgoing.flush()

    # --- events and effects -------------------------------------------------------------------

    def _tell(self, event: RouterEvent) -> None:
        self.events += 1
        now_s = self._loop.now_s
        for effect in self._machine.on(event, now_s=now_s):
            if isinstance(effect, Send):
                left_s = max(0.0, effect.deadline_s - now_s)
                ask = self._asks[effect.call_id]
                ask.refused_before = self._turned_away.tell(ask.model)
                self._outgoing.put(effect.worker_id, ask, left_s)
            elif isinstance(effect, Deliver):
                self._deliver(effect)
            elif isinstance(effect, Refuse):
                self._refuse(effect.call_id, effect.refusal.reason)
            elif isinstance(effect, WakeAt):
                self._wake_s = effect.at_s
                self._loop.at(max(effect.at_s, now_s), self._wake)
            elif isinstance(effect, Revoke):
                self._outgoing.revoke(effect.worker_id, effect.call_id)
            elif isinstance(effect, StandingChanged | InputBanned | BarSet | BarLifted):
                pass  # For operators and fronts, and there are none here.
            else:
                assert_never(effect)

    def _deliver(self, effect: Deliver) -> None:
        reply = self._reply
        if reply is None:
            raise RuntimeError("Deliver outside a reply: the machine broke its contract")
        if reply.refusal is not None:
            self._refuse(effect.call_id, reply.refusal.reason)
            return
        ask = self._forget(effect.call_id)
        if ask is not None and not ask.left:
            self._tally.answered(ask, self._loop.now_s, reply.service_s)

    def _refuse(self, call_id: int, reason: Reason) -> None:
        ask = self._asks.get(call_id)
        if ask is None:
            return
        self._turned_away.refused(ask.model, reason)
        refused = (ask, reason.label, call_id == self._arriving, self._tally.taken == 1)
        if self._front is None:
            self._refused(refused)
        else:
            self._front.refuse(ask, self._refused, refused)

    def _refused(self, refused: tuple[Ask, str, bool, bool]) -> None:
        """The caller hears a refusal."""
        ask, label, at_the_door, idle = refused
        if self._forget(ask.call_id) is not None and not ask.left:
            now_s = self._loop.now_s
            self._tally.refused(ask, now_s, label, at_the_door=at_the_door, idle=idle)

    def _wake(self, _: object) -> None:
        if self._loop.now_s >= self._wake_s:
            self._do(self._woken, None)

    def _woken(self, _: object) -> None:
        if self._loop.now_s >= self._wake_s:
            self._wake_s = inf
            self._tell(Woke())
            self._flush()


def _weights(mesh: MeshShape, policy: RouterPolicy) -> tuple[float, ...]:
    """What an operator tells the routers. The shipped balancer multiplies a weight with seconds
    that it measures: were it told the speeds, it would count them twice.
    """
    if not mesh.weights_known:
        return (1.0,)
    measures = BALANCERS.get(policy.fleet.balancer)().measures
    return mesh.weights or ((1.0,) if measures else mesh.speeds)
