"""The stock Triton client over HTTP, unmodified, against the router."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from loadtest.mesh import Mesh
from tests.compat.repositories import ONNX_TYPES
from tests.compat.samples import sample
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("compat")]

Client = triton.InferenceServerClient


@pytest.fixture
def client(mesh: Mesh) -> Iterator[Client]:
    with Client(mesh.http, concurrency=4) as opened:
        yield opened


def put(
    name: str, value: np.ndarray[Any, Any], datatype: str, *, binary: bool = True
) -> triton.InferInput:
    given = triton.InferInput(name, list(value.shape), datatype)
    given.set_data_from_numpy(value, binary_data=binary)
    return given


def echo(
    client: Client, datatype: str, value: np.ndarray[Any, Any], *, binary: bool = True, **more: Any
) -> triton.InferResult:
    given = [put("INPUT", value, datatype, binary=binary)]
    return client.infer(f"echo_{datatype.lower()}", given, **more)


def text_sample() -> np.ndarray[Any, Any]:
    return np.array([[b"", b"a", b"0"], ["grüße".encode(), b"x" * 300, b"-"]], dtype=object)


def test_the_server_is_live_and_ready_and_says_what_it_is(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata["name"] == "hasten"
    assert metadata["version"]
    assert {"model_repository", "statistics", "binary_tensor_data"} <= set(metadata["extensions"])


def test_a_model_is_ready_and_an_unknown_one_is_not(client: Client) -> None:
    assert client.is_model_ready("echo_fp32")
    assert client.is_model_ready("echo_fp32", "1")
    assert not client.is_model_ready("echo_fp32", "9")
    assert not client.is_model_ready("nobody")


def test_metadata_and_config_agree(client: Client) -> None:
    metadata = client.get_model_metadata("densenet_like")
    assert metadata["inputs"] == [{"name": "data_0", "datatype": "FP32", "shape": [-1, 3, 4, 4]}]
    assert metadata["platform"] == "onnxruntime_onnx"
    assert client.get_model_metadata("densenet_like", "1") == metadata
    config = client.get_model_config("densenet_like")
    assert config["max_batch_size"] == 8
    (given,) = config["input"]
    assert (given["name"], given["data_type"], given["dims"]) == ("data_0", "TYPE_FP32", [3, 4, 4])
    assert config["dynamic_batching"]["preferred_batch_size"] == [4, 8]


@pytest.mark.parametrize("datatype", [*ONNX_TYPES, "BF16"])
def test_every_datatype_comes_back_as_it_went(client: Client, datatype: str) -> None:
    value = text_sample() if datatype == "BYTES" else sample(datatype)
    result = echo(client, datatype, value)
    answer = result.as_numpy("OUTPUT")
    assert answer.shape == value.shape
    assert np.array_equal(answer.astype(value.dtype), value)
    assert result.get_output("OUTPUT")["datatype"] == datatype


@pytest.mark.parametrize("datatype", [each for each in ONNX_TYPES if each != "FP16"])
def test_every_datatype_comes_back_as_json_too(client: Client, datatype: str) -> None:
    value = text_sample() if datatype == "BYTES" else sample(datatype)
    if datatype.startswith("FP"):
        value = np.nan_to_num(value, posinf=7)
    wanted = [triton.InferRequestedOutput("OUTPUT", binary_data=False)]
    result = echo(client, datatype, value, binary=False, outputs=wanted)
    assert "binary_data_size" not in result.get_output("OUTPUT").get("parameters", {})
    answer = result.as_numpy("OUTPUT")
    if datatype == "BYTES":
        answer = np.array([[text.encode() for text in row] for row in answer], dtype=object)
    assert np.array_equal(answer, value)


def test_request_id_and_version_are_echoed(client: Client) -> None:
    result = echo(client, "FP32", sample("FP32"), request_id="281474976710656", model_version="1")
    assert result.get_response()["id"] == "281474976710656"
    assert result.get_response()["model_version"] == "1"


@pytest.mark.parametrize("binary", [True, False])
def test_requested_outputs_and_classification(client: Client, binary: bool) -> None:
    picture = np.zeros((1, 3, 4, 4), np.float32)
    picture[0, 1] = 7
    wanted = [triton.InferRequestedOutput("fc6_1", binary_data=binary, class_count=2)]
    result = client.infer("densenet_like", [put("data_0", picture, "FP32")], outputs=wanted)
    best = result.as_numpy("fc6_1").flatten()[0]
    score, index, label = (best.decode() if binary else best).split(":")
    assert (float(score), int(index), label) == (7.0, 1, "green")


def test_async_infer_brings_each_callers_own_answer(client: Client) -> None:
    value = [np.full((1, 3), number, np.float32) for number in range(20)]
    begun = [client.async_infer("echo_fp32", [put("INPUT", each, "FP32")]) for each in value]
    answers = [each.get_result().as_numpy("OUTPUT")[0, 0] for each in begun]
    assert answers == list(range(20))


def test_statistics_count_rows_and_batches(client: Client) -> None:
    def found() -> Any:
        return client.get_inference_statistics("echo_int64")["model_stats"][0]

    before = found()
    echo(client, "INT64", sample("INT64"))
    eventually_sync(lambda: found()["inference_count"] > before["inference_count"])
    stats = found()["inference_stats"]
    assert stats["success"]["ns"] > 0
    everything = client.get_inference_statistics()["model_stats"]
    assert {"echo_int64", "densenet_like"} <= {each["name"] for each in everything}


def test_the_repository_lists_unloads_and_loads(client: Client) -> None:
    def states() -> dict[tuple[str, str], str]:
        return {(m["name"], m["version"]): m["state"] for m in client.get_model_repository_index()}

    assert states()["echo_uint16", "1"] == "READY"
    client.unload_model("echo_uint16")
    eventually_sync(lambda: not client.is_model_ready("echo_uint16"))
    with pytest.raises(InferenceServerException):
        echo(client, "UINT16", sample("UINT16"))
    client.load_model("echo_uint16")
    eventually_sync(lambda: client.is_model_ready("echo_uint16"))
    answer = echo(client, "UINT16", sample("UINT16")).as_numpy("OUTPUT")
    assert np.array_equal(answer, sample("UINT16"))


@pytest.mark.parametrize(
    ("ask", "status", "sentence"),
    [
        (lambda c: c.get_inference_statistics("nobody"), "404", "nobody"),
        (lambda c: c.get_model_metadata("nobody"), "404", "nobody"),
        (lambda c: c.infer("nobody", [put("INPUT", sample("FP32"), "FP32")]), "404", "nobody"),
        (lambda c: echo(c, "BF16", sample("BF16"), timeout=10), "504", ""),
        (lambda c: echo(c, "FP32", sample("FP32"), timeout=-1), "400", "timeout"),
        (lambda c: c.infer("echo_fp32", [put("X", sample("FP32"), "FP32")]), "400", "X"),
        (lambda c: c.infer("echo_fp32", [put("INPUT", sample("INT8"), "INT8")]), "400", "INT8"),
    ],
)
def test_a_refusal_says_what_is_wrong(client: Client, ask: Any, status: str, sentence: str) -> None:
    with pytest.raises(InferenceServerException) as raised:
        ask(client)
    assert raised.value.status() == status
    assert sentence in raised.value.message()


def test_priority_tenant_and_custom_parameters_are_taken(client: Client) -> None:
    headers = {"hasten-tenant": "blue", "hasten-priority": "2", "hasten-deadline-ms": "60000"}
    result = echo(
        client, "FP32", sample("FP32"), priority=1, parameters={"why": 1.5}, headers=headers
    )
    assert result.as_numpy("OUTPUT") is not None


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways_is_understood(client: Client, algorithm: str) -> None:
    value = np.zeros((4, 10_000), np.float32)
    result = echo(
        client,
        "FP32",
        value,
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert np.array_equal(result.as_numpy("OUTPUT"), value)


def test_settings_of_trace_and_log_answer(client: Client) -> None:
    assert client.get_trace_settings() is not None
    assert client.update_log_settings({"log_verbose_level": 0}) is not None
    assert client.get_log_settings()["log_verbose_level"] == 0


async def test_the_asyncio_client_is_answered_too(mesh: Mesh) -> None:
    from tritonclient.http.aio import InferenceServerClient

    async with InferenceServerClient(mesh.http) as client:
        value = sample("FP64")
        result = await client.infer("echo_fp64", [put("INPUT", value, "FP64")])
        assert np.array_equal(result.as_numpy("OUTPUT"), value)
