"""Who owns which shard, and from when to when: several make-believe processes in virtual time."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator

import pytest

from hasten_policy.scheduler.spread import spread
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.shard_tenure import TenureTimes
from tests.support.schedulers import Scheduler, Wire, World
from tests.support.stalling import StallingLoop
from tests.support.virtual_time import elapse
from tests.support.waiting import eventually

SHARDS = 8
TIMES = TenureTimes()

Story = Callable[[World], Coroutine[None, None, None]]


@pytest.fixture
def run() -> Iterator[Callable[[Story], None]]:
    with asyncio.Runner(loop_factory=StallingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, StallingLoop)

        def play(story: Story) -> None:
            world = World(Wire(random.Random(7)), loop, SHARDS)
            runner.run(story(world))
            assert world.faults == []

        yield play


def owners(world: World) -> list[str]:
    return [world.owner(shard) for shard in range(SHARDS)]


async def shared(world: World, *names: str, within_s: float) -> None:
    """Each shard has its right owner among these."""
    right = spread(SHARDS, names)

    def is_shared() -> bool:
        assert owners(world) == right
        return True

    await eventually(is_shared, within_s)


async def closed(*schedulers: Scheduler) -> None:
    await asyncio.gather(*(scheduler.close() for scheduler in schedulers))
    assert all(scheduler.held == {} for scheduler in schedulers)


def test_one_alone_takes_all_at_once_and_keeps_it(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a = Scheduler(world, "a")
        await shared(world, "a", within_s=0.1)
        await elapse(120.0)
        assert all(len(epochs) == 1 for epochs in world.epochs.values())
        assert world.acts > 5000
        await closed(a)
        assert await world.election.holder("q:0") is None
        assert world.board.names() == set()

    run(story)


def test_who_comes_gets_his_share_and_nothing_else_moves(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a = Scheduler(world, "a")
        await shared(world, "a", within_s=0.1)
        b = Scheduler(world, "b")
        await shared(world, "a", "b", within_s=0.3)
        c = Scheduler(world, "c")
        await shared(world, "a", "b", "c", within_s=0.3)
        await elapse(60.0)
        moves = [
            len(
                {
                    owner[shard]
                    for owner in (spread(SHARDS, "a"), spread(SHARDS, "ab"), spread(SHARDS, "abc"))
                }
            )
            for shard in range(SHARDS)
        ]
        assert [len(world.epochs[shard]) for shard in range(SHARDS)] == moves
        await closed(a, b, c)

    run(story)


def test_who_drains_hands_all_over_within_a_third_of_a_second(
    run: Callable[[Story], None],
) -> None:
    async def story(world: World) -> None:
        a, b, c = (Scheduler(world, name) for name in "abc")
        await elapse(5.0)
        leaving = b.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # It stops before the store has heard of it.
        assert b.held == {}
        await shared(world, "a", "c", within_s=0.3)
        await leaving
        await closed(a, c)

    run(story)


@pytest.mark.parametrize("goes_on_s", [3.2, 5.0, 60.0])
def test_who_stands_still_is_replaced_and_notices_before_he_acts(
    run: Callable[[Story], None], goes_on_s: float
) -> None:
    async def story(world: World) -> None:
        a, b = (Scheduler(world, name) for name in "ab")
        await elapse(5.3)
        held = dict(b.held)
        assert held
        world.stop("b")
        await elapse(goes_on_s)
        world.go_on("b")
        # The first that anybody in the process hears of a shard, whoever asks first.
        assert all(b.tenure.term(shard) is None for shard in held)
        assert b.held == {}
        await shared(world, "a", "b", within_s=4.0)
        await closed(a, b)

    run(story)


def test_who_died_is_replaced_within_four_seconds(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a, b = (Scheduler(world, name) for name in "ab")
        for _ in range(20):
            await elapse(5.0 + world.wire.chance.random())
            await shared(world, "a", "b", within_s=0.1)
            world.stop("b")
            await shared(world, "a", within_s=4.0)
            world.go_on("b")
        await elapse(5.0)
        await closed(a, b)

    run(story)


def test_a_store_that_is_away_for_a_moment_costs_nothing(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a, b = (Scheduler(world, name) for name in "ab")
        await shared(world, "a", "b", within_s=0.5)
        await elapse(5.0)
        before = {shard: list(epochs) for shard, epochs in world.epochs.items()}
        for away_s in (0.5, 1.0, 1.4):
            world.set_available(False)
            await elapse(away_s)
            world.set_available(True)
            await elapse(2.0)
        assert world.epochs == before
        await closed(a, b)

    run(story)


@pytest.mark.parametrize("hangs", [False, True])
def test_who_cannot_renew_stops_before_his_lease_ends(
    run: Callable[[Story], None],
    hangs: bool,
) -> None:
    async def story(world: World) -> None:
        a = Scheduler(world, "a")
        await elapse(5.0)
        world.wire.hangs = hangs
        world.set_available(hangs)
        went_s = world.clock.now_s()
        while a.held:
            for shard in a.held:
                assert world.election.held[f"q:{shard}"].ends_s > world.clock.now_s()
            await elapse(0.01)
        assert 1.5 < world.clock.now_s() - went_s < TIMES.lease_s
        await elapse(60.0)
        assert a.held == {}
        world.wire.hangs = False
        world.set_available(True)
        await shared(world, "a", within_s=4.0)
        await closed(a)

    run(story)


def test_a_term_that_ended_here_is_never_begun_again_with_the_same_epoch(
    run: Callable[[Story], None],
) -> None:
    """Its time is over here a moment before the store's lease is: it must not come back."""

    async def story(world: World) -> None:
        a = Scheduler(world, "a")
        await elapse(5.0)
        epochs = {shard: list(known) for shard, known in world.epochs.items()}
        world.set_available(False)
        await eventually(lambda: not a.held)
        # The leases last for another margin.
        world.set_available(True)
        assert await world.election.holder("q:0") is not None
        await shared(world, "a", within_s=1.0)
        for shard, known in world.epochs.items():
            assert known[-1] > epochs[shard][-1]
        await closed(a)

    run(story)


def test_peers_that_cannot_be_read_are_taken_to_live(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a, b = (Scheduler(world, name) for name in "ab")
        await shared(world, "a", "b", within_s=0.5)
        await elapse(2.0)
        before = owners(world)
        world.board.available = False
        await elapse(60.0)
        assert owners(world) == before
        assert all(len(epochs) <= 2 for epochs in world.epochs.values())
        world.board.available = True
        await elapse(5.0)
        assert owners(world) == before
        await closed(a, b)

    run(story)


def test_one_that_leaves_while_the_store_is_away_leaves_in_seconds(
    run: Callable[[Story], None],
) -> None:
    async def story(world: World) -> None:
        a, b = (Scheduler(world, name) for name in "ab")
        await elapse(5.0)
        world.wire.hangs = True
        began_s = world.clock.now_s()
        await closed(b)
        assert world.clock.now_s() - began_s < 5.0
        world.wire.hangs = False
        await shared(world, "a", within_s=4.0)
        await closed(a)

    run(story)


def test_an_answer_that_comes_after_the_lease_has_ended_is_not_believed(
    run: Callable[[Story], None],
) -> None:
    async def story(world: World) -> None:
        world.wire.delay_s = 0.2
        a = Scheduler(world, "a")
        await eventually(lambda: len(world.election.held) == SHARDS, what="the store has said yes")
        # The answers are on their way; they lie there while the process stands still.
        world.stop("a")
        await elapse(60.0)
        world.go_on("a")
        await shared(world, "a", within_s=4.0)
        await closed(a)

    run(story)


def test_a_lease_counts_from_when_it_was_asked_for(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a = Scheduler(world, "a")
        for _ in range(10):
            await shared(world, "a", within_s=10.0)
            # The way back is long, and then nothing comes back at all.
            world.wire.delay_s = 0.9
            await elapse(2.0 + world.wire.chance.random())
            world.wire.hangs = True
            await eventually(lambda: not a.held)
            world.wire.hangs = False
            world.wire.delay_s = 0.005
        await closed(a)

    run(story)


def test_a_listener_that_fails_loses_no_shard_for_ever(run: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        a = Scheduler(world, "a")
        failed: list[int] = []
        taken = a.taken

        def fails_at_first(shard: int, term: Term) -> None:
            if shard in failed:
                taken(shard, term)
            else:
                failed.append(shard)
                raise RuntimeError("a fault of ours")

        a.taken = fails_at_first  # type: ignore[method-assign]
        await shared(world, "a", within_s=4.0)
        assert len(failed) == SHARDS
        await closed(a)

    run(story)


def test_times_that_cannot_work_are_refused() -> None:
    with pytest.raises(ValueError, match="renewed"):
        TenureTimes(lease_s=1.0, renew_s=0.8)
    with pytest.raises(ValueError, match="renewed"):
        TenureTimes(renew_s=0.0)
