"""A scheduler's machine between a pretended store and pretended workers, every effect checked."""

from collections import Counter
from math import inf
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from hasten_policy.fleet.events import (
    StandingChanged,
    WorkerJoined,
    WorkerLost,
    WorkerReported,
)
from hasten_policy.load import LoadSample
from hasten_policy.reasons import Reason
from hasten_policy.scheduler.events import (
    Again,
    Claim,
    Claimed,
    Done,
    Drop,
    Failed,
    LaneGrew,
    LanesRead,
    ReadLanes,
    Revoke,
    SchedulerEffect,
    SchedulerEvent,
    Send,
    WakeAt,
)
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.tasks import LaneHeads, Pick
from tests.unit.policy_scheduler.store import Shard

WORKERS = ("a", "b", "c")
SHARDS = (0, 1)
SHUT = frozenset({"connecting", "suspect", "ejected", "draining", "gone"})
ENDED = frozenset({"done", "failed", "dead", "dropped", "cancelled"})
POLICY = SchedulerPolicy.of(
    lane_heads_max=4,
    lane_poll_s=0.5,
    slow_start_s=1.0,
    eject_failures=2,
    eject_base_s=0.5,
    eject_window_s=1.0,
    eject_share_small=1.0,
    slack_own_s=10.0,
    tenant_running=(("capped", 2),),
    tenant_weights=(("big", 3.0),),
)


class Watched(RuleBasedStateMachine):
    """Tells the machine, carries out what it asks for, and checks every effect.

    Attributes:
        policy: Of the machine.
        broken: A promise was broken: what came after it was not carried out.
    """

    policy: ClassVar[SchedulerPolicy] = POLICY

    def __init__(self) -> None:
        super().__init__()
        self.machine = SchedulerMachine(self.policy, rng=Random(7))
        self.told: Any = self.machine
        self.now_s = 100.0
        self.wake_s = inf
        self.log: list[tuple[float, SchedulerEvent, list[SchedulerEffect]]] = []
        self.store = {number: Shard() for number in SHARDS}
        self.owned: set[int] = set()
        self.asked: list[ReadLanes] = []
        self.claims: list[Claim] = []
        self.picked: dict[int, tuple[int, Pick]] = {}
        self.granted: set[int] = set()
        self.at: dict[int, str] = {}
        self.been: dict[int, str] = {}
        self.ends: Counter[int] = Counter()
        self.window: dict[str, int] = {}
        self.standing: dict[str, str] = {}
        self.incarnation: dict[str, str] = {}
        self.killed: Counter[str] = Counter()
        self.pauses: set[tuple[str | None, str | None]] = set()
        self.seq = 0
        self.next_id = 1
        self.slow = False
        self.broken = False

    # --- helpers ----------------------------------------------------------------------

    def promote(self) -> None:
        """What waited for a time waits in its lane again."""
        for number in sorted(self.store):
            for task in self.store[number].tasks.values():
                if task.state == "later" and task.due_s <= self.now_s:
                    task.state = "waiting"
                    self.send(LaneGrew(number, task.lane, task.head.place))

    def answer_read(self, asked: ReadLanes) -> None:
        shard = self.store[asked.shard]
        lanes = asked.lanes or shard.lanes()
        heads: tuple[LaneHeads, ...] = tuple(shard.front(lane, asked.most) for lane in lanes)
        self.send(LanesRead(asked.shard, heads, every=not asked.lanes))

    def answer_claim(self, claim: Claim) -> None:
        if claim.shard not in self.owned:
            return  # Somebody else owns it: the store refused.
        ours = tuple(pick for pick in claim.picks if pick.attempt in self.picked)
        run, gone = self.store[claim.shard].claim(ours)
        self.granted.update(run)
        # The machine may pick others for these as soon as it hears of them.
        for number in gone:
            del self.picked[number]
        self.send(Claimed(claim.shard, run, gone))

    def drop_shard(self, number: int) -> None:
        """Its attempts count no more, and questions about it are not answered."""
        gone = [attempt for attempt, (shard, _) in self.picked.items() if shard == number]
        for attempt in gone:
            del self.picked[attempt]
            self.granted.discard(attempt)
            self.at.pop(attempt, None)
        self.asked = [asked for asked in self.asked if asked.shard != number]
        self.claims = [claim for claim in self.claims if claim.shard != number]
        self.owned.discard(number)

    def load(self, worker_id: str, window: int, depth: int, backlog_s: float) -> LoadSample:
        self.seq += 1
        self.window[worker_id] = window
        return LoadSample(self.seq, depth, backlog_s, backlog_s / 2, 10**6, window, 0.01, depth)

    def attempt(self, pick: int, *, late: bool) -> tuple[int, str] | None:
        """One of the attempts that run; with `late`, of all that there ever were."""
        source = self.been if late else self.at
        known = [
            (number, worker_id)
            for number, worker_id in source.items()
            if self.standing.get(worker_id, "gone") != "gone"
        ]
        return known[pick % len(known)] if known else None

    def send(self, event: SchedulerEvent) -> None:
        """Tells the machine, and the store answers what it asks unless it is slow."""
        self.tell_machine(event)
        if not self.slow and not isinstance(event, LanesRead | Claimed):
            self.keep_up()

    def keep_up(self) -> None:
        while not self.slow and (self.asked or self.claims):
            self.read_one(0)
            self.claim_one()

    def read_one(self, pick: int) -> None:
        if self.asked:
            self.answer_read(self.asked.pop(pick % len(self.asked)))

    def claim_one(self) -> None:
        if self.claims:
            self.answer_claim(self.claims.pop(0))

    def tell_machine(self, event: SchedulerEvent) -> None:
        self.broken = True
        effects = self.told.on(event, now_s=self.now_s)
        self.log.append((self.now_s, event, effects))
        if isinstance(event, WorkerJoined | WorkerLost):
            self.forget(event.worker_id)
        if isinstance(event, WorkerReported):
            self.hear_of(event.worker_id, event.report.incarnation)
        for effect in effects:
            self.take_note(effect)
        self.broken = False

    def hear_of(self, worker_id: str, incarnation: str) -> None:
        """A worker reported: the attempts of a process before this one went with it."""
        if self.incarnation.get(worker_id, incarnation) != incarnation:
            self.forget(worker_id)
        self.incarnation[worker_id] = incarnation

    def forget(self, worker_id: str) -> None:
        """Its attempts will not answer."""
        for number in [n for n, at in self.at.items() if at == worker_id]:
            del self.at[number]

    # --- what every effect promises ---------------------------------------------------

    def take_note(self, effect: SchedulerEffect) -> None:
        if isinstance(effect, ReadLanes):
            assert effect.shard in self.owned
            self.asked.append(effect)
        elif isinstance(effect, StandingChanged):
            self.standing[effect.worker_id] = effect.standing
        elif isinstance(effect, WakeAt):
            self.wake_s = effect.at_s
        else:
            self.check(effect)

    def check(self, effect: Claim | Send | Revoke | Done | Again | Failed | Drop) -> None:
        match effect:
            case Claim():
                assert effect.shard in self.owned
                assert 0 < len(effect.picks) <= 64
                for pick in effect.picks:
                    self.check_pick(effect.shard, pick)
                self.claims.append(effect)
            case Send():
                self.check_send(effect)
            case Revoke():
                assert self.at.pop(effect.attempt, effect.worker_id) == effect.worker_id
            case Drop():
                task = self.store[effect.shard].tasks[effect.task_id]
                assert task.head.deadline_s - 0.011 <= self.now_s, "there was time"
                assert effect.cause.reason in {Reason.DEADLINE_PASSED, Reason.DEADLINE_INFEASIBLE}
                if task.state == "waiting":
                    task.state = "dropped"
            case _:
                self.check_end(effect)

    def check_pick(self, number: int, pick: Pick) -> None:
        assert pick.attempt not in self.been
        assert all(each.task_id != pick.task_id for _, each in self.picked.values()), "picked twice"
        lane = pick.lane
        model_name = lane.model.partition("/")[0]
        scopes = [(t, m) for t in (None, lane.tenant) for m in (None, lane.model, model_name)]
        assert not self.pauses.intersection(scopes), "it was paused"
        self.picked[pick.attempt] = (number, pick)
        if lane.tenant == "capped":
            ours = [p for _, p in self.picked.values() if p.lane.tenant == "capped"]
            assert len(ours) <= 2, "more than its tenant may run"
        head = self.store[number].tasks[pick.task_id].head
        if head.key:
            alike = [
                p
                for shard, p in self.picked.values()
                if p.lane.tenant == lane.tenant and self.store[shard].tasks[p.task_id].head.key
            ]
            assert len(alike) <= 2, "more than may run with one key"

    def check_send(self, effect: Send) -> None:
        number, worker_id = effect.attempt, effect.worker_id
        assert number in self.granted, "sent although the store had not claimed it"
        assert number not in self.been, "sent twice"
        shard, pick = self.picked[number]
        head = self.store[shard].tasks[pick.task_id].head
        assert self.now_s + 0.011 <= head.deadline_s, "sent with less time than it needs"
        assert effect.deadline_s <= head.deadline_s
        assert effect.alone == head.alone == bool(head.deaths)
        assert len(set(head.deaths)) < 2, "sent although two processes died of it"
        self.at[number] = self.been[number] = worker_id

    def check_end(self, effect: Done | Again | Failed) -> None:
        number = effect.attempt
        assert number in self.granted, "ended although it did not run, or twice"
        self.granted.discard(number)
        self.ends[number] += 1
        assert self.ends[number] == 1
        shard, pick = self.picked.pop(number)
        self.at.pop(number, None)
        store = self.store[shard]
        task = store.by_attempt(number)
        assert task is not None
        assert task.head.task_id == pick.task_id
        if isinstance(effect, Done):
            task.state = "done"
        elif isinstance(effect, Failed):
            task.state = "dead" if effect.dead else "failed"
        else:
            assert not effect.counts or task.head.attempts + 1 < task.head.attempts_max
            if effect.in_s:
                assert self.now_s + effect.in_s <= task.head.deadline_s
            store.again(task, counts=effect.counts, death=effect.death, alone=effect.alone)
            if effect.in_s:
                task.state = "later"
                task.due_s = self.now_s + effect.in_s
