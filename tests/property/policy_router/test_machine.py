"""Whatever happens around a router, its machine keeps its promises."""

from math import inf
from random import Random
from typing import ClassVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hasten_policy.content import Asked, Content
from hasten_policy.fleet.events import (
    StandingChanged,
    WorkerJoined,
    WorkerLost,
    WorkerQuiesced,
    WorkerReported,
)
from hasten_policy.load import LoadSample, WorkerReport
from hasten_policy.reasons import Reason, Refusal
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
    RouterEffect,
    RouterEvent,
    Send,
)
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.timers import WakeAt, Woke
from tests.property.policy_router.drawn_calls import CONTENTS, arrivals
from tests.unit.policy_router.harness import model

WORKERS = ("a", "b", "c")
SHUT = frozenset({"connecting", "suspect", "ejected", "draining", "gone"})
POLICY = RouterPolicy.of(
    hold_calls_max=8,
    hold_bytes_max=900,
    slow_start_s=1.0,
    hedge_share=0.5,
    eject_failures=2,
    eject_base_s=0.5,
    eject_window_s=1.0,
    eject_share_small=1.0,
    tenant_shares=(("poor", 0.05),),
)


class Router(RuleBasedStateMachine):
    """Sends any event at any time and checks every effect.

    Attributes:
        policy: Of the machine.
    """

    policy: ClassVar[RouterPolicy] = POLICY

    def __init__(self) -> None:
        super().__init__()
        self.machine = RouterMachine(self.policy, rng=Random(7))
        self.told = self.machine
        self.now_s = 100.0
        self.wake_s = inf
        self.log: list[tuple[float, RouterEvent, list[RouterEffect]]] = []
        self.open: dict[int, CallArrived] = {}
        self.at: dict[int, list[str]] = {}
        self.been: dict[int, set[str]] = {}
        self.deadline_s: dict[int, float] = {}
        self.window: dict[str, int] = {}
        self.standing: dict[str, str] = {}
        self.contents: dict[int, Content | None] = {}
        self.model_of: dict[int, str] = {}
        self.incarnation: dict[str, str] = {}
        self.deaths: dict[int, int] = {}
        self.died_of: dict[tuple[str, Content], set[str]] = {}
        self.bars: dict[tuple[str, str], float] = {}
        self.seq = 0
        self.next_id = 1

    # --- what is sent -----------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for worker_id in WORKERS[:2]:
            self.join(worker_id)
            self.report(worker_id, 4, 0, 0.0, "a", draining=False, ready=True)

    @rule(worker_id=st.sampled_from(WORKERS))
    def join(self, worker_id: str) -> None:
        self.window[worker_id] = 0
        self.incarnation.pop(worker_id, None)
        self.send(WorkerJoined(worker_id))

    @rule(
        worker_id=st.sampled_from(WORKERS),
        window=st.integers(0, 4),
        depth=st.integers(0, 5),
        backlog_s=st.floats(0.0, 0.3),
        incarnation=st.sampled_from("aaaaab"),
        draining=st.sampled_from([False, False, False, True]),
        ready=st.sampled_from([True, True, True, False]),
    )
    def report(
        self,
        worker_id: str,
        window: int,
        depth: int,
        backlog_s: float,
        incarnation: str,
        *,
        draining: bool,
        ready: bool,
    ) -> None:
        if self.standing.get(worker_id, "gone") == "gone":
            return
        models = (model("m"), model("n", ready=ready), model("m", version="2", ready=ready))
        load = self.load(worker_id, window, depth, backlog_s)
        if self.incarnation.get(worker_id, incarnation) != incarnation:
            # Its calls went with the process before; what is sent from now on, the new one gets.
            self.forget(worker_id)
        self.incarnation[worker_id] = incarnation
        self.send(WorkerReported(worker_id, WorkerReport(incarnation, draining, 2, load, models)))

    @precondition(lambda self: self.next_id % 3 == 0)
    @rule(worker_id=st.sampled_from(WORKERS))
    def lose(self, worker_id: str) -> None:
        self.send(WorkerLost(worker_id))

    @precondition(lambda self: self.next_id % 3 == 1)
    @rule(worker_id=st.sampled_from(WORKERS), some=st.integers(0, 7))
    def die(self, worker_id: str, some: int) -> None:
        """Its process dies while some of its calls run."""
        there = [call_id for call_id, workers in self.at.items() if worker_id in workers]
        ran = [call_id for index, call_id in enumerate(there) if some >> (index % 3) & 1]
        process = f"{worker_id}/{self.incarnation.get(worker_id)}"
        for call_id in ran:
            self.deaths[call_id] = self.deaths.get(call_id, 0) + 1
            content = self.contents[call_id]
            if content is not None:
                model = self.model_of[call_id]
                self.died_of.setdefault((model, content), set()).add(process)
        alike = [id_ for id_ in self.open if self.contents[id_] in map(self.contents.get, ran)]
        both = [tuple(Asked(id_, self.contents[id_]) for id_ in ids) for ids in (ran, alike)]
        self.send(WorkerLost(worker_id, *both))

    @precondition(lambda self: self.next_id % 5 == 0)
    @rule(worker_id=st.sampled_from(WORKERS))
    def quiesce(self, worker_id: str) -> None:
        self.send(WorkerQuiesced(worker_id))

    @rule(
        drawn=st.lists(arrivals, min_size=1, max_size=4),
        content=st.sampled_from(CONTENTS),
    )
    def arrive(self, drawn: list[dict[str, object]], content: Content | None) -> None:
        for values in drawn:
            event = CallArrived(call_id=self.next_id, **values)  # type: ignore[arg-type]  # drawn by field
            self.next_id += 1
            self.contents[event.call_id] = content
            self.model_of[event.call_id] = event.model
            # As the shell does: only those are looked at that may be one of them.
            if content is not None:
                looked = content.size_bytes in self.machine.suspect_sizes(event.model)
                event.content = content if looked else None
            self.open[event.call_id] = event
            self.at[event.call_id] = []
            self.been[event.call_id] = set()
            self.deadline_s[event.call_id] = self.now_s + event.time_left_s
            self.send(event)

    @rule(pick=st.integers(0, 50), window=st.integers(0, 4), late=st.booleans())
    def answer(self, pick: int, window: int, *, late: bool) -> None:
        attempt = self.attempt(pick, late=late)
        if attempt is not None:
            call_id, worker_id = attempt
            load = self.load(worker_id, window, 1, 0.01)
            self.send(AttemptAnswered(call_id, worker_id, load, 0.01, 0.02))

    @rule(
        pick=st.integers(0, 50),
        reason=st.sampled_from(
            [
                Reason.QUEUE_FULL,
                Reason.DRAINING,
                Reason.INTERNAL,
                Reason.SHAPE_MISMATCH,
                Reason.SHED_BEFORE_START,
                Reason.WORKER_LOST,
            ]
        ),
        started=st.booleans(),
    )
    def turn_down(self, pick: int, reason: Reason, *, started: bool) -> None:
        attempt = self.attempt(pick, late=False)
        if attempt is not None:
            call_id, worker_id = attempt
            refusal = Refusal(reason, "drawn", started=started)
            self.send(AttemptRefused(call_id, worker_id, None, refusal))

    @rule(pick=st.integers(0, 50))
    def abandon(self, pick: int) -> None:
        if self.open:
            call_id = sorted(self.open)[pick % len(self.open)]
            del self.open[call_id]
            self.send(CallAbandoned(call_id))

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.2, 0.6, 1.5]))
    def pass_time(self, seconds: float) -> None:
        until_s = self.now_s + seconds
        while self.wake_s <= until_s:
            self.now_s = max(self.now_s, self.wake_s)
            self.wake_s = inf
            self.send(Woke())
        self.now_s = until_s

    # --- helpers ----------------------------------------------------------------------

    def load(self, worker_id: str, window: int, depth: int, backlog_s: float) -> LoadSample:
        self.seq += 1
        self.window[worker_id] = window
        return LoadSample(self.seq, depth, backlog_s, backlog_s / 2, 10**6, window, 0.01, depth)

    def attempt(self, pick: int, *, late: bool) -> tuple[int, str] | None:
        """One of the attempts that run; with `late`, of all that there ever were."""
        source = self.been if late else self.at
        known = [
            (call_id, worker_id)
            for call_id, workers in source.items()
            for worker_id in sorted(workers)
            if self.standing.get(worker_id, "gone") != "gone"
        ]
        return known[pick % len(known)] if known else None

    def send(self, event: RouterEvent) -> None:
        if isinstance(event, WorkerJoined):
            self.forget(event.worker_id)
        effects = self.told.on(event, now_s=self.now_s)
        self.log.append((self.now_s, event, effects))
        if isinstance(event, AttemptAnswered | AttemptRefused):
            running = self.at.get(event.call_id, [])
            if event.worker_id in running:
                running.remove(event.worker_id)
        if isinstance(event, WorkerLost):
            self.forget(event.worker_id)
        for effect in effects:
            if isinstance(effect, BarSet):
                self.bars[effect.model, effect.version] = self.now_s + effect.life_s
            elif isinstance(effect, BarLifted):
                del self.bars[effect.model, effect.version]
            self.check(effect)

    def forget(self, worker_id: str) -> None:
        """Its attempts will not answer."""
        for workers in self.at.values():
            if worker_id in workers:
                workers.remove(worker_id)

    def check(self, effect: RouterEffect) -> None:
        if isinstance(effect, Send):
            call_id, worker_id = effect.call_id, effect.worker_id
            assert call_id in self.open, "sent although it has ended"
            assert worker_id not in self.been[call_id], "sent to the same worker twice"
            if self.policy.keeps_deadlines:
                assert self.deadline_s[call_id] > self.now_s, "sent after its deadline"
                assert effect.deadline_s <= self.deadline_s[call_id]
            else:
                assert effect.deadline_s == inf, "passed on a deadline that it does not know"
            self.at[call_id].append(worker_id)
            self.been[call_id].add(worker_id)
            assert len(self.at[call_id]) <= 2
            assert self.deaths.get(call_id, 0) < 2, "sent although two workers died of it"
            assert effect.alone or not self.deaths.get(call_id), "shares a batch with others"
            load = sum(worker_id in workers for workers in self.at.values())
            plain = not self.policy.fleet.late_binding
            most = self.policy.hold.hold_calls_max if plain else self.window[worker_id]
            assert load <= most, "more calls than credits"
            assert effect.attempt == len(self.been[call_id])
        elif isinstance(effect, Revoke):
            running = self.at.get(effect.call_id, [])
            if effect.worker_id in running:
                running.remove(effect.worker_id)
        elif isinstance(effect, Deliver | Refuse):
            assert effect.call_id in self.open, "ended twice"
            del self.open[effect.call_id]
            if isinstance(effect, Refuse) and effect.refusal.reason is Reason.POISONOUS:
                content = self.contents[effect.call_id]
                assert content is not None
                assert len(self.died_of[self.model_of[effect.call_id], content]) >= 2
        elif isinstance(effect, InputBanned):
            assert len(set(effect.processes)) == 2, "one process cannot die twice"
        elif isinstance(effect, StandingChanged):
            self.standing[effect.worker_id] = effect.standing
        elif isinstance(effect, WakeAt):
            self.wake_s = effect.at_s

    # --- what always holds ------------------------------------------------------------

    @invariant()
    def nothing_is_sent_to_a_worker_that_may_get_nothing(self) -> None:
        if not self.log:
            return
        _, _, effects = self.log[-1]
        shut = {w for w, standing in self.standing.items() if standing in SHUT}
        # Restored and shut again within one event is not possible: the last word counts.
        assert not {e.worker_id for e in effects if isinstance(e, Send)} & shut

    @invariant()
    def every_open_call_is_held_or_with_a_worker(self) -> None:
        state = self.machine._state
        assert set(state.calls) == set(self.open)
        for call in state.calls.values():
            assert call.held != (call.first is not None)
        assert self.machine.held + self.machine.in_flight == len(self.open)

    @invariant()
    def counts_agree_with_what_they_count(self) -> None:
        state = self.machine._state
        held = [call for call in state.calls.values() if call.held]
        assert state.hold.count == len(held) <= self.policy.hold.hold_calls_max
        assert state.hold.bytes == sum(call.bytes for call in held) <= 1800
        assert {call.view.key for call in held} == set(state.hold.views)
        for worker in state.fleet.registry.workers.values():
            for call_id, entry in worker.calls.items():
                assert entry in {state.calls[call_id].first, state.calls[call_id].second}
                assert entry.worker is worker
            for entry in worker.entries:
                with_it = sum(each is entry for each in worker.calls.values())
                assert entry.in_flight == with_it
        with_workers = sum(len(w.calls) for w in state.fleet.workers.values())
        assert with_workers == sum(
            (call.first is not None) + (call.second is not None) for call in state.calls.values()
        )

    @invariant()
    def no_bar_stands_before_an_idle_worker(self) -> None:
        find = self.machine._state.fleet.registry.find
        for (name, version), until_s in self.bars.items():
            view = find(name, version)
            assert until_s <= self.now_s or view is None or view.idle() is None

    @invariant()
    def trials_are_what_is_on_trial(self) -> None:
        state = self.machine._state
        on_trial = [call for call in state.calls.values() if call.on_trial]
        for worker in state.fleet.registry.workers.values():
            doubted = [call for call_id in worker.calls if (call := state.calls[call_id]).on_trial]
            assert state.attempts.trials.at(worker) == len(doubted)
            there = {call.content for call in doubted}
            assert worker.lanes == 1 or len(there) <= 1, "two suspects side by side"
        found = {call.content for call in on_trial if call.content is not None}
        trials = state.attempts.trials.by_content
        assert set(trials) == found
        for content, trial in trials.items():
            equal = [call for call in on_trial if call.content == content]
            assert trial.calls == len(equal)
            assert {id(c.first and c.first.worker) for c in equal} == {id(trial.worker)}

    @invariant()
    def the_next_wake_covers_what_is_due_next(self) -> None:
        next_s = self.machine._state.timers.next_s()
        assert next_s is None or self.wake_s <= max(next_s, self.now_s)

    def teardown(self) -> None:
        """Everything ends; nothing is left; and the same events give the same effects."""
        for worker_id in WORKERS:
            self.send(WorkerLost(worker_id))
        self.pass_time(5.0)
        for call_id in sorted(self.open):
            del self.open[call_id]
            self.send(CallAbandoned(call_id))
        state = self.machine._state
        assert (state.hold.count, state.hold.bytes, self.machine.in_flight) == (0, 0, 0)
        assert not state.calls
        assert not state.attempts.trials
        assert not state.hold.views
        assert not state.fleet.registry.workers
        assert not state.fleet.registry.views
        self.pass_time(5.0)
        assert state.timers.next_s() is None or not state.fleet.window_open
        again = RouterMachine(self.policy, rng=Random(7))
        for at_s, event, effects in self.log:
            assert again.on(event, now_s=at_s) == effects


TestRouter = Router.TestCase
TestRouter.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
