"""Schedulers that stop, go on, come and leave, over a store that fails: never two owners at once,
and soon one of each shard when all is well.
"""

import asyncio
import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from hasten_policy.scheduler.spread import spread
from tests.support.schedulers import Scheduler, Wire, World
from tests.support.stalling import StallingLoop
from tests.support.virtual_time import elapse
from tests.support.waiting import eventually

SHARDS = 3
STARTS_MAX = 8
WITHIN_S = 4.0
"""After the store and one scheduler are well, every shard has an owner."""


@dataclass(frozen=True)
class Step:
    """Something happens, and then some time passes."""

    what: str
    who: int
    then_s: float


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            [
                *["stop", "go on"] * 4,
                *["start", "leave"] * 2,
                *["store away", "store hangs", "store well"],
                *["peers away", "peers well", "replies are lost", "no reply is lost"],
                *["slow", "quick"],
            ]
        ),
        st.integers(0, 9),
        st.one_of(st.floats(0.0, 0.5), st.floats(0.0, 4.0)),
    ),
    min_size=1,
    max_size=30,
)


def carry_out(world: World, running: list[Scheduler], step: Step, number: int) -> None:
    here = [scheduler for scheduler in running if not scheduler.closed]
    who = here[step.who % len(here)] if here else None
    wire = world.wire
    match step.what:
        case "stop" if who is not None:
            world.stop(who.name)
        case "go on" if who is not None:
            world.go_on(who.name)
        case "start" if len(running) < STARTS_MAX:
            running.append(Scheduler(world, f"s-{number}"))
        case "leave" if who is not None and not world.loop.is_stopped(who.name):
            who.close()
        case "store away" | "store well":
            world.set_available(step.what == "store well")
            wire.hangs = False
        case "store hangs":
            wire.hangs = True
        case "peers away" | "peers well":
            world.board.available = step.what == "peers well"
        case "replies are lost" | "no reply is lost":
            wire.loss = 0.3 if step.what == "replies are lost" else 0.0
        case "slow" | "quick":
            wire.delay_s = 0.4 if step.what == "slow" else 0.005
        case _:
            pass


async def story(world: World, plan: list[Step], *, all_go_on: bool) -> None:
    running = [Scheduler(world, f"first-{number}") for number in range(2)]
    await elapse(1.0)
    for number, step in enumerate(plan):
        carry_out(world, running, step, number)
        await elapse(step.then_s)
    # All is well from now on, but for those who never go on if they are not all to.
    world.set_available(True)
    world.wire.loss, world.wire.hangs, world.wire.delay_s = 0.0, False, 0.005
    running.append(Scheduler(world, "last"))
    if all_go_on:
        for scheduler in running:
            world.go_on(scheduler.name)
    well = {s.name for s in running if not s.closed and not world.loop.is_stopped(s.name)}

    def every_shard_has_its_owner() -> bool:
        owners = [world.owner(shard) for shard in range(SHARDS)]
        assert owners == spread(SHARDS, well)
        return True

    await eventually(every_shard_has_its_owner, WITHIN_S)
    for scheduler in running:
        world.go_on(scheduler.name)
    await asyncio.gather(*(s.close() for s in running if not s.closed))
    await elapse(10.0)
    assert all(scheduler.held == {} for scheduler in running)
    assert [await world.election.holder(f"q:{shard}") for shard in range(SHARDS)] == [None] * SHARDS


@settings(max_examples=40)
@given(steps, st.booleans(), st.integers(0, 2**32))
def test_never_two_owners_and_soon_one(plan: list[Step], all_go_on: bool, seed: int) -> None:
    with asyncio.Runner(loop_factory=StallingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, StallingLoop)
        world = World(Wire(random.Random(seed)), loop, SHARDS)
        runner.run(story(world, plan, all_go_on=all_go_on))
        assert world.faults == []
        assert world.acts > 0
