"""What a load store promises: in memory and in a real Redis."""

from collections.abc import AsyncIterator

import pytest

from hasten.common.v1.load_pb2 import NodeState
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.load_store import CHECKPOINT_BYTES_MAX, LoadStore, Topic
from hasten_runtime.redis_store.load import RedisLoadStore
from hasten_runtime.wire import report_to_wire
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_redis", "no_leaked_tasks"),
]

LONG_S = 60.0
SHORT_S = 0.2


def report(depth: int = 3, *, models: int = 1) -> WorkerReport:
    """Times are powers of two: the wire carries them as 32-bit floats."""
    return WorkerReport(
        incarnation="i-1",
        draining=False,
        lanes=2,
        load=LoadSample(
            seq=7,
            depth=depth,
            backlog_s=0.25,
            residual_s=0.125,
            received=99,
            window=16,
            service_s=0.5,
        ),
        models=tuple(
            ModelLoad(
                name=f"model-{number}",
                version="1",
                serves_unversioned=True,
                alpha_s=0.5,
                beta_s=0.25,
                best_s=0.75,
                batch_max=8,
                service_s=0.125,
                depth=2,
                default_timeout_s=1.0,
                ready=True,
            )
            for number in range(models)
        ),
    )


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest, no_leaked_tasks: None) -> AsyncIterator[LoadStore]:
    del no_leaked_tasks  # named only to be torn down after this fixture
    store: LoadStore
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        store = RedisLoadStore(server.url)
    else:
        store = MemoryLoadStore()
    yield store
    await store.close()


async def test_reports_come_back_as_they_were(store: LoadStore) -> None:
    await store.publish(report_to_wire("w-1", "", report(depth=1)), ttl_s=LONG_S)
    await store.publish(report_to_wire("w-2", "", report(depth=2, models=3)), ttl_s=LONG_S)
    assert await store.reports() == {"w-1": report(depth=1), "w-2": report(depth=2, models=3)}


async def test_an_empty_store_has_no_reports_and_no_checkpoint(store: LoadStore) -> None:
    assert await store.reports() == {}
    assert await store.checkpoint("router") is None


async def test_a_report_replaces_the_one_before(store: LoadStore) -> None:
    await store.publish(report_to_wire("w-1", "", report(depth=1)), ttl_s=LONG_S)
    await store.publish(report_to_wire("w-1", "", report(depth=5)), ttl_s=LONG_S)
    assert await store.reports() == {"w-1": report(depth=5)}


async def test_a_withdrawn_report_is_gone_and_withdrawing_twice_does_no_harm(
    store: LoadStore,
) -> None:
    await store.publish(report_to_wire("w-1", "", report()), ttl_s=LONG_S)
    await store.publish(report_to_wire("w-2", "", report()), ttl_s=LONG_S)
    await store.withdraw("w-1")
    await store.withdraw("w-1")
    assert list(await store.reports()) == ["w-2"]


async def test_a_report_that_is_not_renewed_vanishes_and_others_stay(store: LoadStore) -> None:
    await store.publish(report_to_wire("stays", "", report()), ttl_s=LONG_S)
    await store.publish(report_to_wire("goes", "", report()), ttl_s=SHORT_S)

    async def gone() -> bool:
        return list(await store.reports()) == ["stays"]

    await eventually(gone)


async def test_a_short_lived_report_does_not_shorten_the_life_of_the_others(
    store: LoadStore,
) -> None:
    await store.publish(report_to_wire("short", "", report()), ttl_s=SHORT_S)
    await store.publish(report_to_wire("long", "", report()), ttl_s=LONG_S)
    await store.publish(report_to_wire("short", "", report()), ttl_s=SHORT_S)

    async def only_long() -> bool:
        return list(await store.reports()) == ["long"]

    await eventually(only_long)


async def test_two_hundred_workers_with_twenty_models_each(store: LoadStore) -> None:
    expected = {f"w-{number}": report(depth=number, models=20) for number in range(200)}
    for worker_id, state in expected.items():
        await store.publish(report_to_wire(worker_id, "", state), ttl_s=LONG_S)
    assert await store.reports() == expected


async def test_a_worker_may_have_any_name(store: LoadStore) -> None:
    for name in ("ü/1:*?", "{x}", " "):
        await store.publish(report_to_wire(name, "", report()), ttl_s=LONG_S)
    assert set(await store.reports()) == {"ü/1:*?", "{x}", " "}


async def test_a_checkpoint_comes_back_byte_for_byte(store: LoadStore) -> None:
    value = bytes(range(256)) * (CHECKPOINT_BYTES_MAX // 256)
    await store.save_checkpoint("router", value, ttl_s=LONG_S)
    await store.save_checkpoint("other", b"", ttl_s=LONG_S)
    assert await store.checkpoint("router") == value
    assert await store.checkpoint("other") == b""


async def test_a_checkpoint_vanishes_at_its_end(store: LoadStore) -> None:
    await store.save_checkpoint("router", b"x", ttl_s=SHORT_S)

    async def gone() -> bool:
        return await store.checkpoint("router") is None

    await eventually(gone)


async def test_a_checkpoint_over_the_bound_is_refused(store: LoadStore) -> None:
    with pytest.raises(ValueError, match="65536"):
        await store.save_checkpoint("router", bytes(CHECKPOINT_BYTES_MAX + 1), ttl_s=LONG_S)
    assert await store.checkpoint("router") is None


async def test_closing_twice_does_no_harm(store: LoadStore) -> None:
    await store.reports()
    await store.close()
    await store.close()


async def test_states_come_back_whole(store: LoadStore) -> None:
    told = report_to_wire("w-1", "host:1", report(), node=NodeState(cpu=0.5, disk_bytes=7))
    await store.publish(told, ttl_s=LONG_S)
    assert await store.states() == {"w-1": told}


async def test_what_is_told_of_a_topic_is_kept_by_teller(store: LoadStore) -> None:
    await store.tell(Topic.DEMAND, "r-1", b"\x00one", ttl_s=LONG_S)
    await store.tell(Topic.DEMAND, "r-1", b"two", ttl_s=LONG_S)
    await store.tell(Topic.DEMAND, "r-2", b"", ttl_s=LONG_S)
    await store.tell(Topic.BACKLOG, "r-1", b"other", ttl_s=LONG_S)
    assert await store.told(Topic.DEMAND) == {"r-1": b"two", "r-2": b""}
    assert await store.told(Topic.BACKLOG) == {"r-1": b"other"}
    assert await store.reports() == {}
    await store.hush(Topic.DEMAND, "r-1")
    await store.hush(Topic.DEMAND, "nobody")
    assert await store.told(Topic.DEMAND) == {"r-2": b""}


async def test_what_is_told_vanishes_at_its_end(store: LoadStore) -> None:
    await store.tell(Topic.DEMAND, "stays", b"x", ttl_s=LONG_S)
    await store.tell(Topic.DEMAND, "goes", b"x", ttl_s=SHORT_S)

    async def only_one() -> bool:
        return list(await store.told(Topic.DEMAND)) == ["stays"]

    await eventually(only_one)
