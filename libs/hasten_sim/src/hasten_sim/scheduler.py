"""A scheduler in virtual time: the second shell around SchedulerMachine."""

from math import inf
from random import Random
from typing import Any, assert_never

from hasten_policy.fleet.events import (
    LoadTold,
    StandingChanged,
    WorkerJoined,
    WorkerLost,
    WorkerReported,
)
from hasten_policy.priorities import HIGHEST, LOWEST
from hasten_policy.scheduler.events import (
    Again,
    AttemptAnswered,
    AttemptRefused,
    Claim,
    Claimed,
    Done,
    Drop,
    Failed,
    LaneGrew,
    LanesRead,
    ReadLanes,
    ReservationsTold,
    Revoke,
    SchedulerEffect,
    SchedulerEvent,
    Send,
    ShardTaken,
    WakeAt,
    Woke,
)
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_sim.ask import Ask
from hasten_sim.cpu import Process
from hasten_sim.link import Link, ToRouter
from hasten_sim.loop import Act, Loop
from hasten_sim.outgoing import Outgoing
from hasten_sim.queue import SimQueue
from hasten_sim.scenario import Scenario
from hasten_sim.task_store import StoredShard, StoredTask
from hasten_sim.thread import Thread

TASK_BYTES = 1000
"""Payload of a task."""


class SimScheduler:
    """One scheduler process.

    Attributes:
        index: Its number among all that have links to workers.
        number: Its number among the schedulers.
        links: To each worker, by the worker's name.
        events: Events that its machine handled.
        alive: Its process runs.
    """

    def __init__(  # noqa: PLR0913, PLR0917  (one a neighbour)
        self,
        number: int,
        scenario: Scenario,
        policy: SchedulerPolicy,
        loop: Loop,
        queue: SimQueue,
        seed: int,
        process: Process | None = None,
    ) -> None:
        self.number = number
        self.index = scenario.mesh.routers + number
        self.links: dict[str, Link] = {}
        self.events = 0
        self.alive = True
        self._scenario = scenario
        self._policy = policy.but({"router_id": f"scheduler{number}"})
        self._loop = loop
        self._queue = queue
        self._seed = seed
        self._models = {shape.name: at for at, shape in enumerate(scenario.models)}
        self._tenants = {name: at for at, name in enumerate(scenario.tenants)}
        self._thread = Thread(process) if process is not None else None
        self._task_s = scenario.mesh.host.task_s if scenario.mesh.host else 0.0
        self._life = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._life += 1
        if self._thread is not None:
            self._thread.clear()
        rng = Random(f"{self._seed}/scheduler/{self.number}/{self._life}")
        self._machine = SchedulerMachine(self._policy, rng=rng)
        self._outgoing = Outgoing(self.links)
        self._running: dict[int, tuple[StoredShard, StoredTask]] = {}
        self._claims: dict[int, str] = {}
        self._wake_s = inf
        self._service_s = 0.0

    # --- its life -----------------------------------------------------------------------

    def crash(self) -> None:
        """The process dies with all that it knows."""
        self.alive = False
        for link in self.links.values():
            link.breaks()
        self._begin_anew()
        self._queue.lost(self)

    def restart(self) -> None:
        """A new process begins."""
        self.alive = True
        for link in self.links.values():
            if link.worker.serving:
                link.open()

    def own(self, shard: StoredShard) -> None:
        """It owns a shard from now on."""
        shard.owner = self.number
        shard.adopt()
        self._tell(ReservationsTold(self._queue.reservations))
        self._tell(ShardTaken(shard.number))

    def grew(self, shard: StoredShard, task: StoredTask) -> None:
        """A task waits in a lane of its shard; it hears of that after a while."""
        self._later((self._queue.shape.store_s / 2), self._hears, (shard, task))

    def _hears(self, grown: tuple[StoredShard, StoredTask]) -> None:
        shard, task = grown
        if shard.owner == self.number:
            self._tell(LaneGrew(shard.number, task.lane, task.head.place))

    # --- links --------------------------------------------------------------------------

    def joined(self, link: Link) -> None:
        """A stream to a worker opened."""
        if self.alive:
            self._outgoing.to(link.worker.worker_id).clear()
            self._tell(WorkerJoined(link.worker.worker_id))

    def lost(self, link: Link) -> None:
        """The stream broke."""
        if self.alive:
            self._outgoing.to(link.worker.worker_id).clear()
            self._tell(WorkerLost(link.worker.worker_id))

    def receive(self, link: Link, message: ToRouter) -> None:
        """A worker's message came."""
        if not self.alive:
            return
        worker_id = link.worker.worker_id
        outbox = self._outgoing.to(worker_id)
        if message.load is not None:
            outbox.counted(message.load)
        if message.report is not None:
            outbox.counted(message.report.load)
        for reply in message.replies:
            self._service_s = reply.service_s
            self._tell(
                AttemptAnswered(
                    reply.call_id, worker_id, message.load, reply.service_s, reply.server_s
                )
                if reply.refusal is None
                else AttemptRefused(reply.call_id, worker_id, message.load, reply.refusal)
            )
        if message.load is not None and not message.replies:
            self._tell(LoadTold(worker_id, message.load))
        if message.report is not None:
            self._tell(WorkerReported(worker_id, message.report))

    # --- events and effects -------------------------------------------------------------

    def _tell(self, event: SchedulerEvent) -> None:
        self.events += 1
        for effect in self._machine.on(event, now_s=self._loop.now_s):
            self._carry_out(effect)
        self._outgoing.flush()

    def _carry_out(self, effect: SchedulerEffect) -> None:
        if isinstance(effect, ReadLanes):
            self._later(self._queue.shape.store_s / 2, self._read, effect)
        elif isinstance(effect, Claim):
            for pick in effect.picks:
                self._claims[pick.attempt] = pick.task_id
            self._later(self._queue.shape.store_s / 2, self._pay, effect)
        elif isinstance(effect, Send):
            self._send(effect)
        elif isinstance(effect, Revoke):
            self._outgoing.revoke(effect.worker_id, effect.attempt)
        elif isinstance(effect, Done | Again | Failed):
            self._later(self._queue.shape.store_s / 2, self._settle, (effect, self._service_s))
        elif isinstance(effect, Drop):
            self._later(self._queue.shape.store_s / 2, self._drop, effect)
        elif isinstance(effect, WakeAt):
            self._wake_s = effect.at_s
            self._loop.at(max(effect.at_s, self._loop.now_s), self._wake, self._life)
        elif isinstance(effect, StandingChanged):
            pass  # For operators alone, and there are none here.
        else:
            assert_never(effect)

    def _send(self, effect: Send) -> None:
        _, task = self._running[effect.attempt]
        now_s = self._loop.now_s
        ask = Ask(
            effect.attempt,
            now_s,
            effect.deadline_s,
            self._models[task.lane.model],
            HIGHEST if effect.reserved_s else LOWEST,
            self._tenants[task.lane.tenant],
            1,
            TASK_BYTES,
            measured=False,
        )
        ask.reserved_s = effect.reserved_s
        self._outgoing.put(effect.worker_id, ask, max(0.0, effect.deadline_s - now_s))

    def _wake(self, life: int) -> None:
        if life == self._life and self.alive and self._loop.now_s >= self._wake_s:
            self._wake_s = inf
            self._tell(Woke())

    # --- the store ----------------------------------------------------------------------

    def _later(self, in_s: float, act: Act, payload: Any) -> None:  # noqa: ANN401  (whatever the act takes)
        """Does it, if this process still lives then."""
        self._loop.at(self._loop.now_s + in_s, self._if_alive, (self._life, act, payload))

    def _if_alive(self, later: tuple[int, Act, Any]) -> None:
        life, act, payload = later
        if life == self._life and self.alive:
            act(payload)

    def _ours(self, number: int) -> StoredShard | None:
        """A shard, unless somebody else owns it by now."""
        shard = self._queue.shards[number]
        return shard if shard.owner == self.number else None

    def _read(self, effect: ReadLanes) -> None:
        shard = self._ours(effect.shard)
        if shard is not None:
            lanes = effect.lanes or tuple(shard.lanes)
            heads = tuple([shard.front(lane, effect.most) for lane in lanes])
            read = LanesRead(effect.shard, heads, every=not effect.lanes)
            self._later(self._queue.shape.store_s / 2, self._tell, read)

    def _pay(self, effect: Claim) -> None:
        """All that tasks cost a scheduler is paid where they are claimed."""
        if self._thread is None:
            self._claim(effect)
        else:
            self._thread.do(self._task_s * len(effect.picks), self._claim, effect)

    def _claim(self, effect: Claim) -> None:
        shard = self._ours(effect.shard)
        if shard is None:
            return
        run, gone = shard.claim(effect.picks)
        for number in run:
            self._running[number] = (shard, shard.tasks[self._claims.pop(number)])
        for number in gone:
            del self._claims[number]
        self._later(self._queue.shape.store_s / 2, self._tell, Claimed(effect.shard, run, gone))

    def _settle(self, settled: tuple[Done | Again | Failed, float]) -> None:
        effect, service_s = settled
        shard, task = self._running.pop(effect.attempt)
        if shard.owner != self.number or task.attempt != effect.attempt:
            return
        if isinstance(effect, Again):
            shard.again(task, effect)
            self._later(effect.in_s, self._waits, (shard, task))
        else:
            shard.end(task)
            if isinstance(effect, Done):
                self._queue.done(task, service_s)
            else:
                self._queue.failed(task, effect.cause.reason.label, dead=effect.dead)

    def _waits(self, again: tuple[StoredShard, StoredTask]) -> None:
        shard, task = again
        if shard.owner == self.number and not task.attempt:
            shard.put(task)
            self.grew(shard, task)

    def _drop(self, effect: Drop) -> None:
        shard = self._ours(effect.shard)
        task = shard.tasks.get(effect.task_id) if shard is not None else None
        if shard is not None and task is not None and not task.attempt:
            shard.end(task)
            self._queue.failed(task, effect.cause.reason.label, dead=False)
