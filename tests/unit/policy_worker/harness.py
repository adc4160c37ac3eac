"""A worker of pretended lanes around the real machine, in virtual time."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from hasten_policy.load import LoadSample, ModelSpec, WorkerReport
from hasten_policy.machines import Machine
from hasten_policy.reasons import Reason
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker.events import (
    BatchEnded,
    CallArrived,
    Deliver,
    LoadAsked,
    ModelOpened,
    Refuse,
    ReportAsked,
    SendLoad,
    SendReport,
    StartBatch,
    StopBatch,
    WorkerEffect,
    WorkerEvent,
)
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy

RunTime = Callable[[str, int], float]
"""Seconds that a batch of a model of so many padded rows takes."""


def profile(run_s: Callable[[int], float], batch_max: int) -> tuple[tuple[int, int, float], ...]:
    """Load-time runs: three of each power of two up to `batch_max`."""
    sizes = [1 << k for k in range((batch_max - 1).bit_length())] + [batch_max]
    return tuple((size, size, run_s(size)) for size in sizes for _ in range(3))


def model(name: str = "m", **changes: object) -> ModelSpec:
    """A model that takes 10 ms and 1 ms per row, unless `changes` say otherwise."""
    values: dict[str, object] = {
        "key": f"{name}/1",
        "name": name,
        "version": "1",
        "serves_unversioned": True,
        "batch_max": 32,
        "batch_sizes": (),
        "preferred_sizes": (),
        "queue_delay_max_s": 0.0,
        "instances": 16,
        "queue_max": 10_000,
        "default_timeout_s": 0.0,
        "run_s_max": 10.0,
    }
    values.update(changes)
    batch_max = values["batch_max"]
    assert isinstance(batch_max, int)
    values.setdefault("profile", profile(lambda rows: 0.010 + 0.001 * rows, batch_max))
    return ModelSpec(**values)  # type: ignore[arg-type]  # a test's shorthand


def call(call_id: int, time_left_s: float = inf, **changes: object) -> CallArrived:
    """A call of one row for model "m/1", unless `changes` say otherwise."""
    values: dict[str, object] = {
        "link_id": 0,
        "model_key": "m/1",
        "rows": 1,
        "shape_key": 0,
        "priority": 0,
        "tenant": "",
        "payload_bytes": 100,
    }
    values.update(changes)
    return CallArrived(call_id=call_id, time_left_s=time_left_s, **values)  # type: ignore[arg-type]  # as above


def refusals(effects: Iterable[WorkerEffect]) -> dict[int, Reason]:
    """Reasons of the refusals among the effects, by call."""
    return {e.call_id: e.refusal.reason for e in effects if isinstance(e, Refuse)}


def starts(effects: Iterable[WorkerEffect]) -> list[StartBatch]:
    """Batches started among the effects."""
    return [e for e in effects if isinstance(e, StartBatch)]


def delivered(effects: Iterable[WorkerEffect]) -> list[int]:
    """Calls delivered among the effects."""
    return [e.call_id for e in effects if isinstance(e, Deliver)]


def load_of(
    machine: Machine[WorkerEvent, WorkerEffect], link_id: int = 0, *, now_s: float = 0.0
) -> LoadSample:
    """The load as a link is told it."""
    (effect,) = machine.on(LoadAsked(link_id), now_s=now_s)
    assert isinstance(effect, SendLoad)
    assert effect.link_id == link_id
    return effect.load


def report_of(
    machine: Machine[WorkerEvent, WorkerEffect], link_id: int = 0, *, now_s: float = 0.0
) -> WorkerReport:
    """The whole state as a link is told it, of incarnation "abc"."""
    (effect,) = machine.on(ReportAsked(link_id, "abc"), now_s=now_s)
    assert isinstance(effect, SendReport)
    assert effect.link_id == link_id
    return effect.report


@dataclass
class Ended:
    """How one call ended, and when."""

    at_s: float
    reason: Reason | None
    failed: bool = False


@dataclass
class PretendedWorker:
    """Runs the machine's effects in virtual time.

    Attributes:
        run_s: Seconds a batch takes.
        fails: Whether a batch of these calls fails.
        log: Every event with its time, for replay.
    """

    machine: WorkerMachine
    run_s: RunTime = lambda _key, rows: 0.010 + 0.001 * rows
    fails: Callable[[tuple[int, ...]], bool] = lambda _ids: False
    obeys_stop: bool = True
    now_s: float = 0.0
    ended: dict[int, Ended] = field(default_factory=dict)
    arrived_s: dict[int, float] = field(default_factory=dict)
    deadline_s: dict[int, float] = field(default_factory=dict)
    batches: list[tuple[float, StartBatch]] = field(default_factory=list)
    log: list[tuple[float, WorkerEvent]] = field(default_factory=list)
    effects: list[WorkerEffect] = field(default_factory=list)
    _heap: list[tuple[float, int, WorkerEvent]] = field(default_factory=list)
    _count: int = 0
    _wake_s: float = inf
    _running: dict[int, float] = field(default_factory=dict)

    def at(self, at_s: float, event: WorkerEvent) -> None:
        """Sends the event at that time."""
        self._count += 1
        heappush(self._heap, (at_s, self._count, event))

    def run(self, until_s: float = inf) -> None:
        """Runs until nothing is left to happen, or the time has come."""
        while True:
            next_s = self._heap[0][0] if self._heap else inf
            if min(next_s, self._wake_s) > until_s or min(next_s, self._wake_s) == inf:
                break
            if self._wake_s <= next_s:
                self.now_s = max(self.now_s, self._wake_s)
                self._wake_s = inf
                self.send(Woke())
                continue
            self.now_s, _, event = heappop(self._heap)
            if isinstance(event, BatchEnded) and event.batch_id not in self._running:
                continue
            self.send(event)

    def send(self, event: WorkerEvent) -> list[WorkerEffect]:
        """Gives the machine an event now and carries out what it asks for."""
        if isinstance(event, CallArrived):
            self.arrived_s[event.call_id] = self.now_s
            self.deadline_s[event.call_id] = self.now_s + event.time_left_s
        if isinstance(event, BatchEnded):
            self._running.pop(event.batch_id, None)
        self.log.append((self.now_s, event))
        effects = self.machine.on(event, now_s=self.now_s)
        self.effects.extend(effects)
        for effect in effects:
            self._carry_out(effect)
        return effects

    def _carry_out(self, effect: WorkerEffect) -> None:
        if isinstance(effect, StartBatch):
            self.batches.append((self.now_s, effect))
            took_s = self.run_s(effect.model_key, effect.padded_rows)
            self._running[effect.batch_id] = self.now_s
            failed = self.fails(effect.call_ids)
            self.at(self.now_s + took_s, BatchEnded(effect.batch_id, took_s, failed))
        elif isinstance(effect, StopBatch) and self.obeys_stop:
            took_s = self.now_s - self._running[effect.batch_id]
            self.at(
                self.now_s, BatchEnded(effect.batch_id, took_s, True, True)
            )  # as the event has them
        elif isinstance(effect, WakeAt):
            self._wake_s = effect.at_s
        elif isinstance(effect, Deliver):
            self._end(effect.call_id, None, failed=effect.failed)
        elif isinstance(effect, Refuse):
            self._end(effect.call_id, effect.refusal.reason, failed=False)

    def _end(self, call_id: int, reason: Reason | None, *, failed: bool) -> None:
        assert call_id not in self.ended, f"call {call_id} ended twice"
        self.ended[call_id] = Ended(self.now_s, reason, failed)

    def on_time(self) -> list[int]:
        """Calls answered by their deadline."""
        return [
            call_id
            for call_id, end in self.ended.items()
            if end.reason is None and not end.failed and end.at_s <= self.deadline_s[call_id]
        ]


def worker(*specs: ModelSpec, policy: WorkerPolicy | None = None, **how: object) -> PretendedWorker:
    """A pretended worker with these models open (one "m" when none is given)."""
    pretended = PretendedWorker(WorkerMachine(policy or WorkerPolicy()), **how)  # type: ignore[arg-type]  # a test's shorthand
    for spec in specs or (model(),):
        pretended.send(ModelOpened(spec))
    return pretended
