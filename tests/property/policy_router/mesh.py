"""A router's machine and workers' machines joined by a pretended network, in virtual time."""

from collections import Counter
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf
from random import Random

from hasten_policy.fleet import events as of_fleet
from hasten_policy.load import LoadSample
from hasten_policy.router import events as to_router
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.worker import events as to_worker
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import model

NET_S = 0.0002
REPORT_S = 0.25
ON_TIME = "on time"
LATE = "late"
TURNED_AWAY = frozenset({"OVERLOADED", "QUEUE_FULL", "DEADLINE_INFEASIBLE"})


@dataclass(frozen=True)
class Outcome:
    """What became of the calls that arrived after the warm-up.

    Attributes:
        goodput_hz: Calls answered in time, a second.
        miss_share: Of the admitted calls, those that were not.
        ends: Calls by the way they ended.
    """

    goodput_hz: float
    miss_share: float
    ends: Counter[str]


class Mesh:
    """One router, `workers` workers with one lane, `models` models with 10 + 1 ms a row."""

    def __init__(self, workers: int, models: int) -> None:
        self.now_s = 0.0
        self.router = RouterMachine(RouterPolicy.of(slow_start_s=0.0), rng=Random(1))
        self.workers = [WorkerMachine(WorkerPolicy(lanes=1)) for _ in range(workers)]
        self.names = [f"m{number}" for number in range(models)]
        self.ends: dict[int, tuple[float, str]] = {}
        self.arrived: dict[int, to_router.CallArrived] = {}
        self._got_s: dict[tuple[int, int], float] = {}
        self._heap: list[tuple[float, int, int, object]] = []
        self._count = 0
        self._wake_s = [inf] * (workers + 1)
        for index, worker in enumerate(self.workers):
            for name in self.names:
                worker.on(to_worker.ModelOpened(model(name)), now_s=0.0)
            worker.on(to_worker.LinkOpened(1), now_s=0.0)
            self._tell_router(of_fleet.WorkerJoined(str(index)))
            self._tell_router(self._report(index))
            self._at(REPORT_S, -1, self._report(index))

    def offer(self, rate_hz: float, *, for_s: float, slack_s: float, seed: int = 1) -> Outcome:
        """Poisson arrivals with Zipf's share of each model; the first third is warm-up."""
        rng = Random(seed)
        weights = [1.0 / (rank + 1) ** 0.9 for rank in range(len(self.names))]
        at_s = 0.0
        due_s: dict[int, float] = {}
        while at_s < for_s:
            at_s += rng.expovariate(rate_hz)
            (name,) = rng.choices(self.names, weights)
            call = to_router.CallArrived(len(self.arrived) + 1, name, "", slack_s, 0, "", 100)
            self.arrived[call.call_id] = call
            due_s[call.call_id] = at_s + slack_s
            self._at(at_s, -1, call)
        self._run(for_s + 1.0)
        ends: Counter[str] = Counter()
        for call_id, due in due_s.items():
            if due - slack_s > for_s / 3:
                ended_s, how = self.ends[call_id]
                ends[LATE if how == ON_TIME and ended_s > due else how] += 1
        admitted = sum(count for how, count in ends.items() if how not in TURNED_AWAY)
        good = ends[ON_TIME]
        return Outcome(good / (for_s * 2 / 3), 1.0 - good / admitted, ends)

    # --- the network ------------------------------------------------------------------

    def _at(self, at_s: float, target: int, event: object) -> None:
        self._count += 1
        heappush(self._heap, (at_s, self._count, target, event))

    def _run(self, until_s: float) -> None:
        while True:
            next_s = self._heap[0][0] if self._heap else inf
            wake_s = min(self._wake_s)
            if min(next_s, wake_s) > until_s:
                return
            if wake_s <= next_s:
                self.now_s = max(self.now_s, wake_s)
                index = self._wake_s.index(wake_s)
                self._wake_s[index] = inf
                if index == len(self.workers):
                    self._tell_router(to_router.Woke())
                else:
                    self._tell_worker(index, to_worker.Woke())
                continue
            self.now_s, _, target, event = heappop(self._heap)
            if target >= 0:
                self._tell_worker(target, event)
            elif isinstance(event, of_fleet.WorkerReported):
                index = int(event.worker_id)
                self._tell_router(self._report(index))
                self._at(self.now_s + REPORT_S, -1, event)
            else:
                self._tell_router(event)

    def _report(self, index: int) -> of_fleet.WorkerReported:
        (told,) = self.workers[index].on(to_worker.ReportAsked(1, "a"), now_s=self.now_s)
        assert isinstance(told, to_worker.SendReport)
        return of_fleet.WorkerReported(str(index), told.report)

    def _load(self, index: int) -> LoadSample:
        (told,) = self.workers[index].on(to_worker.LoadAsked(1), now_s=self.now_s)
        assert isinstance(told, to_worker.SendLoad)
        return told.load

    def _tell_router(self, event: object) -> None:
        for effect in self.router.on(event, now_s=self.now_s):  # type: ignore[arg-type]  # from our own heap
            if isinstance(effect, to_router.Send):
                key = f"{self.arrived[effect.call_id].model}/1"
                left_s = effect.deadline_s - self.now_s
                call = to_worker.CallArrived(effect.call_id, 1, key, 1, 0, left_s, 0, "", 100)
                self._at(self.now_s + NET_S, int(effect.worker_id), call)
            elif isinstance(effect, to_router.Revoke):
                cancel = to_worker.CallCancelled(effect.call_id)
                self._at(self.now_s + NET_S, int(effect.worker_id), cancel)
            elif isinstance(effect, to_router.Deliver):
                failed = isinstance(event, to_router.AttemptRefused)
                how = event.refusal.reason.name if failed else ON_TIME  # type: ignore[attr-defined]  # just looked
                self._end(effect.call_id, how)
            elif isinstance(effect, to_router.Refuse):
                self._end(effect.call_id, effect.refusal.reason.name)
            elif isinstance(effect, to_router.WakeAt):
                self._wake_s[-1] = effect.at_s

    def _end(self, call_id: int, how: str) -> None:
        assert call_id not in self.ends, "a call ended twice"
        self.ends[call_id] = (self.now_s, how)

    def _tell_worker(self, index: int, event: object) -> None:
        worker = self.workers[index]
        if isinstance(event, to_worker.CallArrived):
            self._got_s[index, event.call_id] = self.now_s
        answer: to_router.RouterEvent
        for effect in worker.on(event, now_s=self.now_s):  # type: ignore[arg-type]  # from our own heap
            if isinstance(effect, to_worker.StartBatch):
                took_s = 0.010 + 0.001 * effect.padded_rows
                ended = to_worker.BatchEnded(effect.batch_id, took_s)
                self._at(self.now_s + took_s, index, ended)
            elif isinstance(effect, to_worker.Deliver):
                load = self._load(index)
                inside_s = self.now_s - self._got_s[index, effect.call_id]
                answer = to_router.AttemptAnswered(
                    effect.call_id, str(index), load, effect.service_s, inside_s
                )
                self._at(self.now_s + NET_S, -1, answer)
            elif isinstance(effect, to_worker.Refuse):
                load = self._load(index)
                answer = to_router.AttemptRefused(effect.call_id, str(index), load, effect.refusal)
                self._at(self.now_s + NET_S, -1, answer)
            elif isinstance(effect, to_worker.WakeAt):
                self._wake_s[index] = effect.at_s
