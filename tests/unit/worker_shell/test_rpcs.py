"""The RPCs of the inference protocol besides inference, over a real connection."""

import uuid
from collections.abc import Iterator
from multiprocessing.shared_memory import SharedMemory

import grpc
import numpy as np
import psutil
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import EchoModel, echo_of, floats
from tests.unit.worker_shell.harness import Bench, reason_of, running_worker, worker_settings


async def refused(call: grpc.aio.UnaryUnaryCall) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return reason_of(caught.value)


async def test_the_server_says_what_it_is() -> None:
    async with running_worker() as bench:
        assert (await bench.public.ServerLive(pb.ServerLiveRequest())).live
        assert (await bench.public.ServerReady(pb.ServerReadyRequest())).ready
        metadata = await bench.public.ServerMetadata(pb.ServerMetadataRequest())
        assert metadata.name == "hasten"
        assert {"statistics", "system_shared_memory"} <= set(metadata.extensions)
        assert "cuda_shared_memory" not in metadata.extensions
        bench.worker.health.enter_drain()
        assert not (await bench.public.ServerReady(pb.ServerReadyRequest())).ready


async def test_readiness_of_an_unknown_model_is_false_and_no_error() -> None:
    async with running_worker() as bench:

        async def ready(**request: str) -> bool:
            response = await bench.public.ModelReady(pb.ModelReadyRequest(**request))
            return bool(response.ready)

        assert await ready(name="echo")
        assert await ready(name="echo", version="1")
        assert not await ready(name="echo", version="2")
        assert not await ready(name="nobody")
        assert not await ready()


async def test_metadata_and_configuration_describe_the_model() -> None:
    model = EchoModel()
    model.config.name = "echo"
    model.config.platform = "onnxruntime_onnx"
    async with running_worker(model) as bench:
        metadata = await bench.public.ModelMetadata(pb.ModelMetadataRequest(name="echo"))
        assert list(metadata.versions) == ["1"]
        assert metadata.platform == "onnxruntime_onnx"
        assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [
            ("IN0", "FP32", [-1, 4])
        ]
        config = await bench.public.ModelConfig(pb.ModelConfigRequest(name="echo"))
        assert config.config.name == "echo"
        request = pb.ModelMetadataRequest(name="echo", version="9")
        assert await refused(bench.public.ModelMetadata(request)) == "VERSION_NOT_FOUND"
        assert (
            await refused(bench.public.ModelConfig(pb.ModelConfigRequest(name="no")))
            == "MODEL_NOT_FOUND"
        )


async def statistics(bench: Bench, **request: str) -> list[pb.ModelStatistics]:
    response = await bench.public.ModelStatistics(pb.ModelStatisticsRequest(**request))
    return list(response.model_stats)


async def counted(bench: Bench, *, calls: int) -> pb.ModelStatistics:
    """Those of `echo` when so many of its answers are counted, which is after they came."""

    async def all_are() -> pb.ModelStatistics | None:
        (stats,) = await statistics(bench, name="echo")
        return stats if stats.inference_stats.success.count == calls else None

    found = await eventually(all_are)
    assert found is not None
    return found


async def test_statistics_count_rows_batches_and_times_alike() -> None:
    model = EchoModel(fails_on=lambda member: bool((member["IN0"] == 99).any()))
    async with running_worker(model, echo_of("INT32", (-1,))) as bench:
        for _ in range(3):
            await bench.public.ModelInfer(floats(rows=2))
        bad = floats()
        bad.raw_input_contents[0] = np.full(4, 99, np.float32).tobytes()
        await refused(bench.public.ModelInfer(bad))
        stats = await counted(bench, calls=3)
        assert (stats.name, stats.version) == ("echo", "1")
        assert (stats.inference_count, stats.execution_count) == (6, 3)
        assert stats.last_inference > 1_700_000_000_000
        parts = stats.inference_stats
        assert parts.success.count == 3
        assert parts.fail.count == 1
        assert parts.queue.count == 3
        assert parts.compute_input.count == parts.compute_infer.count == 3
        assert parts.compute_output.count == 3
        inside = parts.queue, parts.compute_input, parts.compute_infer, parts.compute_output
        assert sum(part.ns for part in inside) <= parts.success.ns + 3000
        (batch,) = stats.batch_stats
        assert (batch.batch_size, batch.compute_infer.count) == (2, 3)
        assert batch.compute_input.count == batch.compute_output.count == 3
        assert [entry.name for entry in await statistics(bench)] == ["echo", "echo_int32"]
        assert len(await statistics(bench, name="echo", version="1")) == 1


async def test_statistics_of_what_is_not_there_are_not_found() -> None:
    async with running_worker() as bench:
        for request, reason in (
            (pb.ModelStatisticsRequest(name="nobody"), "MODEL_NOT_FOUND"),
            (pb.ModelStatisticsRequest(name="echo", version="7"), "VERSION_NOT_FOUND"),
            (pb.ModelStatisticsRequest(version="7"), "INVALID_REQUEST"),
        ):
            assert await refused(bench.public.ModelStatistics(request)) == reason


async def test_statistics_outlive_a_reload() -> None:
    async with running_worker() as bench:
        await bench.public.ModelInfer(floats())
        bench.store.remove("echo")
        bench.store.put(EchoModel())
        await bench.public.ModelInfer(floats())
        stats = await counted(bench, calls=2)
        assert stats.inference_count == 2


async def test_the_index_lists_all_or_the_ready_ones() -> None:
    async with running_worker() as bench:
        every = await bench.public.RepositoryIndex(pb.RepositoryIndexRequest())
        assert [(m.name, m.state, m.reason) for m in every.models] == [
            ("echo", "READY", ""),
            ("broken", "UNAVAILABLE", "a reason"),
        ]
        ready = await bench.public.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))
        assert [m.name for m in ready.models] == ["echo"]
        request = pb.RepositoryIndexRequest(repository_name="other")
        assert await refused(bench.public.RepositoryIndex(request)) == "UNIMPLEMENTED"


async def test_loading_takes_both_dialects_and_hands_configuration_and_files_on() -> None:
    async with running_worker() as bench:
        load = bench.public.RepositoryModelLoad
        response = await load(pb.RepositoryModelLoadRequest(model_name="a"))
        assert (response.model_name, response.is_loaded) == ("a", True)
        response = await load(pb.RepositoryModelLoadRequest(repository_name="b"))
        assert response.model_name == "b"
        request = pb.RepositoryModelLoadRequest(model_name="c")
        request.parameters["config"].string_param = "{}"
        request.parameters["file:1/model.onnx"].bytes_param = b"x"
        await load(request)
        assert bench.store.loaded == [
            ("a", None, None),
            ("b", None, None),
            ("c", "{}", {"1/model.onnx": b"x"}),
        ]


async def test_loads_that_make_no_sense_are_refused() -> None:
    async with running_worker() as bench:
        load = bench.public.RepositoryModelLoad
        assert await refused(load(pb.RepositoryModelLoadRequest())) == "INVALID_REQUEST"
        both = pb.RepositoryModelLoadRequest(repository_name="x", model_name="y")
        assert await refused(load(both)) == "UNIMPLEMENTED"
        odd = pb.RepositoryModelLoadRequest(model_name="y")
        odd.parameters["config"].int64_param = 1
        assert await refused(load(odd)) == "INVALID_PARAMETER"
        broken = pb.RepositoryModelLoadRequest(model_name="broken")
        assert await refused(load(broken)) == "MODEL_REFUSED"


async def test_unloading_takes_both_dialects() -> None:
    async with running_worker(EchoModel(), echo_of("INT32", (-1,))) as bench:
        unload = bench.public.RepositoryModelUnload
        request = pb.RepositoryModelUnloadRequest(model_name="echo")
        request.parameters["unload_dependents"].bool_param = True
        response = await unload(request)
        assert (response.model_name, response.is_unloaded) == ("echo", True)
        await unload(pb.RepositoryModelUnloadRequest(repository_name="echo_int32"))
        assert not bench.store.ready("echo_int32", "")
        request.parameters["other"].bool_param = True
        assert await refused(unload(request)) == "INVALID_PARAMETER"


@pytest.fixture
def memory() -> Iterator[SharedMemory]:
    region = SharedMemory(name=f"hasten_test_{uuid.uuid4().hex}", create=True, size=64)
    yield region
    region.close()
    region.unlink()


def point(parameters: object, name: str, size: int, offset: int = 0) -> None:
    parameters["shared_memory_region"].string_param = name  # type: ignore[index]  # a map
    parameters["shared_memory_byte_size"].int64_param = size  # type: ignore[index]  # a map
    if offset:
        parameters["shared_memory_offset"].int64_param = offset  # type: ignore[index]  # a map


async def test_tensors_travel_in_shared_memory(memory: SharedMemory) -> None:
    async with running_worker() as bench:
        await bench.public.SystemSharedMemoryRegister(
            pb.SystemSharedMemoryRegisterRequest(name="r", key=f"/{memory.name}", byte_size=64)
        )
        status = await bench.public.SystemSharedMemoryStatus(
            pb.SystemSharedMemoryStatusRequest(name="r")
        )
        assert (status.regions["r"].key, status.regions["r"].byte_size) == (f"/{memory.name}", 64)
        assert memory.buf is not None
        memory.buf[:16] = np.arange(4, dtype=np.float32).tobytes()
        request = floats()
        request.ClearField("raw_input_contents")
        point(request.inputs[0].parameters, "r", 16)
        point(request.outputs.add(name="OUT0").parameters, "r", 32, 32)
        response = await bench.public.ModelInfer(request)
        assert list(response.raw_output_contents) == [b""]
        output = response.outputs[0].parameters
        assert output["shared_memory_region"].string_param == "r"
        assert output["shared_memory_byte_size"].int64_param == 16
        assert np.frombuffer(memory.buf[32:48], np.float32).tolist() == [0, 1, 2, 3]

        point(request.outputs[0].parameters, "r", 8, 32)
        assert await refused(bench.public.ModelInfer(request)) == "SHARED_MEMORY_INVALID"
        point(request.inputs[0].parameters, "r", 65)
        assert await refused(bench.public.ModelInfer(request)) == "SHARED_MEMORY_INVALID"
        await bench.public.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest())
        point(request.inputs[0].parameters, "r", 16)
        assert await refused(bench.public.ModelInfer(request)) == "SHARED_MEMORY_INVALID"
        status = await bench.public.SystemSharedMemoryStatus(pb.SystemSharedMemoryStatusRequest())
        assert not status.regions


async def test_shared_memory_is_off_where_others_than_this_host_may_call() -> None:
    settings = worker_settings(shared_memory=False)
    async with running_worker(settings=settings) as bench:
        metadata = await bench.public.ServerMetadata(pb.ServerMetadataRequest())
        assert "system_shared_memory" not in metadata.extensions
        request = pb.SystemSharedMemoryRegisterRequest(name="r", key="/r", byte_size=1)
        register = bench.public.SystemSharedMemoryRegister(request)
        assert await refused(register) == "SHARED_MEMORY_INVALID"
        await bench.public.SystemSharedMemoryUnregister(pb.SystemSharedMemoryUnregisterRequest())
        await bench.public.SystemSharedMemoryStatus(pb.SystemSharedMemoryStatusRequest())


async def test_the_cuda_calls_answer_without_cuda() -> None:
    async with running_worker() as bench:
        status = await bench.public.CudaSharedMemoryStatus(pb.CudaSharedMemoryStatusRequest())
        assert not status.regions
        await bench.public.CudaSharedMemoryUnregister(pb.CudaSharedMemoryUnregisterRequest())
        request = pb.CudaSharedMemoryRegisterRequest(name="r")
        assert await refused(bench.public.CudaSharedMemoryRegister(request)) == "UNIMPLEMENTED"


async def test_trace_settings_are_kept_for_the_server_and_for_models() -> None:
    async with running_worker() as bench:

        async def setting(model: str = "", **values: list[str]) -> dict[str, list[str]]:
            request = pb.TraceSettingRequest(model_name=model)
            for key, value in values.items():
                request.settings[key].value.extend(value)
            response = await bench.public.TraceSetting(request)
            return {key: list(entry.value) for key, entry in response.settings.items()}

        assert (await setting())["trace_level"] == ["OFF"]
        assert (await setting(trace_rate=["10"]))["trace_rate"] == ["10"]
        assert (await setting("echo", trace_rate=["7"]))["trace_rate"] == ["7"]
        assert (await setting())["trace_rate"] == ["10"]
        assert (await setting("echo", trace_rate=[]))["trace_rate"] == ["10"]
        assert (await setting(trace_rate=[]))["trace_rate"] == ["1000"]
        odd = pb.TraceSettingRequest()
        odd.settings["odd"].value.append("1")
        assert await refused(bench.public.TraceSetting(odd)) == "INVALID_PARAMETER"
        unknown = pb.TraceSettingRequest(model_name="nobody")
        assert await refused(bench.public.TraceSetting(unknown)) == "MODEL_NOT_FOUND"


async def test_log_settings_refuse_what_is_of_the_wrong_kind() -> None:
    async with running_worker() as bench:
        for key, kind, value in (
            ("log_info", "uint32_param", 1),
            ("log_verbose_level", "bool_param", True),
            ("log_format", "string_param", "yaml"),
            ("log_file", "string_param", "/etc/passwd"),
        ):
            request = pb.LogSettingsRequest()
            setattr(request.settings[key], kind, value)
            assert await refused(bench.public.LogSettings(request)) == "INVALID_PARAMETER"
        response = await bench.public.LogSettings(pb.LogSettingsRequest())
        assert response.settings["log_info"].bool_param
        assert response.settings["log_format"].string_param == "default"


async def test_health_and_reflection_are_served() -> None:
    async with running_worker() as bench:
        health = bench.channel.unary_unary("/grpc.health.v1.Health/Check")
        assert await health(b"") == b"\x08\x01"
        methods = bench.channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )
        answer = await methods(iter([b"\x3a\x00"])).read()
        assert b"inference.GRPCInferenceService" in answer
        assert b"hasten.worker.v1.WorkerService" in answer


async def test_workers_that_come_and_go_leave_no_file_open() -> None:
    async def come_and_go() -> int:
        async with running_worker() as bench:
            await bench.public.ModelInfer(floats())
        return psutil.Process().num_fds()

    # gRPC opens some of its own once and closes others late.
    most = max([await come_and_go() for _ in range(2)]) + 3
    for _ in range(4):
        await come_and_go()
    await eventually(lambda: psutil.Process().num_fds() <= most)
