"""A store whose primary is found by Sentinels, and found again when it dies."""

from collections.abc import Awaitable, Callable, Iterator

import pytest

from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.addresses import ServersUrl
from hasten_runtime.redis_store.client import bounded, open_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.election import RedisElection
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import Claiming, Outcome, State
from tests.contract.task_queues import LANE, UNLIMITED, new_task, settled
from tests.support.sentinels import Watched, watched_servers
from tests.support.waiting import eventually

TASKS = 40


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watched_servers() as servers:
        yield servers


async def carried_out(act: Callable[[], Awaitable[object]]) -> object:
    """What comes of an act that is repeated until the store answers; None is an answer too."""

    async def tried() -> list[object]:
        try:
            return [await act()]
        except StoreUnavailable:
            return []

    return (await eventually(tried, what="the store answers"))[0]


@pytest.mark.integration
@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_what_was_acknowledged_outlives_its_primary(
    watched: Watched, how: str, no_leaked_tasks: None
) -> None:
    del no_leaked_tasks
    durable = RedisTaskQueue(watched.url, durability=Durability.DURABLE, replicas=1)
    election = RedisElection(watched.url)
    first = await carried_out(lambda: election.campaign("q:0", "one", lease_s=60.0))
    assert isinstance(first, Term)
    tasks = [new_task(number) for number in range(TASKS)]
    outcomes = await carried_out(lambda: durable.enqueue(tasks, UNLIMITED))
    assert outcomes in ([Outcome.ACCEPTED] * TASKS, [Outcome.SAME] * TASKS)
    if how == "killed":
        watched.first.kill()
    else:
        watched.first.pause()
    queue = RedisTaskQueue(watched.url)
    # The new primary knows no script, who owned the shard, and all tasks.
    claims = [claim_of(number, first) for number in range(TASKS)]
    await carried_out(lambda: queue.enqueue([new_task(TASKS)], UNLIMITED))
    assert watched.second.command("ROLE").startswith("*"), "it answers"
    held = await carried_out(lambda: election.holder("q:0"))
    assert isinstance(held, Term)
    assert (held.owner, held.epoch) == (first.owner, first.epoch)
    records = await carried_out(lambda: queue.claim(first, claims))
    assert isinstance(records, list)
    assert None not in records
    done = [settled(n, claims[n].attempt_id, State.DONE) for n in range(TASKS)]
    assert await carried_out(lambda: queue.settle(first, done)) == [True] * TASKS
    if how == "stopped":
        # It still believes to be the primary: nobody goes there any more.
        watched.first.resume()
        assert await carried_out(lambda: queue.settle(first, done)) == [True] * TASKS
    for each in (durable, queue, election):
        await each.close()


def claim_of(number: int, term: Term) -> Claiming:
    return Claiming(f"{term.epoch}.{term.owner}.{number}", LANE, f"acme/{number}")


@pytest.mark.integration
async def test_a_sentinel_that_does_not_answer_is_asked_last(
    watched: Watched, no_leaked_tasks: None
) -> None:
    del no_leaked_tasks
    watched.sentinels[0].pause()
    watched.sentinels[1].kill()
    redis = open_redis(watched.url)

    async def asked() -> bool:
        async with bounded():
            return bool(await redis.ping())

    assert await carried_out(asked)
    await redis.aclose()
    watched.sentinels[0].resume()


async def test_sentinels_that_know_no_primary_are_a_store_that_is_away() -> None:
    redis = open_redis("redis+sentinel://127.0.0.1:1,127.0.0.1:2/tasks")
    with pytest.raises(StoreUnavailable, match="none of 2 Sentinels knows a primary 'tasks'"):
        async with bounded():
            await redis.ping()
    await redis.aclose()


def test_a_url_says_where_the_sentinels_are() -> None:
    said = ServersUrl.parse(
        "redis+sentinel://me:p%40ss@one:1,[::1]:2,two/tasks/3?sentinel_password=s"
    )
    assert said.hosts == (("one", 1), ("::1", 2), ("two", 26379))
    assert (said.service, said.database) == ("tasks", 3)
    assert (said.username, said.password, said.sentinel_password) == ("me", "p@ss", "s")


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:1",
        "redis+sentinel:///tasks",
        "redis+sentinel://one:x/tasks",
        "redis+sentinel://one:1/tasks/first",
        "redis+sentinel://:1/tasks",
        "redis+cluster://",
        "redis+cluster://one:1/tasks",
    ],
)
def test_a_url_that_says_less_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|not of the form"):
        open_redis(url)
