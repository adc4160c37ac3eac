"""The other RPCs: bodies become messages, and answers become JSON as Triton's."""

import base64
from typing import Any

import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_router.rest.messages import answer_json, as_json, request_message
from hasten_router.rest.paths import Nowhere, route
from hasten_router.rest.site import server_timing
from hasten_runtime.errors import MeshError


@pytest.mark.parametrize(
    ("method", "path", "rpc", "fields"),
    [
        ("POST", "/v2/models/a/infer", "ModelInfer", {"model_name": "a"}),
        (
            "POST",
            "/v2/models/a%2Fb%20%C3%A4/versions/7/infer",
            "ModelInfer",
            {"model_name": "a/b ä", "model_version": "7"},
        ),
        ("GET", "/v2/", "ServerMetadata", {}),
        ("HEAD", "/v2/health/ready", "ServerReady", {}),
        ("GET", "/v2/models/stats", "ModelStatistics", {}),
        ("GET", "/v2/models/a/stats", "ModelStatistics", {"name": "a"}),
        ("GET", "/v2/models/a/versions/1", "ModelMetadata", {"name": "a", "version": "1"}),
        ("POST", "/v2/repository/index", "RepositoryIndex", {}),
        ("POST", "/v2/repository/r/index", "RepositoryIndex", {"repository_name": "r"}),
        ("POST", "/v2/repository/models/a/load", "RepositoryModelLoad", {"model_name": "a"}),
        ("POST", "/v2/systemsharedmemory/unregister", "SystemSharedMemoryUnregister", {}),
        (
            "GET",
            "/v2/cudasharedmemory/region/r/status",
            "CudaSharedMemoryStatus",
            {"name": "r"},
        ),
        ("POST", "/v2/models/a/trace/setting", "TraceSetting", {"model_name": "a"}),
        ("GET", "/health/live", "ServerLive", {}),
        ("GET", "/metrics", "metrics", {}),
    ],
)
def test_a_path_asks_for_an_rpc(method: str, path: str, rpc: str, fields: dict[str, str]) -> None:
    assert route(method, path) == (rpc, fields)
    if rpc != "metrics":
        request_message(rpc, fields, {"key": "k", "byte_size": 1} if "Register" in rpc else {})


@pytest.mark.parametrize("path", ["", "/v2x", "/v2/models//infer", "//v2", "/v2/models/a/b", "*"])
def test_other_paths_lead_nowhere(path: str) -> None:
    with pytest.raises(Nowhere):
        route("POST", path)


def made(rpc: str, body: dict[str, Any], kind: Any, **fields: str) -> Any:
    return kind.FromString(request_message(rpc, fields, body))


def test_bodies_become_messages() -> None:
    index = made("RepositoryIndex", {"ready": True}, pb.RepositoryIndexRequest)
    assert index.ready
    given = {"config": "{}", "file:1/model.onnx": base64.b64encode(b"\x00").decode(), "n": 3}
    load = made(
        "RepositoryModelLoad", {"parameters": given}, pb.RepositoryModelLoadRequest, model_name="a"
    )
    assert load.parameters["file:1/model.onnx"].bytes_param == b"\x00"
    assert (load.parameters["config"].string_param, load.parameters["n"].int64_param) == ("{}", 3)
    unload = made(
        "RepositoryModelUnload",
        {"parameters": {"unload_dependents": True}},
        pb.RepositoryModelUnloadRequest,
    )
    assert unload.parameters["unload_dependents"].bool_param
    trace = made(
        "TraceSetting",
        {"trace_level": ["OFF"], "trace_rate": 5, "trace_file": None},
        pb.TraceSettingRequest,
    )
    assert list(trace.settings["trace_level"].value) == ["OFF"]
    assert list(trace.settings["trace_rate"].value) == ["5"]
    assert list(trace.settings["trace_file"].value) == []
    log = made(
        "LogSettings",
        {"log_info": True, "log_verbose_level": 2, "log_format": "x"},
        pb.LogSettingsRequest,
    )
    assert log.settings["log_info"].bool_param
    assert log.settings["log_verbose_level"].uint32_param == 2
    region = {"raw_handle": {"b64": base64.b64encode(b"h").decode()}, "byte_size": 8}
    cuda = made("CudaSharedMemoryRegister", region, pb.CudaSharedMemoryRegisterRequest, name="r")
    assert (cuda.name, cuda.raw_handle, cuda.byte_size) == ("r", b"h", 8)


@pytest.mark.parametrize(
    ("rpc", "body", "field"),
    [
        ("RepositoryIndex", {"ready": 1}, "ready"),
        ("RepositoryModelLoad", {"parameters": 1}, "parameters"),
        ("RepositoryModelLoad", {"parameters": {"file:x": "%"}}, "file:x"),
        ("RepositoryModelLoad", {"parameters": {"x": []}}, "x"),
        ("SystemSharedMemoryRegister", {"key": 1, "byte_size": 1}, "key"),
        ("SystemSharedMemoryRegister", {"key": "k"}, "byte_size"),
        ("SystemSharedMemoryRegister", {"key": "k", "byte_size": 2**64}, "byte_size"),
        ("CudaSharedMemoryRegister", {}, "raw_handle"),
        ("TraceSetting", {"x": [{}]}, "x"),
        ("LogSettings", {"x": 2**32}, "x"),
        ("LogSettings", {"x": None}, "x"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(rpc: str, body: Any, field: str) -> None:
    with pytest.raises(MeshError) as raised:
        request_message(rpc, {}, body)
    assert raised.value.refusal.message.startswith(f"{field} must be")


def test_answers_become_json_as_tritons() -> None:
    config = pb.ModelConfigResponse()
    config.config.name = "a"
    config.config.input.add(name="X", data_type="TYPE_FP32", dims=[3, -1])
    said = answer_json("ModelConfig", config)
    assert said["name"] == "a"
    assert said["max_batch_size"] == 0
    assert said["input"][0]["data_type"] == "TYPE_FP32"
    assert said["input"][0]["dims"] == [3, -1]
    assert "dynamic_batching" not in said
    index = pb.RepositoryIndexResponse()
    index.models.add(name="a", version="1", state="READY")
    assert answer_json("RepositoryIndex", index) == [
        {"name": "a", "version": "1", "state": "READY", "reason": ""}
    ]
    regions = pb.SystemSharedMemoryStatusResponse()
    regions.regions["r"].key = "/k"
    assert answer_json("SystemSharedMemoryStatus", regions)[0]["key"] == "/k"
    log = pb.LogSettingsResponse()
    log.settings["log_verbose_level"].uint32_param = 1
    assert answer_json("LogSettings", log) == {"log_verbose_level": 1}
    trace = pb.TraceSettingResponse()
    trace.settings["trace_level"].value.append("OFF")
    trace.settings["trace_rate"].value.append("5")
    assert answer_json("TraceSetting", trace) == {"trace_level": ["OFF"], "trace_rate": "5"}
    statistics = pb.ModelStatistics(last_inference=2**60)
    assert as_json(statistics)["last_inference"] == 2**60


def test_server_timing_is_in_milliseconds() -> None:
    from hasten.common.v1.timing_pb2 import Timing

    timing = Timing(compute_us=1500, wire_us=10, batch_rows=3)
    assert server_timing(timing.SerializeToString()) == "compute;dur=1.5, wire;dur=0.01"
