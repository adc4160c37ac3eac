"""A batch under owners that come and go: every chunk is stored once, and it ends once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hasten_policy.scheduler.jobs.batches.machine import (
    BatchEffect,
    BatchEnd,
    BatchEvent,
    BatchMachine,
    CannotGoOn,
    ChunkStored,
    End,
    OpenChunk,
    Order,
    Ordered,
    Progress,
    Save,
    StopChunk,
    TimeOver,
)


class OwnersOfABatch(RuleBasedStateMachine):
    """The store keeps results of chunks and the progress; owners die between any two steps."""

    @initialize(
        sizes=st.lists(st.integers(1, 40), max_size=12),
        window=st.integers(1, 100),
    )
    def begin(self, sizes: list[int], window: int) -> None:
        self.sizes = sizes
        self.window = window
        self.kept = Progress()
        self.files: set[int] = set()
        self.begun: set[int] = set()
        self.order = Order.RUN
        self.ended: BatchEnd | None = None
        self.asked_to_end: set[BatchEnd] = set()
        self.owner()

    @precondition(lambda self: self.ended is None)
    @rule()
    def owner(self) -> None:
        kept = self.kept
        progress = Progress(kept.next, set(kept.stored), kept.succeeded, kept.failed)
        self.machine = BatchMachine(self.sizes, progress, window=self.window)
        self.open: dict[int, bool] = {}
        self.tell(Ordered(self.order))

    @precondition(lambda self: self.ended is None)
    @rule(order=st.sampled_from(Order))
    def order_something(self, order: Order) -> None:
        if self.order is Order.CANCEL:
            return
        self.order = order
        if order is Order.CANCEL:
            self.asked_to_end.add(BatchEnd.CANCELLED)
        self.tell(Ordered(order))

    @precondition(lambda self: self.ended is None and self.open)
    @rule(data=st.data(), dies=st.booleans())
    def store(self, data: st.DataObject, dies: bool) -> None:
        chunk = data.draw(st.sampled_from(sorted(self.open)))
        self.files.add(chunk)
        if dies:
            self.owner()
            return
        del self.open[chunk]
        self.tell(ChunkStored(chunk, self.sizes[chunk] - 1, 1))

    @precondition(lambda self: self.ended is None)
    @rule()
    def time_is_over(self) -> None:
        self.asked_to_end.add(BatchEnd.EXPIRED)
        self.tell(TimeOver())

    @precondition(lambda self: self.ended is None)
    @rule()
    def cannot_go_on(self) -> None:
        self.asked_to_end.add(BatchEnd.FAILED)
        self.tell(CannotGoOn())
        assert self.ended is BatchEnd.FAILED

    @precondition(lambda self: self.ended is not None)
    @rule(event=st.sampled_from([TimeOver(), CannotGoOn(), Ordered(Order.RUN)]))
    def nothing_follows(self, event: BatchEvent) -> None:
        assert self.machine.on(event) == []

    def tell(self, event: BatchEvent) -> None:
        effects: list[BatchEffect] = self.machine.on(event)
        for effect in effects:
            assert self.ended is None
            if isinstance(effect, OpenChunk):
                assert effect.chunk not in self.open
                assert effect.stopped or self.order is Order.RUN
                self.open[effect.chunk] = effect.stopped
                if not effect.stopped:
                    self.begun.add(effect.chunk)
            elif isinstance(effect, StopChunk):
                self.open[effect.chunk] = True
            else:
                assert isinstance(effect, Save | End)
                progress = self.machine.progress
                self.kept = Progress(
                    progress.next, set(progress.stored), progress.succeeded, progress.failed
                )
                if isinstance(effect, End):
                    self.ended = effect.how

    @invariant()
    def the_window_bounds_what_is_open(self) -> None:
        lines = sum(self.sizes[chunk] for chunk in self.open)
        assert lines <= self.window or len(self.open) == 1

    @invariant()
    def what_is_counted_is_stored(self) -> None:
        stored = set(range(self.kept.next)) | self.kept.stored
        assert stored <= self.files
        assert self.kept.succeeded + self.kept.failed == sum(self.sizes[one] for one in stored)

    @invariant()
    def it_ends_for_a_reason_and_leaves_nothing_behind(self) -> None:
        if self.ended is None:
            return
        if self.ended is BatchEnd.DONE:
            assert self.kept.next == len(self.sizes)
            assert not self.kept.stored
        else:
            assert self.ended in self.asked_to_end
        if self.ended is not BatchEnd.FAILED:
            # What was begun under any owner has its results.
            assert self.begun <= set(range(self.kept.next)) | self.kept.stored

    @precondition(lambda self: self.ended is None and not self.open)
    @invariant()
    def it_stands_still_only_when_it_is_paused(self) -> None:
        assert self.order is Order.PAUSE


TestOwnersOfABatch = OwnersOfABatch.TestCase
TestOwnersOfABatch.settings = settings(max_examples=40, stateful_step_count=30)
