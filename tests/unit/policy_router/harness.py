"""A router's machine with pretended workers, driven by hand."""

from collections.abc import Iterable, Sequence
from math import inf
from random import Random

from hasten_policy.fleet.events import StandingChanged, WorkerJoined, WorkerReported
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import (
    AttemptAnswered,
    AttemptRefused,
    CallArrived,
    Deliver,
    Refuse,
    Revoke,
    RouterEffect,
    RouterEvent,
    Send,
)
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.timers import WakeAt, Woke


def model(name: str = "m", **changes: object) -> ModelLoad:
    """A model that takes 10 ms and 1 ms per row, 32 rows at most, unless `changes` say so."""
    values: dict[str, object] = {
        "name": name,
        "version": "1",
        "serves_unversioned": True,
        "alpha_s": 0.010,
        "beta_s": 0.001,
        "best_s": 0.011,
        "batch_max": 32,
        "service_s": 0.0,
        "depth": 0,
        "default_timeout_s": 0.0,
        "ready": True,
    }
    values.update(changes)
    return ModelLoad(**values)  # type: ignore[arg-type]  # a test's shorthand


class Router:
    """The machine, its clock and everything it has said.

    Attributes:
        log: Every event with its time and its effects.
        ended: Deliver or Refuse of each call that has ended.
    """

    def __init__(self, **policy: object) -> None:
        policy.setdefault("slow_start_s", 0.0)
        self.machine = RouterMachine(RouterPolicy.of(**policy), rng=Random(1))  # type: ignore[arg-type]  # as above
        self.now_s = 100.0
        self.log: list[tuple[float, RouterEvent, list[RouterEffect]]] = []
        self.ended: dict[int, Deliver | Refuse] = {}
        self.wake_s = inf
        self.seq = 0
        self.sent: dict[str, int] = {}

    # --- telling ----------------------------------------------------------------------

    def tell(self, event: RouterEvent) -> list[RouterEffect]:
        """Gives the machine an event now."""
        if isinstance(event, Woke):
            self.wake_s = inf
        effects = self.machine.on(event, now_s=self.now_s)
        self.log.append((self.now_s, event, effects))
        for effect in effects:
            if isinstance(effect, WakeAt):
                self.wake_s = effect.at_s
            elif isinstance(effect, Send):
                self.sent[effect.worker_id] = self.sent.get(effect.worker_id, 0) + 1
            elif isinstance(effect, Deliver | Refuse):
                assert effect.call_id not in self.ended, f"call {effect.call_id} ended twice"
                self.ended[effect.call_id] = effect
        return effects

    def pass_time(self, seconds: float) -> list[RouterEffect]:
        """Lets time pass and wakes the machine whenever it asked for it."""
        until_s = self.now_s + seconds
        effects: list[RouterEffect] = []
        while self.wake_s <= until_s:
            self.now_s = max(self.now_s, self.wake_s)
            effects += self.tell(Woke())
        self.now_s = until_s
        return effects

    def load(self, worker_id: str, **changes: object) -> LoadSample:
        """A newer load sample: idle, everything received, 64 credits, unless `changes` say so."""
        self.seq += 1
        values: dict[str, object] = {
            "seq": self.seq,
            "depth": 0,
            "backlog_s": 0.0,
            "residual_s": 0.0,
            "received": self.sent.get(worker_id, 0),
            "window": 64,
            "service_s": 0.0,
            "waiting": 0,
        }
        values.update(changes)
        return LoadSample(**values)  # type: ignore[arg-type]  # as above

    def report(
        self,
        worker_id: str,
        *models: ModelLoad,
        incarnation: str = "a",
        draining: bool = False,
        lanes: int = 1,
        **load: object,
    ) -> list[RouterEffect]:
        """The worker reports."""
        sample = self.load(worker_id, **load)
        report = WorkerReport(incarnation, draining, lanes, sample, models or (model(),))
        return self.tell(WorkerReported(worker_id, report))

    def join(self, worker_id: str, *models: ModelLoad, **how: object) -> list[RouterEffect]:
        """A worker joins and reports."""
        self.sent[worker_id] = 0
        effects = self.tell(WorkerJoined(worker_id))
        return effects + self.report(worker_id, *models, **how)  # type: ignore[arg-type]  # as above

    def call(self, call_id: int, time_left_s: float = inf, **changes: object) -> list[RouterEffect]:
        """A call of normal priority arrives for model "m", unless `changes` say otherwise."""
        values: dict[str, object] = {
            "model": "m",
            "version": "",
            "priority": 1,
            "tenant": "",
            "payload_bytes": 100,
        }
        values.update(changes)
        return self.tell(CallArrived(call_id, time_left_s=time_left_s, **values))  # type: ignore[arg-type]  # as above

    def answer(
        self, call_id: int, worker_id: str, *, service_s: float = 0.011, **load: object
    ) -> list[RouterEffect]:
        """The worker answers the call."""
        sample = self.load(worker_id, **load)
        return self.tell(AttemptAnswered(call_id, worker_id, sample, service_s, 0.011))

    def turn_down(
        self, call_id: int, worker_id: str, reason: Reason, *, started: bool = False, **load: object
    ) -> list[RouterEffect]:
        """The worker refuses the call."""
        sample = self.load(worker_id, **load)
        refusal = Refusal(reason, "as the test wants it", started=started)
        return self.tell(AttemptRefused(call_id, worker_id, sample, refusal))

    # --- looking ----------------------------------------------------------------------

    def reason(self, call_id: int) -> Reason | None:
        """Why the call was refused by the router; None when it was not."""
        end = self.ended.get(call_id)
        return end.refusal.reason if isinstance(end, Refuse) else None

    def standing(self, worker_id: str) -> str:
        """How the worker stands."""
        views = self.machine.views(now_s=self.now_s)
        return next(view.standing for view in views if view.worker_id == worker_id)


def sends(effects: Iterable[RouterEffect]) -> list[tuple[int, str]]:
    """(call, worker) of the sends among the effects."""
    return [(e.call_id, e.worker_id) for e in effects if isinstance(e, Send)]


def revokes(effects: Iterable[RouterEffect]) -> list[tuple[int, str]]:
    """(call, worker) of the revocations among the effects."""
    return [(e.call_id, e.worker_id) for e in effects if isinstance(e, Revoke)]


def delivers(effects: Iterable[RouterEffect]) -> list[int]:
    """Calls delivered among the effects."""
    return [e.call_id for e in effects if isinstance(e, Deliver)]


def refusals(effects: Iterable[RouterEffect]) -> dict[int, Reason]:
    """Reasons of the refusals among the effects, by call."""
    return {e.call_id: e.refusal.reason for e in effects if isinstance(e, Refuse)}


def standings(effects: Iterable[RouterEffect]) -> list[tuple[str, str]]:
    """(worker, standing) of the changes among the effects."""
    return [(e.worker_id, e.standing) for e in effects if isinstance(e, StandingChanged)]


def router(*worker_ids: str, **policy: object) -> Router:
    """A router with these workers, each with model "m"."""
    made = Router(**policy)
    for worker_id in worker_ids:
        made.join(worker_id)
    return made


def names(count: int) -> Sequence[str]:
    """Names of `count` workers."""
    return [f"w{index:03d}" for index in range(count)]
