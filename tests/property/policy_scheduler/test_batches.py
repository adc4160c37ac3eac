"""A batch under machines that come and go: every line has one line of results, and it ends once."""

from collections.abc import Iterator
from copy import deepcopy

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.batches.machine import (
    BatchEnd,
    BatchFacts,
    BatchMachine,
    CannotGoOn,
    ChunkRead,
    ChunkStored,
    EndTold,
    Progress,
    ReadChunk,
    StoreChunk,
    TellEnd,
    place_of,
)
from hasten_policy.scheduler.jobs.events import (
    Ask,
    CancelTasks,
    JobEffect,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TimerCame,
    Told,
    WakeAt,
    Wanted,
    Write,
)

ENDS_S = 100.0


class MachinesOfABatch(RuleBasedStateMachine):
    """The store has the tasks, the results of chunks and the progress. Owners die between any two
    effects; writes are carried out late, as the driver of jobs has it.
    """

    @initialize(
        sizes=st.lists(st.integers(1, 4), max_size=10),
        window=st.integers(1, 9),
        broken=st.none() | st.integers(0, 9),
    )
    def begin(self, sizes: list[int], window: int, broken: int | None) -> None:
        self.facts = BatchFacts(sizes, window, ENDS_S, 3)
        self.broken = broken
        self.kept = Progress()
        self.tasks: dict[str, str] = {}
        self.files: dict[int, tuple[int, int]] = {}
        self.wanted = Wanted.ACTIVE
        self.now_s = 0.0
        self.told: list[BatchEnd] = []
        self.begin_machine()

    @property
    def over(self) -> bool:
        return self.kept.end is not None

    @precondition(lambda self: not self.over)
    @rule()
    def begin_machine(self) -> None:
        """A new owner, or the same one after somebody changed the job."""
        self.machine = BatchMachine(self.facts, deepcopy(self.kept))
        self.followed: set[str] = set()
        self.asides: list[object] = []
        self.tell([Started(self.wanted)])

    @precondition(lambda self: not self.over)
    @rule(wanted=st.sampled_from(Wanted))
    def want(self, wanted: Wanted) -> None:
        if self.wanted is not Wanted.CANCELLED:
            self.wanted = wanted
            self.begin_machine()

    @precondition(lambda self: not self.over and self.followed)
    @rule(data=st.data(), dies_at=st.none() | st.integers(0, 4))
    def a_task_ends(self, data: st.DataObject, dies_at: int | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.followed)))
        self.tasks[key] = data.draw(st.sampled_from(["done", "failed"]))
        self.followed.remove(key)
        self.tell([TaskEnded(key)], dies_at)

    @precondition(lambda self: not self.over and self.asides)
    @rule(data=st.data(), dies_at=st.none() | st.integers(-1, 4))
    def an_aside_is_done(self, data: st.DataObject, dies_at: int | None) -> None:
        what = self.asides.pop(data.draw(st.integers(0, len(self.asides) - 1)))
        event = Told(what, self.answer(what))
        if dies_at == -1:
            self.begin_machine()
        else:
            self.tell([event], dies_at)

    @precondition(lambda self: not self.over)
    @rule()
    def its_time_is_over(self) -> None:
        self.now_s = ENDS_S
        self.tell([TimerCame()])

    @precondition(lambda self: self.over)
    @rule()
    def nothing_follows(self) -> None:
        assert self.told

    def tell(self, events: list[JobEvent], dies_at: int | None = None) -> None:
        """As `LiveJob.on`."""
        lives = iter(range(1_000_000 if dies_at is None else dies_at))
        try:
            while events:
                answer = [
                    effect
                    for event in events
                    for effect in self.machine.on(event, now_s=self.now_s)
                ]
                events = self.carry_out_all(answer, lives)
        except StopIteration:
            self.begin_machine()

    def carry_out_all(self, answer: list[JobEffect], lives: Iterator[int]) -> list[JobEvent]:
        more: list[JobEvent] = []
        unwritten = False
        for effect in answer:
            if isinstance(effect, Write):
                unwritten = True
                continue
            if isinstance(effect, SubmitTasks | CancelTasks) and unwritten:
                self.kept = deepcopy(self.machine.progress)
                unwritten = False
            next(lives)
            more += self.carry_out(effect)
        if unwritten:
            self.kept = deepcopy(self.machine.progress)
        return [] if self.over else more

    def carry_out(self, effect: JobEffect) -> list[JobEvent]:
        if isinstance(effect, Ask):
            assert effect.slow
            self.asides.append(effect.what)
            return []
        if isinstance(effect, SubmitTasks):
            return self.submit([wish.key for wish in effect.tasks])
        if isinstance(effect, CancelTasks):
            ended = [key for key in effect.tasks if self.tasks.get(key) == "pending"]
            self.tasks.update(dict.fromkeys(ended, "cancelled"))
            self.followed -= set(ended)
            return [TaskEnded(key) for key in ended]
        assert isinstance(effect, WakeAt)
        assert effect.at_s == ENDS_S
        return []

    def answer(self, what: object) -> object:
        if isinstance(what, ReadChunk):
            return self.read(what.chunk)
        if isinstance(what, StoreChunk):
            return self.store(what.chunk)
        assert isinstance(what, TellEnd)
        self.told.append(what.how)
        return EndTold()

    def read(self, chunk: int) -> object:
        if chunk == self.broken:
            return CannotGoOn(chunk, Refusal(Reason.PAYLOAD_LOST, "gone"))
        if chunk in self.files:
            return ChunkStored(chunk, *self.files[chunk])
        return ChunkRead(chunk)

    def submit(self, keys: list[str]) -> list[JobEvent]:
        ended: list[JobEvent] = []
        for key in keys:
            assert key not in self.followed
            if self.tasks.setdefault(key, "pending") == "pending":
                self.followed.add(key)
            else:
                ended.append(TaskEnded(key))
        return ended

    def store(self, chunk: int) -> ChunkStored:
        states = [state for key, state in self.tasks.items() if place_of(key)[0] == chunk]
        assert len(states) == self.facts.sizes[chunk]
        assert "pending" not in states
        if chunk not in self.files:
            done = states.count("done")
            self.files[chunk] = (done, len(states) - done)
        # The results are safe: the tasks are not needed any more.
        self.tasks = {key: each for key, each in self.tasks.items() if place_of(key)[0] != chunk}
        return ChunkStored(chunk, *self.files[chunk])

    @invariant()
    def the_window_bounds_what_is_submitted(self) -> None:
        chunks = {place_of(key)[0] for key in self.followed}
        lines = sum(self.facts.sizes[chunk] for chunk in chunks)
        assert lines <= self.facts.window or len(chunks) == 1

    @invariant()
    def what_is_counted_is_stored(self) -> None:
        stored = set(range(self.kept.next)) | self.kept.stored
        assert stored <= self.files.keys()
        assert self.kept.succeeded == sum(self.files[chunk][0] for chunk in stored)
        assert self.kept.failed == sum(self.files[chunk][1] for chunk in stored)

    @invariant()
    def it_ends_for_a_reason_and_nothing_that_was_begun_is_lost(self) -> None:
        if not self.over:
            return
        end = self.kept.end
        assert self.told[-1] is end
        if end is BatchEnd.DONE:
            assert self.kept.next == len(self.facts.sizes)
        elif end is BatchEnd.CANCELLED:
            assert self.wanted is Wanted.CANCELLED
        elif end is BatchEnd.EXPIRED:
            assert self.now_s >= ENDS_S
        else:
            assert self.kept.failure is not None
        begun = set(range(self.kept.begun)) - {self.broken}
        assert begun <= set(range(self.kept.next)) | self.kept.stored
        assert self.followed == set()

    @precondition(lambda self: not (self.over or self.followed or self.asides))
    @invariant()
    def it_stands_still_only_when_it_is_paused(self) -> None:
        assert self.wanted is Wanted.PAUSED


TestMachinesOfABatch = MachinesOfABatch.TestCase
TestMachinesOfABatch.settings = settings(max_examples=60, stateful_step_count=30)
