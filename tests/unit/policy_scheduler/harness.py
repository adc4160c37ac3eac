"""A scheduler's machine with a store in memory and pretended workers, driven by hand."""

from math import inf
from random import Random

from hasten_policy.content import Asked
from hasten_policy.fleet.events import LoadTold, WorkerJoined, WorkerLost, WorkerReported
from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.reasons import Reason, Refusal
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
    SchedulerEffect,
    SchedulerEvent,
    Send,
    ShardTaken,
    WakeAt,
    Woke,
)
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.tasks import Lane, TaskHead
from tests.unit.policy_router.harness import model
from tests.unit.policy_scheduler.store import Shard, StoredTask


class Scheduler:
    """The machine, its clock, the store of shard 0, and everything it has said.

    Attributes:
        store: Answers at once what the machine asks.
        said: All effects, in order.
        at: Attempts at workers: their worker and task.
        slow: The store answers claims when `answer_claims` is called.
    """

    def __init__(self, **policy: object) -> None:
        policy.setdefault("slow_start_s", 0.0)
        policy.setdefault("slack_own_s", 10.0)
        self.machine = SchedulerMachine(SchedulerPolicy.of(**policy), rng=Random(1))
        self.now_s = 100.0
        self.wake_s = inf
        self.store = Shard()
        self.said: list[SchedulerEffect] = []
        self.at: dict[int, tuple[str, StoredTask]] = {}
        self.seq = 0
        self.slow = False
        self.claims: list[Claim] = []
        self.tell(ShardTaken(0))

    def tell(self, event: SchedulerEvent) -> list[SchedulerEffect]:
        """Gives the machine an event now; the store answers what it asks."""
        if isinstance(event, Woke):
            self.wake_s = inf
        effects = self.machine.on(event, now_s=self.now_s)
        self.said += effects
        for effect in effects:
            self._carry_out(effect)
        return effects

    def _carry_out(self, effect: SchedulerEffect) -> None:
        match effect:
            case WakeAt():
                self.wake_s = effect.at_s
            case ReadLanes():
                lanes = effect.lanes or self.store.lanes()
                read = tuple(self.store.front(lane, effect.most) for lane in lanes)
                self.tell(LanesRead(0, read, every=not effect.lanes))
            case Claim():
                self.claims.append(effect)
                if not self.slow:
                    self.answer_claims()
            case Send():
                task = self.store.by_attempt(effect.attempt)
                assert task is not None
                self.at[effect.attempt] = (effect.worker_id, task)
            case Done() | Failed():
                task = self.store.by_attempt(effect.attempt)
                assert task is not None
                task.state = type(effect).__name__.lower()
                self.at.pop(effect.attempt, None)
            case Again():
                task = self.store.by_attempt(effect.attempt)
                assert task is not None
                self.at.pop(effect.attempt, None)
                self.store.again(task, counts=effect.counts, death=effect.death, alone=effect.alone)
                if effect.in_s:
                    task.state = "later"
                else:
                    self.tell(LaneGrew(0, task.lane, task.head.place))
            case Drop():
                self.store.tasks[effect.task_id].state = "dropped"
            case _:
                pass

    def answer_claims(self) -> None:
        claims, self.claims = self.claims, []
        for claim in claims:
            self.tell(Claimed(0, *self.store.claim(claim.picks)))

    # --- telling ------------------------------------------------------------------------

    def worker(
        self, name: str = "w", window: int = 8, lanes: int = 1, n_s: float = 0.0, **load: object
    ) -> None:
        """A worker with models "m" and "n" joins or reports again; "n" takes `n_s` if that is said,
        and then does not batch.
        """
        if all(view.worker_id != name for view in self.machine.views(now_s=self.now_s)):
            self.tell(WorkerJoined(name))
        slow = {"alpha_s": 0.0, "beta_s": n_s, "best_s": n_s, "batch_max": 1} if n_s else {}
        models = (model("m"), model("n", **slow))
        report = WorkerReport("1", False, lanes, self.load(window, **load), models)
        self.tell(WorkerReported(name, report))

    def load(self, window: int = 8, **changes: object) -> LoadSample:
        self.seq += 1
        load = LoadSample(self.seq, 0, 0.0, 0.0, 10**6, window, 0.01)
        for name, value in changes.items():
            setattr(load, name, value)
        return load

    def told(self, name: str = "w", window: int = 8, **load: object) -> None:
        self.tell(LoadTold(name, self.load(window, **load)))

    def submit(
        self, task_id: str, place: float = 0.0, *, lane: Lane | None = None, **head: object
    ) -> StoredTask:
        """A task is accepted now."""
        values: dict[str, object] = {"submitted_s": self.now_s, "deadline_s": inf, **head}
        made = TaskHead(task_id, place, **values)  # type: ignore[arg-type]  # a test's shorthand
        task = StoredTask(lane or Lane("", "m", 1), made)
        self.store.tasks[task_id] = task
        self.tell(LaneGrew(0, task.lane, place))
        return task

    def attempt_of(self, task_id: str) -> int:
        (found,) = [n for n, (_, task) in self.at.items() if task.head.task_id == task_id]
        return found

    def answer(self, task_id: str, window: int = 8, **load: object) -> list[SchedulerEffect]:
        number = self.attempt_of(task_id)
        told = self.load(window, **load)
        return self.tell(AttemptAnswered(number, self.at[number][0], told, 0.01, 0.02))

    def refuse(self, task_id: str, reason: Reason, **more: object) -> list[SchedulerEffect]:
        number = self.attempt_of(task_id)
        refusal = Refusal(reason, "as drawn", **more)  # type: ignore[arg-type]  # as above
        return self.tell(AttemptRefused(number, self.at[number][0], None, refusal))

    def die(self, name: str = "w", *ran: str) -> list[SchedulerEffect]:
        """The worker's process dies while it runs these tasks."""
        asked = tuple(Asked(self.attempt_of(task_id), None) for task_id in ran)
        return self.tell(WorkerLost(name, asked))

    def pass_s(self, seconds: float) -> None:
        """Time passes."""
        until_s = self.now_s + seconds
        while self.wake_s <= until_s:
            self.now_s = max(self.now_s, self.wake_s)
            self.tell(Woke())
        self.now_s = until_s

    # --- asking -------------------------------------------------------------------------

    @property
    def running(self) -> list[str]:
        """Tasks at workers, in the order sent."""
        return [task.head.task_id for _, task in self.at.values()]

    def last(self, kind: type) -> SchedulerEffect:
        """The newest effect of a kind."""
        return next(effect for effect in reversed(self.said) if isinstance(effect, kind))

    def hurdles(self, task_id: str) -> list[str]:
        lane = self.store.tasks[task_id].lane
        found = self.machine.explain(0, lane, task_id, now_s=self.now_s)
        return [hurdle.name for hurdle in found.hurdles]
