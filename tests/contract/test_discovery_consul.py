"""What Consul can say in its troubles, and what must not come of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hasten_cli.doctor.consul import ask_consul
from hasten_runtime.consul_client import ANSWER_BYTES_MAX
from hasten_runtime.discovery import consul
from hasten_runtime.discovery.consul import ConsulOptions, ConsulRegistry
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.registry import RegistryTrouble
from hasten_runtime.discovery.registry_discovery import RegistryDiscovery
from hasten_runtime.grpc_server import ServerLimits, add_health, make_server
from hasten_runtime.protocol_names import INFERENCE_SERVICE
from tests.contract.harness import SETTLE_S, Watcher
from tests.contract.scripted_consul import Script, scripted_consul
from tests.support.servers import ConsulAgent
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_registries", "no_leaked_tasks"),
]


@asynccontextmanager
async def watching(script: Script) -> AsyncIterator[Watcher]:
    """A watcher of the scripted server that has seen its first list."""
    async with scripted_consul(script) as address:
        registry = ConsulRegistry(ConsulOptions(address, wait_s=0.3))
        discovery = RegistryDiscovery(registry, settle_s=SETTLE_S)
        try:
            async with Watcher(discovery) as watcher:
                await watcher.sees(*script.ids)
                yield watcher
        finally:
            await discovery.close()


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 500, "body": "No cluster leader"},
        {"status": 403, "body": "Permission denied"},
        {"status": 429, "body": "too many connections"},
        {"ids": [], "headers": {"X-Consul-KnownLeader": "false"}},
        {"ids": [], "headers": {"X-Consul-LastContact": "60000"}},
        {"ids": [], "headers": {"X-Consul-Index": "soon"}},
        {"body": "<html>a proxy's idea of an answer</html>"},
        {"body": '{"not": "a list"}'},
        {"body": "null"},
        {"body": "[" + " " * ANSWER_BYTES_MAX + "]"},
    ],
    ids=lambda trouble: str(sorted(trouble.items()))[:80],
)
async def test_an_answer_in_trouble_never_takes_an_instance_away(
    trouble: dict[str, object],
) -> None:
    script = Script(ids=["w-1", "w-2"])
    async with watching(script) as watcher:
        script.say(index=11, **trouble)
        await watcher.sees("w-1", "w-2", fresh=False)
        script.say(index=12, status=200, body=None, headers={}, ids=["w-1", "w-2", "w-3"])
        await watcher.sees("w-1", "w-2", "w-3")
        assert all({"w-1", "w-2"} <= {i.instance_id for i in v.instances} for v in watcher.views)


async def test_an_agent_that_hangs_is_noticed_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(consul, "CALL_TIMEOUT_S", 1.0)
    script = Script(ids=["w-1"])
    async with watching(script) as watcher:
        script.say(hangs=True)
        await watcher.sees("w-1", fresh=False)
        script.say(hangs=False)
        await watcher.sees("w-1")


async def test_an_index_that_goes_back_starts_over_and_keeps_who_was_lost_for_a_while() -> None:
    script = Script(index=1000, ids=["w-1", "w-2", "w-3"])
    async with watching(script) as watcher:
        before = len(script.queries)
        script.say(index=5, ids=["w-1", "w-2"])
        await watcher.passes("w-1", "w-2", "w-3", fresh=False)
        await eventually(lambda: any("index" not in query for query in script.queries[before:]))
        # Who does not come back in time is gone.
        await watcher.sees("w-1", "w-2", fresh=True)
        assert script.queries[-1].get("index", "5") == "5"


async def test_an_index_of_zero_is_not_waited_for_and_not_asked_in_a_hurry() -> None:
    script = Script(index=0, ids=["w-1"])
    async with watching(script) as watcher:
        script.say(ids=["w-1", "w-2"])
        await watcher.sees("w-1", "w-2")
        assert all("index" not in query for query in script.queries)
        assert len(script.queries) <= 3


async def test_nearly_all_gone_at_once_is_believed_only_after_a_while() -> None:
    script = Script(ids=["w-1", "w-2", "w-3"])
    async with watching(script) as watcher:
        script.say(index=11, ids=[])
        await watcher.passes("w-1", "w-2", "w-3", fresh=False)
        await watcher.sees(fresh=True)


async def test_only_passing_instances_of_any_server_are_asked_for() -> None:
    script = Script(ids=["w-1"])
    async with watching(script):
        await eventually(lambda: len(script.queries) >= 2)
    first, second = script.queries[:2]
    assert first == {"passing": "1", "stale": ""}
    assert second == {"passing": "1", "stale": "", "index": "10", "wait": "300ms"}


async def test_a_quiet_registry_stays_fresh_and_young() -> None:
    script = Script(ids=["w-1"])
    async with watching(script) as watcher:
        asked = len(script.queries)
        await eventually(lambda: len(script.queries) > asked + 3)
        assert len(watcher.views) == 1


async def test_an_agent_that_lost_one_service_learns_it_again(consul_agent: ConsulAgent) -> None:
    discovery = RegistryDiscovery(ConsulRegistry(ConsulOptions(consul_agent.address)), renew_s=0.1)
    await discovery.register(Instance("worker", "w-1", "10.0.0.1:8001"))
    consul_agent.put("/v1/agent/service/deregister/hasten-worker-w-1")
    await eventually(lambda: "hasten-worker-w-1" in consul_agent.get("/v1/agent/services"))
    await discovery.close()
    assert consul_agent.get("/v1/agent/services") == {}


async def test_meshes_with_different_names_share_an_agent(consul_agent: ConsulAgent) -> None:
    red, blue = (
        RegistryDiscovery(ConsulRegistry(ConsulOptions(consul_agent.address, namespace=name)))
        for name in ("red", "blue")
    )
    await red.register(Instance("worker", "w-1", "10.0.0.1:8001"))
    await blue.register(Instance("worker", "w-1", "10.0.0.2:8001"))
    async with Watcher(red) as in_red, Watcher(blue) as in_blue:
        assert (await in_red.sees("w-1")).instances[0].address == "10.0.0.1:8001"
        assert (await in_blue.sees("w-1")).instances[0].address == "10.0.0.2:8001"
    await red.close()
    await blue.close()


@pytest.mark.parametrize("address", ["8500", "ftp://127.0.0.1:8500", ":8500", "host:port"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|int"):
        ConsulRegistry(ConsulOptions(address))


async def test_facts_that_consul_cannot_hold_are_trouble_and_no_crash(
    consul_agent: ConsulAgent,
) -> None:
    registry = ConsulRegistry(ConsulOptions(consul_agent.address))
    with pytest.raises(RegistryTrouble, match="400"):
        await registry.announce(Instance("worker", "w", "10.0.0.1:1", {"pid": "x" * 600}))
    await registry.close()


async def test_consul_asks_the_health_service_itself_when_told_to(
    consul_agent: ConsulAgent,
) -> None:
    server = make_server(ServerLimits())
    health = add_health(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    health.set(INFERENCE_SERVICE, serving=True)
    options = ConsulOptions(consul_agent.address, check="grpc", wait_s=0.5)
    discovery = RegistryDiscovery(ConsulRegistry(options), renew_s=0.2)
    await discovery.register(Instance("worker", "w-1", f"127.0.0.1:{port}"))
    async with Watcher(discovery) as watcher:
        await watcher.sees("w-1")
        health.set(INFERENCE_SERVICE, serving=False)
        await watcher.sees()
        health.set(INFERENCE_SERVICE, serving=True)
        await watcher.sees("w-1")
    await discovery.close()
    await server.stop(None)


async def test_a_name_that_has_moved_is_looked_up_at_the_next_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(ids=["w-1"])
    async with scripted_consul(script) as address:
        loop = asyncio.get_running_loop()
        resolve, places = loop.getaddrinfo, iter(["127.0.0.2", "127.0.0.1"])
        looked_up: list[str] = []

        async def moved(host: str, *args: Any, **facts: Any) -> Any:
            if host == "consul.example":
                host = next(places)
                looked_up.append(host)
            return await resolve(host, *args, **facts)

        monkeypatch.setattr(loop, "getaddrinfo", moved)
        registry = ConsulRegistry(ConsulOptions(f"consul.example:{address.rpartition(':')[2]}"))
        reader = registry.reader("worker")
        try:
            with pytest.raises(RegistryTrouble):
                await reader.read()
            assert [each.instance_id for each in await reader.read()] == ["w-1"]
        finally:
            await registry.close()
        assert looked_up == ["127.0.0.2", "127.0.0.1"]


async def test_hasten_doctor_hears_who_leads(consul_agent: ConsulAgent) -> None:
    assert (await ask_consul(consul_agent.address)).startswith("127.0.0.1:")
