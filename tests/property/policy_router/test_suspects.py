"""Workers die of inputs, or are killed: who is blamed, who is tried again, who never more."""

from collections import Counter
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from hasten_policy.content import Asked, Content
from hasten_policy.fleet.events import WorkerLost
from hasten_policy.reasons import Reason
from hasten_policy.router.events import Deliver, InputBanned, Refuse, Revoke, RouterEffect, Send
from tests.unit.policy_router.harness import Router

BATCH_MAX = 4
POISONS = (Content(7, "poison"), Content(8, "poison too"))
GOOD = tuple(Content(size, f"good {size}") for size in (7, 8, 9))


class Plant:
    """A router and workers that run batches, die of poison, and are started again."""

    def __init__(self, rng: Random, workers: int, lanes: int) -> None:
        self.rng = rng
        self.lanes = lanes
        self.router = Router(poison_inputs_max=16)
        self.starts = 0
        self.up: dict[str, str] = {}
        self.waiting: dict[str, list[Send]] = {}
        self.running: dict[str, list[list[Send]]] = {}
        self.content: dict[int, Content] = {}
        self.died_of: dict[Content, set[str]] = {}
        self.ran_deaths: Counter[int] = Counter()
        self.answered: set[int] = set()
        self.refused: dict[int, Reason] = {}
        self.banned: list[InputBanned] = []
        for number in range(workers):
            self.start(f"w{number}")

    def start(self, name: str) -> None:
        self.starts += 1
        self.up[name] = str(self.starts)
        self.waiting[name], self.running[name] = [], []
        self.take(self.router.join(name, lanes=self.lanes, incarnation=self.up[name]))

    def arrive(self, content: Content) -> None:
        call_id = len(self.content) + 1
        self.content[call_id] = content
        looked = content.size_bytes in self.router.machine.suspect_sizes("m")
        self.take(self.router.call(call_id, content=content if looked else None))

    def begin(self, name: str) -> None:
        """The worker fills a free lane."""
        waiting = self.waiting[name]
        if waiting and len(self.running[name]) < self.lanes:
            first = waiting[0]
            together = [first] if first.alone else [s for s in waiting if not s.alone][:BATCH_MAX]
            self.waiting[name] = [send for send in waiting if send not in together]
            self.running[name].append(together)

    def end(self, name: str) -> None:
        """A batch ends, or ends the worker."""
        if not self.running[name]:
            return
        batch = self.rng.choice(self.running[name])
        if any(self.content[send.call_id] in POISONS for send in batch):
            self.die(name)
            return
        self.running[name].remove(batch)
        for send in batch:
            self.take(self.router.answer(send.call_id, name))

    def die(self, name: str) -> None:
        process = self.up.pop(name)
        ran = [send.call_id for batch in self.running.pop(name) for send in batch]
        del self.waiting[name]
        for call_id in ran:
            self.ran_deaths[call_id] += 1
            self.died_of.setdefault(self.content[call_id], set()).add(process)
        contents = {self.content[call_id] for call_id in ran}
        alike = [
            call_id
            for call_id, content in self.content.items()
            if content in contents and call_id not in ran
        ]
        self.take(self.router.tell(WorkerLost(name, self.asked(ran), self.asked(alike))))

    def asked(self, call_ids: list[int]) -> tuple[Asked, ...]:
        return tuple(Asked(call_id, self.content[call_id]) for call_id in call_ids)

    def take(self, effects: list[RouterEffect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.check(effect)
                self.waiting[effect.worker_id].append(effect)
            elif isinstance(effect, Revoke):
                for batch in (self.waiting[effect.worker_id], *self.running[effect.worker_id]):
                    batch[:] = [send for send in batch if send.call_id != effect.call_id]
            elif isinstance(effect, Deliver):
                self.answered.add(effect.call_id)
            elif isinstance(effect, Refuse):
                self.refused[effect.call_id] = effect.refusal.reason
            elif isinstance(effect, InputBanned):
                self.banned.append(effect)

    def check(self, sent: Send) -> None:
        assert self.ran_deaths[sent.call_id] < 2, "tried more than once more"
        if self.ran_deaths[sent.call_id]:
            assert sent.alone

    def open_with(self, content: Content) -> bool:
        ended = self.answered | set(self.refused)
        return any(c == content for call_id, c in self.content.items() if call_id not in ended)

    def settle(self) -> None:
        """Everybody works until nothing is left."""
        for _ in range(200):
            for name in ("w0", "w1", "w2"):
                if name not in self.up:
                    self.start(name)
                self.begin(name)
                self.end(name)
            self.router.pass_time(0.01)
        assert set(self.content) == self.answered | set(self.refused)


def run(seed: int, *, lanes: int, kills: bool) -> Plant:
    """Without kills nobody sends poison while the answer to the same one is out."""
    rng = Random(seed)
    plant = Plant(rng, 3, lanes)
    for _ in range(120):
        name = rng.choice(("w0", "w1", "w2"))
        step = rng.random()
        if step < 0.35:
            content = rng.choice(POISONS if rng.random() < 0.1 else GOOD)
            if kills or content not in POISONS or not plant.open_with(content):
                plant.arrive(content)
        elif name not in plant.up:
            plant.start(name)
        elif step < 0.65:
            plant.begin(name)
        elif step < 0.96 or not kills:
            plant.end(name)
        else:
            plant.die(name)
    plant.settle()
    return plant


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_whoever_dies_of_what_nobody_is_blamed_who_did_not_run_twice(seed: int, lanes: int) -> None:
    plant = run(seed, lanes=lanes, kills=True)
    for call_id, reason in plant.refused.items():
        if reason is Reason.POISONOUS:
            assert len(plant.died_of[plant.content[call_id]]) >= 2
    for banned in plant.banned:
        assert len(set(banned.processes)) == 2


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_where_runs_do_not_overlap_poison_hurts_only_itself(seed: int) -> None:
    plant = run(seed, lanes=1, kills=False)
    innocent = [call_id for call_id, content in plant.content.items() if content not in POISONS]
    reasons = {plant.refused[call_id] for call_id in innocent if call_id in plant.refused}
    assert reasons <= {Reason.WORKER_LOST, Reason.NO_WORKER}
    poisonous = [call_id for call_id in plant.content if call_id not in innocent]
    assert not plant.answered & set(poisonous)
    for poison in POISONS:
        assert len(plant.died_of.get(poison, ())) <= 2, "a third worker got it"


def test_the_runs_above_do_meet_poison_that_is_refused() -> None:
    plants = [run(seed, lanes=2, kills=True) for seed in range(20)]
    met = Counter(reason for plant in plants for reason in plant.refused.values())
    assert met[Reason.POISONOUS] > 20
    assert sum(len(plant.banned) for plant in plants) > 20
