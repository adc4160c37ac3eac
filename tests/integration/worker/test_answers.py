"""A real worker process with real models, asked by the stock client."""

import queue
import urllib.request
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

from tests.integration.worker.repository import ECHOES
from tests.support.services import Service
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("worker")]

Client = triton.InferenceServerClient


def given(value: np.ndarray[Any, Any], datatype: str) -> list[triton.InferInput]:
    tensor = triton.InferInput("INPUT", list(value.shape), datatype)
    tensor.set_data_from_numpy(value)
    return [tensor]


FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("datatype", sorted(ECHOES))
def test_every_datatype_comes_back_as_it_went(client: Client, datatype: str) -> None:
    if datatype == "BYTES":
        value = np.array([[b"", b"a"], ["grüße".encode(), b"x" * 300]], dtype=object)
    else:
        value = np.array([[0, 1], [2, 100]]).astype(triton_to_np_dtype(datatype))
    result = client.infer(f"echo_{datatype.lower()}", given(value, datatype), request_id="9")
    assert np.array_equal(result.as_numpy("OUTPUT"), value)
    assert (result.get_response().id, result.get_response().model_version) == ("9", "1")


def test_bytes_that_are_no_text_are_the_callers_mistake(client: Client) -> None:
    value = np.array([[b"\xff\xfe"]], dtype=object)
    with pytest.raises(InferenceServerException, match="not UTF-8") as raised:
        client.infer("echo_bytes", given(value, "BYTES"))
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_typed_contents_are_answered_raw(client: Client) -> None:
    request = triton.service_pb2.ModelInferRequest(model_name="echo_int64")
    tensor = request.inputs.add(name="INPUT", datatype="INT64", shape=[1, 2])
    tensor.contents.int64_contents.extend([-5, 7])
    response = client._client_stub.ModelInfer(request)
    assert np.frombuffer(response.raw_output_contents[0], "<i8").tolist() == [-5, 7]


def test_statistics_grow_by_what_was_asked(client: Client) -> None:
    def found() -> Any:
        return client.get_inference_statistics("echo_fp32").model_stats[0]

    def counted() -> bool:
        # Calls are counted after their answers were handed out, those of tests before this one too.
        before = found()
        client.infer("echo_fp32", given(FLOATS, "FP32"))
        eventually_sync(lambda: found().inference_count > before.inference_count)
        after = found()
        assert after.inference_count - before.inference_count == 2
        assert after.execution_count - before.execution_count == 1
        parts = after.inference_stats
        assert parts.compute_input.count == parts.compute_infer.count == parts.compute_output.count
        return True

    eventually_sync(counted)


def test_a_stream_answers_all_and_keeps_errors_in_band(client: Client) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number in range(10):
        name = "nobody" if number == 4 else "echo_fp32"
        client.async_stream_infer(name, given(FLOATS, "FP32"), request_id=str(number))
    got = [answers.get(timeout=60) for _ in range(10)]
    client.stop_stream()
    assert sorted(r.get_response().id for r, error in got if error is None) == list("012356789")
    assert ["nobody" in str(error) for _, error in got if error is not None] == [True]


def test_models_are_unloaded_and_loaded_again(client: Client) -> None:
    client.unload_model("echo_uint8")
    assert not client.is_model_ready("echo_uint8")
    value = np.zeros((1, 1), np.uint8)
    with pytest.raises(InferenceServerException, match="echo_uint8"):
        client.infer("echo_uint8", given(value, "UINT8"))
    client.load_model("echo_uint8")
    assert client.is_model_ready("echo_uint8")
    client.infer("echo_uint8", given(value, "UINT8"))


def test_a_deadline_that_cannot_be_kept_is_refused_at_once(client: Client) -> None:
    value = np.zeros((1, 1), np.float32)
    before = client.get_inference_statistics("slow").model_stats[0].execution_count
    with pytest.raises(InferenceServerException) as caught:
        client.infer("slow", given(value, "FP32"), timeout=100_000)
    assert "DEADLINE_EXCEEDED" in str(caught.value.status())
    assert client.get_inference_statistics("slow").model_stats[0].execution_count == before


def test_a_model_that_would_run_for_ever_is_stopped_and_the_worker_lives(client: Client) -> None:
    def ten_rounds() -> list[int] | None:
        try:
            result = client.infer("spinner", given(np.array([10], np.int64), "INT64"))
        except InferenceServerException:  # A machine that stands still overstays a limit, too.
            return None
        rounds: list[int] = result.as_numpy("OUTPUT").tolist()
        return rounds

    assert eventually_sync(ten_rounds) == [10]
    with pytest.raises(InferenceServerException) as caught:
        client.infer("spinner", given(np.array([2**62], np.int64), "INT64"))
    assert "DEADLINE_EXCEEDED" in str(caught.value.status())
    assert eventually_sync(ten_rounds) == [10]


def test_metrics_are_served(worker: Service, client: Client) -> None:
    client.infer("echo_fp32", given(FLOATS, "FP32"))

    def scraped() -> str:
        with urllib.request.urlopen(f"http://{worker.facts['metrics_address']}/metrics") as page:
            text: str = page.read().decode()
        return text

    def complete() -> bool:
        text = scraped()
        for line in (
            'hasten_worker_batch_rows_count{model="echo_fp32"}',
            'hasten_requests_total{model="echo_fp32",outcome="answered"}',
            "hasten_worker_models_ready",
        ):
            assert line in text
        return True

    eventually_sync(complete)


def test_the_log_level_can_be_changed_while_it_runs(worker: Service, client: Client) -> None:
    client.update_log_settings({"log_info": False})
    assert not client.get_log_settings().settings["log_info"].bool_param
    client.unload_model("echo_int8")
    client.update_log_settings({"log_info": True})
    client.load_model("echo_int8")
    lines = worker.process.log_path.read_text().splitlines()
    assert not any("model.closed" in line and "echo_int8" in line for line in lines)
    assert any("model.ready" in line and "echo_int8" in line for line in lines)
