"""The stock Triton client, unmodified, against the router and against a worker."""

import queue
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from tests.compat.repositories import ONNX_TYPES
from tests.compat.samples import sample
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("compat")]

Client = triton.InferenceServerClient


def put(name: str, value: np.ndarray[Any, Any], datatype: str) -> triton.InferInput:
    given = triton.InferInput(name, list(value.shape), datatype)
    given.set_data_from_numpy(value)
    return given


def echo(
    client: Client, datatype: str, value: np.ndarray[Any, Any], **more: Any
) -> triton.InferResult:
    return client.infer(f"echo_{datatype.lower()}", [put("INPUT", value, datatype)], **more)


def test_the_server_is_live_and_ready_and_says_what_it_is(client: Client) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata.name == "hasten"
    assert metadata.version
    assert {"model_repository", "statistics", "binary_tensor_data"} <= set(metadata.extensions)


def test_a_model_is_ready_and_an_unknown_one_is_not(client: Client) -> None:
    assert client.is_model_ready("echo_fp32")
    assert client.is_model_ready("echo_fp32", "1")
    assert not client.is_model_ready("echo_fp32", "9")
    assert not client.is_model_ready("nobody")


def test_metadata_and_config_agree(client: Client) -> None:
    metadata = client.get_model_metadata("densenet_like")
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [
        ("data_0", "FP32", [-1, 3, 4, 4])
    ]
    assert metadata.platform == "onnxruntime_onnx"
    config = client.get_model_config("densenet_like").config
    assert config.max_batch_size == 8
    assert [tensor.name for tensor in config.input] == ["data_0"]
    assert list(config.dynamic_batching.preferred_batch_size) == [4, 8]


@pytest.mark.parametrize("datatype", [*ONNX_TYPES, "BF16"])
def test_every_datatype_comes_back_as_it_went(client: Client, datatype: str) -> None:
    if datatype == "BYTES":
        value = np.array([[b"", b"a", b"0"], ["grüße".encode(), b"x" * 300, b"-"]], dtype=object)
    else:
        value = sample(datatype)
    result = echo(client, datatype, value)
    answer = result.as_numpy("OUTPUT")
    assert answer.shape == value.shape
    assert np.array_equal(answer.astype(value.dtype), value)
    assert result.get_output("OUTPUT").datatype == datatype


def test_request_id_and_version_are_echoed(client: Client) -> None:
    result = echo(client, "FP32", sample("FP32"), request_id="281474976710656")
    assert result.get_response().id == "281474976710656"
    assert result.get_response().model_version == "1"


def test_requested_outputs_and_classification(client: Client) -> None:
    picture = np.zeros((1, 3, 4, 4), np.float32)
    picture[0, 1] = 7
    wanted = [triton.InferRequestedOutput("fc6_1", class_count=2)]
    result = client.infer("densenet_like", [put("data_0", picture, "FP32")], outputs=wanted)
    best = result.as_numpy("fc6_1").flatten()[0].decode()
    score, index, label = best.split(":")
    assert (float(score), int(index), label) == (7.0, 1, "green")


def test_async_infer_brings_each_callers_own_answer(client: Client) -> None:
    answers: queue.Queue[tuple[float, Any, Any]] = queue.Queue()
    for number in range(20):
        value = np.full((1, 3), number, np.float32)
        client.async_infer(
            "echo_fp32",
            [put("INPUT", value, "FP32")],
            lambda result, error, number=number: answers.put((number, result, error)),
        )
    for _ in range(20):
        number, result, error = answers.get(timeout=60)
        assert error is None
        assert result.as_numpy("OUTPUT")[0, 0] == number


def test_a_stream_carries_many_requests_and_errors_stay_in_band(client: Client) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(5):
        value = np.full((1, 2), number, np.float32)
        client.async_stream_infer(
            "echo_fp32", [put("INPUT", value, "FP32")], request_id=str(number)
        )
    client.async_stream_infer("nobody", [put("INPUT", np.zeros((1, 1), np.float32), "FP32")])
    value = np.full((1, 2), 5, np.float32)
    client.async_stream_infer("echo_fp32", [put("INPUT", value, "FP32")], request_id="5")
    got = [answers.get(timeout=60) for _ in range(7)]
    client.stop_stream()
    errors = [error for _, error in got if error is not None]
    assert len(errors) == 1
    assert "nobody" in str(errors[0])
    results = {r.get_response().id: r.as_numpy("OUTPUT")[0, 0] for r, e in got if e is None}
    assert results == {str(number): number for number in range(6)}


def test_statistics_count_rows_and_batches(client: Client) -> None:
    def found() -> Any:
        return client.get_inference_statistics("echo_int64").model_stats[0]

    def counted() -> bool:
        # Calls are counted after their answers were handed out, those of tests before this one too.
        before = found()
        echo(client, "INT64", sample("INT64"))
        eventually_sync(lambda: found().inference_count > before.inference_count)
        after = found()
        assert after.version == "1"
        assert after.inference_count - before.inference_count == 2
        assert after.execution_count - before.execution_count == 1
        stats = after.inference_stats
        assert stats.compute_input.count == stats.compute_infer.count == stats.compute_output.count
        assert stats.success.ns > 0
        assert {entry.batch_size for entry in after.batch_stats} >= {2}
        return True

    eventually_sync(counted)


def test_statistics_of_an_unknown_model_are_not_found(client: Client) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.get_inference_statistics("nobody")
    assert "NOT_FOUND" in str(raised.value.status())


def test_the_repository_lists_unloads_and_loads(client: Client) -> None:
    def states() -> dict[tuple[str, str], str]:
        return {(m.name, m.version): m.state for m in client.get_model_repository_index().models}

    assert states()["echo_uint8", "1"] == "READY"
    client.unload_model("echo_uint8")
    eventually_sync(lambda: not client.is_model_ready("echo_uint8"))
    with pytest.raises(InferenceServerException):
        echo(client, "UINT8", sample("UINT8"))
    client.load_model("echo_uint8")
    eventually_sync(lambda: client.is_model_ready("echo_uint8"))
    assert np.array_equal(
        echo(client, "UINT8", sample("UINT8")).as_numpy("OUTPUT"), sample("UINT8")
    )


def test_a_deadline_that_no_worker_can_meet_is_refused(client: Client) -> None:
    with pytest.raises(InferenceServerException) as raised:
        echo(client, "BF16", sample("BF16"), timeout=10)  # microseconds; the model needs 1000
    assert "DEADLINE_EXCEEDED" in str(raised.value.status())


def test_priority_and_custom_parameters_are_taken(client: Client) -> None:
    result = echo(client, "FP32", sample("FP32"), priority=1, parameters={"tenant": "blue"})
    assert result.as_numpy("OUTPUT") is not None


def test_client_compression_is_understood(client: Client) -> None:
    value = np.zeros((4, 10_000), np.float32)
    for algorithm in ("gzip", "deflate"):
        answer = echo(client, "FP32", value, compression_algorithm=algorithm).as_numpy("OUTPUT")
        assert np.array_equal(answer, value)


def test_settings_of_trace_and_log_answer(client: Client) -> None:
    assert client.get_trace_settings() is not None
    assert client.update_log_settings({"log_verbose_level": 0}) is not None
    assert client.get_log_settings() is not None
