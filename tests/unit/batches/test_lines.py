"""Lines of batches: requests of JSON and arrays, JSON of answers."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hasten.inference.v2.inference_pb2 import ModelInferRequest, ModelInferResponse
from hasten.scheduler.v1.batch_service_pb2 import BatchInput
from hasten_policy.reasons import Reason, Refusal
from hasten_scheduler.batches.lines import (
    Defaults,
    Line,
    answered,
    line_of_arrays,
    line_of_json,
    refused,
)

DEFAULTS = Defaults("risk", "", {"x": BatchInput(datatype="FP32", shape=[-1, 3])})


def request_of(said: Any, defaults: Defaults = DEFAULTS) -> ModelInferRequest:
    line = line_of_json(0, json.dumps(said).encode(), defaults)
    assert line.refusal is None, line.refusal
    return ModelInferRequest.FromString(line.request)


def test_a_short_line_is_one_row_of_the_batch_s_model() -> None:
    for value in ([1, 2.5, "NaN"], [[1, 2.5, "NaN"]]):
        request = request_of({"id": 7, "inputs": {"x": value}})
        assert (request.model_name, request.inputs[0].datatype) == ("risk", "FP32")
        assert list(request.inputs[0].shape) == [1, 3]
        row = np.frombuffer(request.raw_input_contents[0], np.float32)
        np.testing.assert_array_equal(row, np.array([1, 2.5, np.nan], np.float32))


def test_a_line_of_the_protocol_says_everything_itself() -> None:
    tensor = {"name": "t", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "é"]}
    said = {
        "model": "words",
        "version": "3",
        "inputs": [tensor],
        "outputs": ["y", {"name": "z"}],
        "parameters": {"a": 1, "b": True, "c": 0.5, "d": "e"},
    }
    request = request_of(said)
    assert (request.model_name, request.model_version) == ("words", "3")
    assert request.raw_input_contents[0] == b"\1\0\0\0a\2\0\0\0\xc3\xa9"
    assert [output.name for output in request.outputs] == ["y", "z"]
    assert request.parameters["a"].int64_param == 1
    assert request.parameters["b"].bool_param
    assert request.parameters["c"].double_param == 0.5
    assert request.parameters["d"].string_param == "e"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"input": {}}', "unknown field 'input'"),
        (b'{"inputs": 3}', "inputs must be"),
        (b'{"inputs": {"y": [1]}}', "input 'y' has no datatype.*it knows x"),
        (b'{"inputs": {"x": [1, [2]]}}', "do not fit"),
        (b'{"inputs": {"x": ["a"]}}', "do not fit"),
        (b'{"inputs": {"x": [null]}}', "they are not numbers"),
        (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32"}]}', "must have name"),
        (
            b'{"inputs": [{"name": "x", "shape": [2], "datatype": "INT8", "data": [1]}]}',
            "1 elements",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [300]}]}',
            "do not fit",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "INT8", "data": [0.5]}]}',
            "not whole numbers",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [-1], "datatype": "INT8", "data": [1]}]}',
            "has shape",
        ),
        (
            b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP99", "data": [1]}]}',
            "no such datatype",
        ),
        (
            b'{"inputs": [{"name": "\\ud800", "shape": [1], "datatype": "INT8", "data": [1]}]}',
            "no Unicode",
        ),
        (b'{"id": [], "inputs": {}}', "id must be"),
        (b'{"model": 1, "inputs": {}}', "model must be a text"),
        (b'{"outputs": [1], "inputs": {}}', "outputs must be"),
        (b'{"parameters": {"a": []}, "inputs": {}}', "parameter 'a'"),
    ],
)
def test_a_broken_line_says_what_is_wrong_with_it(text: bytes, says: str) -> None:
    line = line_of_json(4, text, DEFAULTS)
    assert line.refusal is not None
    assert line.refusal.reason is Reason.INVALID_REQUEST
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(line.refusal.message)


@pytest.mark.parametrize(
    ("values", "datatype", "fits"),
    [
        (lambda: np.ones(3), "FP32", True),
        (lambda: np.ones(3, np.int64), "FP32", True),
        (lambda: np.ones(3), "INT32", False),
        (lambda: np.full(3, 2**40), "INT32", False),
        (lambda: np.array(["a", "b", "c"]), "BYTES", True),
        (lambda: np.ones(3), "BYTES", False),
        (lambda: np.ones(3, np.complex64), "", False),
        (lambda: np.ones(3), "BF16", True),
    ],
)
def test_arrays_become_what_the_model_takes_where_nothing_is_lost(
    values: Callable[[], Any], datatype: str, fits: bool
) -> None:
    hints = {"x": BatchInput(datatype=datatype, shape=[-1, 3])}
    line = line_of_arrays(0, {"x": values()}, Defaults("m", "", hints))
    assert (line.refusal is None) is fits
    if fits:
        assert list(ModelInferRequest.FromString(line.request).inputs[0].shape) == [1, 3]


def response() -> ModelInferResponse:
    answer = ModelInferResponse(model_name="m")
    values: list[tuple[str, Any]] = [
        ("FP32", np.array([0.5, np.nan, -np.inf], np.float32).tobytes()),
        ("BF16", b"\x80\x3f\x00\x40"),
        ("BOOL", b"\1\0"),
        ("BYTES", b"\2\0\0\0\xc3\xa9\0\0\0\0"),
    ]
    for datatype, raw in values:
        answer.outputs.add(name=datatype.lower(), datatype=datatype, shape=[1])
        answer.raw_output_contents.append(raw)
    typed = answer.outputs.add(name="typed", datatype="INT64", shape=[2])
    typed.contents.int64_contents.extend([1, -2])
    return answer


def test_an_answer_is_one_line_of_json() -> None:
    line = answered(Line(3, "a\n"), response().SerializeToString())
    assert not line.failed
    assert b"\n" not in line.json
    said = json.loads(line.json, parse_constant=lambda _: pytest.fail("it is not JSON"))
    assert (said["line"], said["id"]) == (3, "a\n")
    data = {output["name"]: output["data"] for output in said["outputs"]}
    assert data == {
        "fp32": [0.5, "NaN", "-Infinity"],
        "bf16": [1.0, 2.0],
        "bool": [True, False],
        "bytes": ["é", ""],
        "typed": [1, -2],
    }


def test_what_cannot_be_read_is_an_error_of_its_line() -> None:
    assert json.loads(answered(Line(1), b"\xff").json)["error"]["reason"] == "INTERNAL"


def test_an_error_says_why() -> None:
    refusal = Refusal(Reason.MODEL_FAILED, "no", metadata=(("a", "b"),))
    line = refused(Line(2), refusal)
    assert line.failed
    assert json.loads(line.json) == {
        "line": 2,
        "error": {
            "reason": "MODEL_FAILED",
            "status": "INTERNAL",
            "message": "no",
            "metadata": {"a": "b"},
        },
    }
