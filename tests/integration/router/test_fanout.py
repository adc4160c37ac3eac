"""RPCs that concern every worker, asked of all and merged."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from tests.integration.router.harness import router_over, told
from tests.support.fake_worker import FakeWorker, model_load
from tests.support.waiting import eventually


def two_workers() -> tuple[FakeWorker, FakeWorker]:
    return FakeWorker("a"), FakeWorker("b")


def refusing(reason: Reason, message: str) -> Any:
    def answer(_: Any) -> Any:
        raise MeshError(Refusal(reason, message))

    return answer


async def never(_: Any) -> Any:
    await asyncio.Event().wait()


async def refused(call: Any) -> tuple[str, str, str, float | None]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return told(raised.value)


def by_address(*workers: FakeWorker) -> list[FakeWorker]:
    """In the order in which the router names them."""
    return sorted(workers, key=lambda worker: worker.address)


async def test_metadata_of_a_model_has_the_versions_of_all_workers() -> None:
    a, b = two_workers()
    a.answers["ModelMetadata"] = lambda _: pb.ModelMetadataResponse(name="m", versions=["1"])
    b.answers["ModelMetadata"] = lambda _: pb.ModelMetadataResponse(name="m", versions=["10", "2"])
    async with router_over(a, b) as (client, _):
        answer = await client.ask(
            "ModelMetadata", pb.ModelMetadataRequest(name="m"), pb.ModelMetadataResponse
        )
    assert list(answer.versions) == ["1", "2", "10"]


async def test_a_config_comes_from_whichever_worker_has_the_model() -> None:
    a, b = two_workers()
    a.answers["ModelConfig"] = refusing(Reason.MODEL_NOT_FOUND, "not here")
    b.answers["ModelConfig"] = lambda _: pb.ModelConfigResponse(config={"name": "m"})
    async with router_over(a, b) as (client, _):
        answer = await client.ask(
            "ModelConfig", pb.ModelConfigRequest(name="m"), pb.ModelConfigResponse
        )
    assert answer.config.name == "m"


async def test_a_model_that_no_worker_has_is_not_found() -> None:
    a, b = two_workers()
    for worker in (a, b):
        worker.answers["ModelConfig"] = refusing(Reason.MODEL_NOT_FOUND, "model 'm' is unknown")
    async with router_over(a, b) as (client, _):
        ask = client.ask("ModelConfig", pb.ModelConfigRequest(name="m"), pb.ModelConfigResponse)
        assert (await refused(ask))[:3] == ("NOT_FOUND", "MODEL_NOT_FOUND", "model 'm' is unknown")


async def test_statistics_are_summed() -> None:
    a, b = two_workers()
    for worker in (a, b):
        worker.answers["ModelStatistics"] = lambda _: pb.ModelStatisticsResponse(
            model_stats=[{"name": "m", "version": "1", "inference_count": 3}]
        )
    async with router_over(a, b) as (client, _):
        answer = await client.ask(
            "ModelStatistics", pb.ModelStatisticsRequest(), pb.ModelStatisticsResponse
        )
    assert [stats.inference_count for stats in answer.model_stats] == [6]


async def test_the_index_names_the_worker_that_lags() -> None:
    a, b = two_workers()
    for worker, state in ((a, "READY"), (b, "LOADING")):
        worker.answers["RepositoryIndex"] = lambda _, state=state: pb.RepositoryIndexResponse(
            models=[{"name": "m", "version": "1", "state": state}]
        )
    async with router_over(a, b) as (client, _):
        answer = await client.ask(
            "RepositoryIndex", pb.RepositoryIndexRequest(ready=True), pb.RepositoryIndexResponse
        )
    [entry] = answer.models
    assert entry.state == "READY"
    assert b.address in entry.reason


async def test_a_worker_that_does_not_answer_is_left_out_in_time() -> None:
    a, b = two_workers()
    a.answers["RepositoryIndex"] = never
    b.answers["RepositoryIndex"] = lambda _: pb.RepositoryIndexResponse(models=[{"name": "m"}])
    async with router_over(a, b, fanout={"answer_s_max": 0.2}) as (client, _):

        async def b_is_told() -> bool:
            try:
                answer = await client.ask(
                    "RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse
                )
            except grpc.aio.AioRpcError:  # Both, when this process stood still for that long.
                return False
            return [entry.name for entry in answer.models] == ["m"]

        await eventually(b_is_told)


@pytest.mark.parametrize("field", ["model_name", "repository_name"])
async def test_both_dialects_load_on_every_worker_and_are_answered_in_full(field: str) -> None:
    a, b = two_workers()
    for worker in (a, b):
        worker.answers["RepositoryModelLoad"] = lambda _: pb.RepositoryModelLoadResponse()
    message = pb.RepositoryModelLoadRequest(**{field: "m"})
    async with router_over(a, b) as (client, _):
        answer = await client.ask("RepositoryModelLoad", message, pb.RepositoryModelLoadResponse)
    assert (answer.model_name, answer.is_loaded) == ("m", True)
    for worker in (a, b):
        assert [(name, asked.model_name) for name, asked in worker.asked] == [
            ("RepositoryModelLoad", "m")
        ]


async def test_a_model_is_served_as_soon_as_its_load_has_been_answered() -> None:
    worker = FakeWorker()

    def load(_: Any) -> Any:
        worker.models = [model_load(), model_load("m")]
        return pb.RepositoryModelLoadResponse()

    worker.answers["RepositoryModelLoad"] = load
    async with router_over(worker) as (client, router):
        await client.ask(
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(model_name="m"),
            pb.RepositoryModelLoadResponse,
        )
        assert router.mesh.serves("m", "")


async def test_a_load_that_fails_somewhere_names_the_worker_and_the_reason() -> None:
    a, b = by_address(*[await started(worker) for worker in two_workers()])
    a.answers["RepositoryModelLoad"] = lambda _: pb.RepositoryModelLoadResponse()
    b.answers["RepositoryModelLoad"] = refusing(Reason.MODEL_REFUSED, "the file is corrupt")
    async with router_over(a, b) as (client, _):
        ask = client.ask(
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(model_name="m"),
            pb.RepositoryModelLoadResponse,
        )
        status, reason, message, _ = await refused(ask)
    assert (status, reason) == ("INVALID_ARGUMENT", "MODEL_REFUSED")
    assert f"worker {b.address}: the file is corrupt" in message
    assert f"done on {a.address}" in message


async def test_a_load_while_a_worker_is_down_says_which() -> None:
    a, b = two_workers()
    for worker in (a, b):
        worker.answers["RepositoryModelLoad"] = lambda _: pb.RepositoryModelLoadResponse()
    async with router_over(a, b, fanout={"connect_s_max": 0.1}) as (client, router):
        await b.stop()
        await eventually(lambda: not router.roster.link(b.address).connected)  # type: ignore[union-attr]  # static: there
        ask = client.ask(
            "RepositoryModelLoad",
            pb.RepositoryModelLoadRequest(model_name="m"),
            pb.RepositoryModelLoadResponse,
        )
        status, _, message, _ = await refused(ask)
    assert status == "UNAVAILABLE"
    assert f"worker {b.address}" in message
    assert f"done on {a.address}" in message


async def test_a_model_that_was_on_one_worker_only_is_unloaded() -> None:
    a, b = two_workers()
    a.answers["RepositoryModelUnload"] = lambda _: pb.RepositoryModelUnloadResponse()
    b.answers["RepositoryModelUnload"] = refusing(Reason.MODEL_NOT_FOUND, "not here")
    async with router_over(a, b) as (client, _):
        answer = await client.ask(
            "RepositoryModelUnload",
            pb.RepositoryModelUnloadRequest(model_name="m"),
            pb.RepositoryModelUnloadResponse,
        )
    assert answer.is_unloaded


async def test_shared_memory_is_registered_everywhere_and_listed_once() -> None:
    a, b = two_workers()
    for worker in (a, b):
        worker.answers["SystemSharedMemoryRegister"] = lambda _: (
            pb.SystemSharedMemoryRegisterResponse()
        )
        worker.answers["SystemSharedMemoryStatus"] = lambda _: pb.SystemSharedMemoryStatusResponse(
            regions={"r": {"name": "r", "key": "/r", "byte_size": 8}}
        )
    async with router_over(a, b) as (client, _):
        await client.ask(
            "SystemSharedMemoryRegister",
            pb.SystemSharedMemoryRegisterRequest(name="r", key="/r", byte_size=8),
            pb.SystemSharedMemoryRegisterResponse,
        )
        status = await client.ask(
            "SystemSharedMemoryStatus",
            pb.SystemSharedMemoryStatusRequest(),
            pb.SystemSharedMemoryStatusResponse,
        )
    assert [region.byte_size for region in status.regions.values()] == [8]
    assert all(worker.asked[0][0] == "SystemSharedMemoryRegister" for worker in (a, b))


async def test_settings_reach_every_worker() -> None:
    a, b = two_workers()
    for worker in (a, b):
        worker.answers["LogSettings"] = lambda _: pb.LogSettingsResponse(
            settings={"log_info": {"bool_param": True}}
        )
        worker.answers["TraceSetting"] = lambda _: pb.TraceSettingResponse()
    async with router_over(a, b) as (client, _):
        answer = await client.ask("LogSettings", pb.LogSettingsRequest(), pb.LogSettingsResponse)
        await client.ask("TraceSetting", pb.TraceSettingRequest(), pb.TraceSettingResponse)
    assert answer.settings["log_info"].bool_param
    assert [[name for name, _ in worker.asked] for worker in (a, b)] == [
        ["LogSettings", "TraceSetting"]
    ] * 2


async def test_the_server_tells_the_extensions_that_all_workers_offer() -> None:
    a, b = two_workers()
    a.answers["ServerMetadata"] = lambda _: pb.ServerMetadataResponse(extensions=["x", "y"])
    b.answers["ServerMetadata"] = lambda _: pb.ServerMetadataResponse(extensions=["y", "z"])
    async with router_over(a, b) as (client, _):
        answer = await client.ask(
            "ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse
        )
    assert answer.name == "hasten"
    assert list(answer.extensions) == ["y"]


async def test_without_workers_what_needs_none_is_answered() -> None:
    async with router_over() as (client, _):
        metadata = await client.ask(
            "ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse
        )
        index = await client.ask(
            "RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse
        )
        ask = client.ask("ModelStatistics", pb.ModelStatisticsRequest(), pb.ModelStatisticsResponse)
        assert (await refused(ask))[:2] == ("UNAVAILABLE", "NO_WORKER")
    assert metadata.version
    assert not index.models


async def started(worker: FakeWorker) -> FakeWorker:
    await worker.start()
    return worker
