"""The queue of tasks in virtual time: what is submitted, who owns the shards, what came of it."""

from random import Random
from typing import Protocol

from hasten_policy.scheduler.jobs.events import TaskWish
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_policy.scheduler.orders import TaskFacts, task_place
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.tasks import Lane, TaskHead
from hasten_sim.loop import Loop
from hasten_sim.scenario import Scenario
from hasten_sim.schedules import SimSchedule, reservation_of
from hasten_sim.task_figures import FlowTally, TaskFigures
from hasten_sim.task_store import StoredShard, StoredTask


class Owner(Protocol):
    """What the queue asks of a scheduler: `SimScheduler` in a simulation."""

    number: int
    alive: bool

    def own(self, shard: StoredShard) -> None:
        """It owns a shard from now on."""
        ...

    def grew(self, shard: StoredShard, task: StoredTask) -> None:
        """A task waits in a lane of its shard."""
        ...


class SimQueue:
    """All shards, and those who submit.

    Args:
        scenario: Flows of tasks, and the shape of the queue.
        policy: In which order tasks go.
        loop: Virtual time.
        seed: Of the times of submission.

    Attributes:
        shape: Of the queue.
        shards: All of them.
        schedulers: Who may own them.
    """

    def __init__(self, scenario: Scenario, policy: SchedulerPolicy, loop: Loop, seed: int) -> None:
        self.shape = scenario.queue
        self.shards = [StoredShard(number) for number in range(self.shape.shards)]
        self.schedulers: list[Owner] = []
        self._scenario = scenario
        self._policy = policy
        self._loop = loop
        self._rngs = [Random(f"{seed}/tasks/{at}") for at in range(len(scenario.tasks))]
        self._tallies = [FlowTally() for _ in scenario.tasks]
        self._last = 0
        self._placed = 0
        self._turns: set[str] = set()
        self._schedules = {
            at: SimSchedule(at, flow, self._schedule_name(at), loop, self)
            for at, flow in enumerate(scenario.tasks)
            if flow.period_s
        }

    def start(self) -> None:
        """Shards get owners, and tasks begin to come."""
        for shard in self.shards:
            self.schedulers[shard.number % len(self.schedulers)].own(shard)
        for at, flow in enumerate(self._scenario.tasks):
            if flow.backlog:
                self._loop.at(flow.at_s, self._fill, at)
            if flow.per_s:
                self._loop.at(flow.at_s + self._gap_s(at), self._next, at)
            if flow.period_s:
                self._loop.at(flow.at_s, self._schedule, at)

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """Of all hard schedules."""
        return tuple(
            reservation_of(flow, self._schedule_name(at), self._scenario.models[flow.model].name)
            for at, flow in enumerate(self._scenario.tasks)
            if flow.hard
        )

    def figures(self) -> tuple[TaskFigures, ...]:
        """Of each flow."""
        scenario = self._scenario
        measured_s = scenario.duration_s - scenario.warmup_s
        names = [
            " of ".join(
                name
                for name in (scenario.models[flow.model].name, scenario.tenants[flow.tenant])
                if name
            )
            for flow in scenario.tasks
        ]
        return tuple(
            [
                tally.figures(name, measured_s, self._left_out(at))
                for at, (name, tally) in enumerate(zip(names, self._tallies, strict=True))
            ]
        )

    def _left_out(self, at: int) -> int:
        schedule = self._schedules.get(at)
        if schedule is None:
            return 0
        counts = schedule.progress.counts
        return counts.missed + counts.overlapped

    @property
    def unfinished(self) -> int:
        """Tasks of flows that end which have not ended."""
        return sum(
            tally.open
            for tally, flow in zip(self._tallies, self._scenario.tasks, strict=True)
            if not flow.backlog
        )

    # --- owners -------------------------------------------------------------------------

    def lost(self, scheduler: Owner) -> None:
        """A scheduler died: its shards wait for the end of its leases."""
        for shard in self.shards:
            if shard.owner == scheduler.number:
                shard.owner = None
                for schedule in self._schedules_of(shard):
                    schedule.lose()
                self._loop.at(self._loop.now_s + self.shape.lease_s, self._campaign, shard)

    def _campaign(self, shard: StoredShard) -> None:
        alive = [each for each in self.schedulers if each.alive]
        if shard.owner is not None:
            return
        if not alive:
            self._loop.at(self._loop.now_s + 1.0, self._campaign, shard)
            return
        owned = [each.owner for each in self.shards]
        min(alive, key=lambda each: owned.count(each.number)).own(shard)
        for schedule in self._schedules_of(shard):
            schedule.begin()

    def _schedules_of(self, shard: StoredShard) -> list[SimSchedule]:
        """Those of a shard that have begun."""
        return [
            schedule
            for at, schedule in self._schedules.items()
            if at % len(self.shards) == shard.number
            and self._scenario.tasks[at].at_s <= self._loop.now_s
        ]

    # --- schedules ------------------------------------------------------------------------

    def _schedule_name(self, at: int) -> str:
        return f"{self._scenario.tenants[self._scenario.tasks[at].tenant]}/schedule:{at}"

    def _schedule(self, at: int) -> None:
        if self.shards[at % len(self.shards)].owner is not None:
            self._schedules[at].begin()

    def submit_turn(self, flow: int, wish: TaskWish, name: str) -> None:
        """As `Turns.submit_turn`."""
        task_id = f"{name}/{wish.key}"
        if task_id not in self._turns and wish.start_s < self._scenario.duration_s:
            self._turns.add(task_id)
            start_s = max(wish.start_s, self._loop.now_s)
            self._loop.at(start_s, self._turn_comes, (flow, wish, task_id))

    def _turn_comes(self, turn: tuple[int, TaskWish, str]) -> None:
        flow, wish, task_id = turn
        left_s = wish.deadline_s - self._loop.now_s
        facts = TaskFacts(left_s, wish.priority, wish.period_s, wish.reserved_s)
        self._put(flow, task_id, facts)

    # --- tasks --------------------------------------------------------------------------

    def _gap_s(self, at: int) -> float:
        return self._rngs[at].expovariate(self._scenario.tasks[at].per_s)

    def _over(self, at: int) -> bool:
        flow = self._scenario.tasks[at]
        until_s = min(flow.at_s + flow.for_s, self._scenario.duration_s)
        return self._loop.now_s >= until_s

    def _fill(self, at: int) -> None:
        for _ in range(self._scenario.tasks[at].backlog):
            self._submit(at)

    def _next(self, at: int) -> None:
        if not self._over(at):
            self._submit(at)
            self._loop.at(self._loop.now_s + self._gap_s(at), self._next, at)

    def _submit(self, at: int) -> None:
        flow = self._scenario.tasks[at]
        self._last += 1
        self._put(at, f"task-{self._last}", TaskFacts(flow.slack_s, flow.priority))

    def _put(self, at: int, task_id: str, facts: TaskFacts) -> None:
        flow = self._scenario.tasks[at]
        now_s = self._loop.now_s
        factor, offset = task_place(self._policy.ordering, facts)
        name = self._scenario.models[flow.model].name
        lane = Lane(self._scenario.tenants[flow.tenant], name, facts.priority)
        self._placed += 1
        shard = self.shards[self._placed % len(self.shards)]
        place = factor * now_s + offset
        head = TaskHead(
            task_id,
            place,
            now_s,
            now_s + facts.left_s,
            elements=1,
            attempts_max=flow.attempts_max,
        )
        task = StoredTask(head, lane, at)
        tally = self._tallies[at]
        tally.submitted += self._counts(now_s)
        tally.open += 1
        shard.put(task)
        if shard.owner is not None:
            self.schedulers[shard.owner].grew(shard, task)

    def _counts(self, at_s: float) -> bool:
        return self._scenario.warmup_s <= at_s < self._scenario.duration_s

    def done(self, task: StoredTask, service_s: float) -> None:
        """A task has its answer."""
        now_s = self._loop.now_s
        tally = self._ended(task, "")
        if self._counts(now_s):
            tally.answered += 1
            tally.service_s += service_s
        if self._counts(task.head.submitted_s):
            tally.done += 1
            tally.runs += task.runs
            tally.in_time += now_s <= task.head.deadline_s
            tally.age.add(now_s - task.head.submitted_s)

    def failed(self, task: StoredTask, label: str, *, dead: bool) -> None:
        """A task has none and gets none."""
        tally = self._ended(task, label)
        if self._counts(task.head.submitted_s):
            tally.failed[label] += 1
            tally.runs += task.runs
            tally.dead += dead

    def _ended(self, task: StoredTask, label: str) -> FlowTally:
        tally = self._tallies[task.flow]
        tally.open -= 1
        if task.flow in self._schedules:
            self._schedules[task.flow].ended(task.head.task_id, label)
        if self._scenario.tasks[task.flow].backlog and not self._over(task.flow):
            self._submit(task.flow)
        return tally
