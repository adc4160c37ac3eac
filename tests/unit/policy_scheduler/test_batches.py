"""A batch, event by event."""

from hasten_policy.scheduler.jobs.batches.machine import (
    BatchEnd,
    BatchFacts,
    BatchMachine,
    ChunkRead,
    ChunkStored,
    EndTold,
    Progress,
    ReadChunk,
    StoreChunk,
    TellEnd,
)
from hasten_policy.scheduler.jobs.events import (
    Ask,
    CancelTasks,
    JobEffect,
    Started,
    SubmitTasks,
    TaskEnded,
    TimerCame,
    Told,
    WakeAt,
    Wanted,
    Write,
)

FACTS = BatchFacts((2, 1), window=2, ends_s=100.0, priority=3)


def asked(effects: list[JobEffect]) -> list[object]:
    return [effect.what for effect in effects if isinstance(effect, Ask)]


def stored(machine: BatchMachine, chunk: int, now_s: float = 1.0) -> list[JobEffect]:
    return machine.on(Told(StoreChunk(chunk), ChunkStored(chunk, 1, 0)), now_s=now_s)


def test_a_batch_from_its_first_chunk_to_its_end() -> None:
    machine = BatchMachine(FACTS, Progress())
    effects = machine.on(Started(Wanted.ACTIVE), now_s=0.0)
    assert effects == [WakeAt(100.0), Ask(ReadChunk(0), slow=True), Write()]
    (submit,) = machine.on(Told(ReadChunk(0), ChunkRead(0)), now_s=1.0)
    assert isinstance(submit, SubmitTasks)
    assert [(wish.key, wish.deadline_s) for wish in submit.tasks] == [
        ("0.0", 100.0),
        ("0.1", 100.0),
    ]
    assert machine.on(TaskEnded("0.1"), now_s=1.0) == []
    assert asked(machine.on(TaskEnded("0.0"), now_s=1.0)) == [StoreChunk(0)]
    assert machine.on(TaskEnded("0.0"), now_s=1.0) == []
    assert asked(stored(machine, 0)) == [ReadChunk(1)]
    assert asked(stored(machine, 1)) == [TellEnd(BatchEnd.DONE)]
    assert machine.on(Told(TellEnd(BatchEnd.DONE), EndTold()), now_s=1.0) == [Write("done")]


def test_a_batch_that_is_done_does_not_expire_while_its_end_is_told() -> None:
    machine = BatchMachine(FACTS, Progress(next=2, begun=2))
    assert asked(machine.on(Started(Wanted.ACTIVE), now_s=0.0)) == [TellEnd(BatchEnd.DONE)]
    assert machine.on(TimerCame(), now_s=100.0) == []
    assert machine.on(Told(TellEnd(BatchEnd.DONE), EndTold()), now_s=101.0) == [Write("done")]
    # Nor is it cancelled.
    again = BatchMachine(FACTS, Progress(next=2, begun=2))
    assert asked(again.on(Started(Wanted.CANCELLED), now_s=200.0)) == [TellEnd(BatchEnd.DONE)]


def test_at_its_end_what_is_open_is_stopped_and_stored() -> None:
    machine = BatchMachine(FACTS, Progress())
    machine.on(Started(Wanted.ACTIVE), now_s=0.0)
    machine.on(Told(ReadChunk(0), ChunkRead(0)), now_s=1.0)
    assert machine.on(TimerCame(), now_s=100.0) == [CancelTasks(("0.0", "0.1"))]
    machine.on(TaskEnded("0.0"), now_s=100.0)
    assert asked(machine.on(TaskEnded("0.1"), now_s=100.0)) == [StoreChunk(0)]
    assert asked(stored(machine, 0, 100.0)) == [TellEnd(BatchEnd.EXPIRED)]


def test_what_another_owner_began_is_found_without_a_deadline_and_ended() -> None:
    machine = BatchMachine(FACTS, Progress(begun=1))
    assert asked(machine.on(Started(Wanted.CANCELLED), now_s=0.0)) == [ReadChunk(0)]
    submit, cancel = machine.on(Told(ReadChunk(0), ChunkRead(0)), now_s=1.0)
    assert isinstance(submit, SubmitTasks)
    assert {wish.deadline_s for wish in submit.tasks} == {float("inf")}
    assert cancel == CancelTasks(("0.0", "0.1"))
