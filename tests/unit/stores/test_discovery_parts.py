"""Discovery over a registry that a test controls step by step; settings; fixed lists."""

import asyncio
from collections.abc import Sequence
from typing import Self

import pytest

from hasten_runtime.clock import ManualClock
from hasten_runtime.discovery import Instance, open_discovery
from hasten_runtime.discovery.consul import ConsulRegistry
from hasten_runtime.discovery.memory import Board, MemoryRegistry
from hasten_runtime.discovery.reading import instance_of
from hasten_runtime.discovery.redis_leases import RedisRegistry
from hasten_runtime.discovery.registry import RegistryTrouble
from hasten_runtime.discovery.registry_discovery import RegistryDiscovery
from hasten_runtime.fakes import memory_discovery
from hasten_runtime.redis_store.breaker import Breaker
from hasten_runtime.settings import DiscoverySettings
from tests.support.waiting import eventually

pytestmark = [pytest.mark.virtual_time, pytest.mark.usefixtures("no_leaked_tasks")]

WORKER = Instance("worker", "w-1", "127.0.0.1:1")


class BrokenRegistry:
    """Has a bug, or eats cancellations, in its reader, which it is itself."""

    def __init__(self, bug: Exception | None = None) -> None:
        self.bug = bug
        self.eaten = 0

    async def announce(self, instance: Instance) -> str:
        del instance
        return ""

    async def withdraw(self, instance: Instance) -> None: ...

    async def close(self) -> None: ...

    def reader(self, service: str) -> Self:
        del service
        return self

    async def read(self) -> Sequence[Instance]:
        if self.bug is not None:
            raise self.bug
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.eaten > 1:
                raise
            self.eaten += 1
        return ()


async def test_a_bug_in_a_registry_reaches_the_watcher_and_does_not_hang_it() -> None:
    discovery = RegistryDiscovery(BrokenRegistry(ZeroDivisionError("bug")))
    views = discovery.watch("worker")
    with pytest.raises(RuntimeError, match="watch has failed") as raised:
        await anext(views)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    await discovery.close()


async def test_a_library_that_swallows_a_cancellation_does_not_hang_the_close() -> None:
    registry = BrokenRegistry()
    discovery = RegistryDiscovery(registry)
    waiting = asyncio.ensure_future(anext(discovery.watch("worker")))
    await eventually(lambda: len(asyncio.all_tasks()) >= 3)
    async with asyncio.timeout(60):
        await discovery.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert registry.eaten == 2


async def test_the_registry_is_told_to_withdraw_after_the_last_announcement() -> None:
    """A renewal on its way must not arrive after the withdrawal and undo it."""
    log: list[str] = []
    announcing = asyncio.Event()
    proceed = asyncio.Event()

    class SlowRegistry(MemoryRegistry):
        async def announce(self, instance: Instance) -> str:
            del instance
            log.append("announce starts")
            if len(log) > 2:
                announcing.set()
                await proceed.wait()
            log.append("announce ends")
            return ""

        async def withdraw(self, instance: Instance) -> None:
            del instance
            log.append("withdraw")

    discovery = RegistryDiscovery(SlowRegistry(Board()), renew_s=0.01)
    registration = await discovery.register(WORKER)
    await announcing.wait()
    closing = asyncio.create_task(registration.close())
    await asyncio.sleep(0)
    proceed.set()
    await closing
    assert log == ["announce starts", "announce ends"] * 2 + ["withdraw"]
    await discovery.close()


async def test_a_closed_discovery_cannot_be_watched() -> None:
    discovery = memory_discovery(Board())
    await discovery.close()
    with pytest.raises(RuntimeError, match="closed"):
        await anext(discovery.watch("worker"))


async def test_leases_on_the_board_end_by_its_clock() -> None:
    clock = ManualClock()
    board = Board(clock)
    board.put(WORKER, ttl_s=3.0)
    clock.advance(2.9)
    assert board.live("worker") == [WORKER]
    clock.advance(0.2)
    assert board.live("worker") == []


async def test_static_addresses_are_there_at_once_and_once() -> None:
    settings = DiscoverySettings(kind="static", workers=("h:2", "h:1", "h:2"))
    discovery = open_discovery(settings)
    await discovery.register(WORKER)
    views = discovery.watch("worker")
    view = await anext(views)
    assert [instance.address for instance in view.instances] == ["h:1", "h:2"]
    assert view.fresh
    await discovery.close()


async def test_a_single_process_may_use_memory() -> None:
    discovery = open_discovery(DiscoverySettings(kind="memory"))
    await discovery.register(WORKER)
    assert (await anext(discovery.watch("worker"))).instances == (WORKER,)
    await discovery.close()


def test_settings_choose_the_registry() -> None:
    def registry_of(**values: object) -> object:
        discovery = open_discovery(DiscoverySettings.model_validate(values))
        assert isinstance(discovery, RegistryDiscovery)
        return discovery._registry

    assert isinstance(registry_of(kind="consul"), ConsulRegistry)
    assert isinstance(registry_of(kind="redis", address="127.0.0.1:6379"), RedisRegistry)
    with pytest.raises(ValueError, match="address of a Redis"):
        registry_of(kind="redis")
    with pytest.raises(ValueError, match="Consul address"):
        registry_of(kind="consul", address="redis://127.0.0.1:6379")


async def test_an_unavailable_board_is_trouble() -> None:
    board = Board()
    board.available = False
    with pytest.raises(RegistryTrouble):
        board.live("worker")


def test_the_breaker_lets_one_call_in_a_pause_through_until_one_succeeds() -> None:
    clock = ManualClock()
    breaker = Breaker(clock, pause_s=1.0)
    assert breaker.allows()
    assert breaker.allows()
    breaker.failed()
    assert not breaker.allows()
    clock.advance(1.0)
    assert breaker.allows()
    assert not breaker.allows()
    breaker.succeeded()
    assert breaker.allows()
    assert breaker.allows()


async def test_closing_during_the_first_announcement_still_withdraws_it() -> None:
    proceed = asyncio.Event()

    class SlowRegistry(MemoryRegistry):
        async def announce(self, instance: Instance) -> str:
            await proceed.wait()
            return await super().announce(instance)

    board = Board()
    discovery = RegistryDiscovery(SlowRegistry(board))
    registering = asyncio.create_task(discovery.register(WORKER))
    await asyncio.sleep(0)
    await discovery.close()
    proceed.set()
    await registering
    assert board.live("worker") == []
    with pytest.raises(RuntimeError, match="closed"):
        await discovery.register(WORKER)


GOOD: dict[str, object] = {"instance_id": "w-1", "address": "10.0.0.1:8001", "meta": {"pid": "1"}}


@pytest.mark.parametrize(
    ("instance_id", "address", "meta"),
    [
        ("w-1", "10.0.0.1:8001", {}),
        ("w-1", "[fe80::1%eth0]:1", {"metrics": "h:2"}),
        ("w 1 \u00e8", "some_host.example-1.org:65535", {"pid": 12, "share": 0.5}),
    ],
)
def test_an_entry_that_makes_sense_is_an_instance(
    instance_id: object, address: object, meta: dict[str, object]
) -> None:
    instance = instance_of("worker", instance_id, address, meta)
    assert (instance.instance_id, instance.address) == (instance_id, address)
    assert dict(instance.meta) == {key: str(value) for key, value in meta.items()}


BAD_IDS = (None, 1, "", "a\nb", "\ud800", "x" * 257, "a\u200bb", ["w"])
BAD_PORTS = ("h", "h:", "h:0", "h:65536", "h:-1", "h:1.0", "h:\u0661")
BAD_HOSTS = (
    ":1",
    "a b:1",
    "a/b:1",
    "u@h:1",
    "\ud800:1",
    "a\0:1",
    "::1:1",
    "h" * 600 + ":1",
    1,
    None,
)
BAD_FACTS = (None, [], "a", {"a": "\udfff"}, {"\ud800": "a"}, {"a": None}, {"a": {}}, {1: ""})
MUCH = ({"a": "x" * 2000}, {str(number): "" for number in range(100)})


@pytest.mark.parametrize(
    ("part", "value"),
    [
        *(("instance_id", value) for value in BAD_IDS),
        *(("address", value) for value in (*BAD_PORTS, *BAD_HOSTS)),
        *(("meta", value) for value in (*BAD_FACTS, *MUCH)),
    ],
)
def test_an_entry_that_nothing_could_carry_is_none(part: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"its|a fact|surrogates"):
        instance_of("worker", **(GOOD | {part: value}))


@pytest.mark.parametrize(
    ("fact", "weight"),
    [
        ("2", 2.0),
        ("0.25", 0.25),
        ("0", 1.0),
        ("-1", 1.0),
        ("nan", 1.0),
        ("inf", 1.0),
        ("much", 1.0),
    ],
)
def test_a_weight_that_is_no_positive_number_counts_as_none(fact: str, weight: float) -> None:
    assert Instance("worker", "w", "h:1", {"weight": fact}).weight == weight
    assert WORKER.weight == 1.0
